/**
 * One lock: a file that is there while somebody holds it, with who that is in it. What counts is the kernel's lock on
 * the open file; a file that a run which was killed left behind locks nothing, and is taken over. The holder removes it
 * at the end, so whoever gets the lock looks again whether the file still has its name.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { MendError } from "../../../errors/errors.ts";
import { fromSystemError, systemCode } from "../../../errors/system-error.ts";
import { tryLock } from "./flock.ts";
import { shownPath } from "./shown-path.ts";

export interface LockHolder {
  /** As it is numbered where that process runs, which may be another container. */
  readonly pid: number;
  readonly host: string;
  /** Such as `snapshot restore`. */
  readonly command: string;
  /** RFC 3339. */
  readonly since: string;
}

export interface HeldLock {
  /** Gives it back and removes the file. */
  release(): void;
}

export type LockResult =
  | { readonly state: "ours"; readonly lock: HeldLock }
  /** `holder` is undefined where the file does not say. `owner` is the user whose file it is. */
  | { readonly state: "others"; readonly holder: LockHolder | undefined; readonly owner: number }
  | { readonly state: "unsupported" };

const MOST_TRIES = 100;
const MOST_BYTES = 4096;
/** A holder says who it is right after it got the lock. */
const HOLDER_TRIES = 20;
const HOLDER_WAIT_MS = 10;
const NAMELESS_TRIES = 2;

/**
 * Does not wait. Throws what the system says, about `target`, which is what is to be written, and `already-exists`
 * where something else has the file's name.
 */
export function takeLockFile(path: string, target: string, command: string): LockResult {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const descriptor = openLockFile(path, target);
    if (descriptor === undefined) continue; // it came or went between two looks
    const attempt = tryLock(descriptor);
    const stat = fstatSync(descriptor);
    if (attempt !== "ours") {
      const holder = attempt === "others" ? readHolder(descriptor) : undefined;
      closeSync(descriptor);
      if (attempt === "unsupported") {
        removeUnlocked(path, stat.ino);
        return { state: "unsupported" };
      }
      // Whoever clears dead locks away holds one for a moment, and never says who it is.
      if (holder === undefined && tries < NAMELESS_TRIES) continue;
      return { state: "others", holder, owner: stat.uid };
    }
    const named = lstatSync(path, { throwIfNoEntry: false });
    if (named?.ino !== stat.ino || named.dev !== stat.dev) {
      closeSync(descriptor); // its last holder has removed it
      continue;
    }
    if (stat.uid !== process.geteuid?.()) {
      // Whoever owns the file could exchange it: ours takes its place.
      unlinkSync(path);
      closeSync(descriptor);
      continue;
    }
    writeHolder(descriptor, command);
    return { state: "ours", lock: { release: () => release(path, descriptor) } };
  }
  throw new MendError("io", `cannot lock "${shownPath(path)}": it changes all the time`, { where: shownPath(path) });
}

/** Removes lock files of ours in a directory that nobody holds: those of runs that were killed. */
export function removeDeadLocks(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (!/^\..+\.kubemend-lock$/.test(name)) continue;
    const path = join(directory, name);
    try {
      const descriptor = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      const stat = fstatSync(descriptor);
      const isOurs = stat.isFile() && stat.uid === process.geteuid?.();
      if (isOurs && tryLock(descriptor) === "ours") removeUnlocked(path, stat.ino);
      closeSync(descriptor);
    } catch (error) {
      if (systemCode(error) === undefined) throw error; // it came or went, or is no lock
    }
  }
}

/** Undefined where the file came or went in the meantime. */
export function openLockFile(path: string, target: string): number | undefined {
  const flags = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  try {
    const descriptor = openSync(path, flags);
    if (fstatSync(descriptor).isFile()) return descriptor;
    closeSync(descriptor);
    throw notALock(path);
  } catch (error) {
    const code = systemCode(error);
    if (code === "ELOOP" || code === "EISDIR" || code === "ENXIO") throw notALock(path);
    if (code !== "ENOENT") throw fromSystemError(error, "write", target);
  }
  try {
    return openSync(path, flags | constants.O_CREAT | constants.O_EXCL, 0o600);
  } catch (error) {
    if (systemCode(error) === "EEXIST") return undefined;
    throw fromSystemError(error, "write", target);
  }
}

function notALock(path: string): MendError {
  return new MendError("already-exists", `"${shownPath(path)}" is in the way: it is no lock of kubemend's`, {
    where: shownPath(path),
    hint: "find out who made it, and remove it",
  });
}

function writeHolder(descriptor: number, command: string): void {
  const holder: LockHolder = { pid: process.pid, host: hostname(), command, since: new Date().toISOString() };
  try {
    ftruncateSync(descriptor, 0);
    writeSync(descriptor, `${JSON.stringify(holder)}\n`, 0);
  } catch {
    // On a full disk the lock holds as well: only its holder is not known.
  }
}

function readHolder(descriptor: number): LockHolder | undefined {
  const buffer = Buffer.alloc(MOST_BYTES);
  for (let tries = 0; tries < HOLDER_TRIES; tries++) {
    const holder = parseHolder(buffer.toString("utf8", 0, readSync(descriptor, buffer, 0, MOST_BYTES, 0)));
    if (holder !== undefined) return holder;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, HOLDER_WAIT_MS);
  }
  return undefined;
}

/** Others may have written it: only what can be shown is taken. */
function parseHolder(text: string): LockHolder | undefined {
  try {
    const { pid, host, command, since } = JSON.parse(text) as Record<string, unknown>;
    if (typeof pid !== "number" || !Number.isSafeInteger(pid)) return undefined;
    if (typeof host !== "string" || !/^[\w.-]{1,255}$/.test(host)) return undefined;
    if (typeof command !== "string" || !/^[a-z][a-z -]{0,60}$/.test(command)) return undefined;
    if (typeof since !== "string" || !/^[\d:.TZ-]{1,40}$/.test(since)) return undefined;
    return { pid, host, command, since };
  } catch {
    return undefined; // not written yet
  }
}

function release(path: string, descriptor: number): void {
  removeUnlocked(path, fstatSync(descriptor).ino);
  closeSync(descriptor);
}

function removeUnlocked(path: string, ino: number): void {
  try {
    if (lstatSync(path, { throwIfNoEntry: false })?.ino === ino) unlinkSync(path);
  } catch {
    // The next run takes it over.
  }
}
