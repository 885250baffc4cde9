/**
 * A lock on a file that stays, such as that of a node agent, in a directory where others may make files too
 * (`/run/lock` is everybody's).
 */
import { randomBytes } from "node:crypto";
import { closeSync, fstatSync, ftruncateSync, lstatSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { MendError } from "../../../errors/errors.ts";
import { fromSystemError } from "../../../errors/system-error.ts";
import { tryLock } from "./flock.ts";
import { type HeldLock, openLockFile } from "./lock-file.ts";
import { openTrustedDirectory } from "./trusted-directory.ts";

const MOST_TRIES = 100;

/**
 * Undefined while another process has it. The file holds our process id. One of another user's is removed, held or not:
 * nobody but us can open ours, so nobody else can hold it. What else another user has put in its place is removed too,
 * or moved aside if it is a directory. Throws `unsupported` where nothing can be locked.
 */
export function takeLastingLock(path: string): HeldLock | undefined {
  using directory = openTrustedDirectory(dirname(path), { strict: true });
  const file = join(directory.anchor, basename(path));
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    clearPlanted(file, path);
    const descriptor = openLockFile(file, path);
    if (descriptor === undefined) continue;
    const stat = fstatSync(descriptor);
    const attempt = stat.uid === process.geteuid?.() ? tryLock(descriptor) : "theirs";
    const named = lstatSync(file, { throwIfNoEntry: false });
    const isNamed = named?.ino === stat.ino && named.dev === stat.dev;
    if (attempt === "ours" && isNamed) {
      write(descriptor, path);
      return { release: () => closeSync(descriptor) };
    }
    closeSync(descriptor);
    if (attempt === "unsupported") throw unsupported(path);
    if (attempt === "others" && isNamed) return undefined;
    if (attempt === "theirs" && isNamed) remove(file, path);
  }
  throw new MendError("io", `cannot lock "${path}": it changes all the time`, { where: path });
}

function write(descriptor: number, path: string): void {
  try {
    ftruncateSync(descriptor, 0);
    writeSync(descriptor, `${process.pid}\n`, 0);
  } catch (error) {
    closeSync(descriptor);
    throw fromSystemError(error, "write the lock file", path);
  }
}

/** A link, a pipe, a socket or a directory of another user's is no lock, and must not keep us from ours. */
function clearPlanted(file: string, path: string): void {
  const found = lstatSync(file, { throwIfNoEntry: false });
  if (found === undefined || found.isFile() || found.uid === 0 || found.uid === process.geteuid?.()) return;
  if (!found.isDirectory()) {
    remove(file, path);
    return;
  }
  try {
    // Not removed: that could take long, and what is in it could be exchanged meanwhile.
    renameSync(file, join(dirname(file), `.${basename(path)}.planted-${randomBytes(8).toString("hex")}`));
  } catch (error) {
    throw fromSystemError(error, "move another user's directory out of the way of the lock", path);
  }
}

function remove(file: string, path: string): void {
  try {
    unlinkSync(file);
  } catch (error) {
    throw fromSystemError(error, "remove another user's lock file", path);
  }
}

function unsupported(path: string): MendError {
  return new MendError("unsupported", `"${path}" cannot be locked`, {
    where: path,
    hint: "use kubemend's executable or Node 26, or install util-linux (the program flock)",
  });
}
