/**
 * Where something is put together before it has its name: `.NAME.kubemend-RANDOM` beside the target, a directory of
 * ours that nobody else may look into, with a journal in it; or, for a single file, that file. What a run that was
 * killed left behind is found by its name, and removed only where it is provably ours: it has our owner, and a
 * directory has our mode and a journal in it that says the same target and random number. Others cannot make that.
 */
import { randomBytes } from "node:crypto";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { invariant, MendError } from "../../../errors/errors.ts";
import { systemCode } from "../../../errors/system-error.ts";
import type { FileSystem } from "./file-system.ts";
import { openTarget, type Target } from "./target.ts";
import type { TrustedDirectory } from "./trusted-directory.ts";

export interface Staging {
  /** The random part of its name: what else the same run staged has it too. */
  readonly nonce: string;
  /** 0700, by descriptor where there are any. */
  readonly path: string;
}

const JOURNAL = "journal.json";
const DIRECTORY_MODE = 0o700;

export function newNonce(): string {
  return randomBytes(8).toString("hex");
}

export function stagingName(name: string, nonce: string): string {
  return `.${name}.kubemend-${nonce}`;
}

/** Makes a directory in `directory` for what is to have the name `name`. */
export async function makeStaging(
  fs: FileSystem,
  directory: string,
  name: string,
  nonce: string = newNonce(),
): Promise<Staging> {
  const path = join(directory, stagingName(name, nonce));
  fs.makeDirectory(path, DIRECTORY_MODE);
  try {
    const file = fs.create(join(path, JOURNAL), 0o600);
    try {
      file.write(Buffer.from(`${JSON.stringify({ madeBy: "kubemend", format: 1, target: name, nonce })}\n`), 0);
      await file.sync();
    } finally {
      file.close();
    }
  } catch (error) {
    fs.remove(path);
    throw error;
  }
  return { nonce, path };
}

/** What dead runs staged for `name` in `directory`: whoever calls holds the lock, so nobody else is at it. In the order of their names. */
export function findStagings(directory: string, name: string): Staging[] {
  const prefix = stagingName(name, "");
  return readdirSync(directory)
    .filter((each) => each.startsWith(prefix) && /^[0-9a-f]{16}$/.test(each.slice(prefix.length)))
    .sort()
    .map((each) => ({ nonce: each.slice(prefix.length), path: join(directory, each) }))
    .filter((staging) => isOurs(staging, name));
}

/** Removes a staging directory, the journal last: until then the next run knows that it is ours. */
export function removeStaging(fs: FileSystem, { path }: Staging): void {
  for (const each of readdirSync(path)) if (each !== JOURNAL) fs.remove(join(path, each));
  fs.remove(path);
}

function isOurs({ nonce, path }: Staging, name: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined || stat.uid !== process.geteuid?.()) return false;
  if (!stat.isDirectory() || (stat.mode & 0o7777) !== DIRECTORY_MODE) return false;
  const names = readdirSync(path);
  // Killed before it had its journal, or while that was written.
  if (names.length === 0) return true;
  try {
    const journal = JSON.parse(readFileSync(join(path, JOURNAL), "utf8")) as Record<string, unknown>;
    return journal.madeBy === "kubemend" && journal.target === name && journal.nonce === nonce;
  } catch (error) {
    if (error instanceof SyntaxError) return names.length === 1 && names[0] === JOURNAL;
    if (systemCode(error) === "ENOENT") return false;
    throw error;
  }
}

/** Removes the files that dead runs staged for `name` in `directory`: nobody else may be at it. */
export function removeStagedFiles(fs: FileSystem, directory: string, name: string): void {
  const prefix = stagingName(name, "");
  for (const each of readdirSync(directory)) {
    if (!each.startsWith(prefix) || !/^[0-9a-f]{16}$/.test(each.slice(prefix.length))) continue;
    const path = join(directory, each);
    if (isOurFile(path) || isOtherNameOf(path, join(directory, name))) fs.remove(path);
  }
}

/** Killed after it was linked to its name, and before the other name went. */
function isOtherNameOf(path: string, target: string): boolean {
  const [one, two] = [path, target].map((each) => lstatSync(each, { throwIfNoEntry: false }));
  return one?.isFile() === true && one.uid === process.geteuid?.() && one.ino === two?.ino && one.dev === two.dev;
}

function isOurFile(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isFile() === true && stat.uid === process.geteuid?.() && stat.nlink === 1;
}

/**
 * Removes files that dead runs staged in a directory, for whatever target: they may hold a whole cluster's secrets, and
 * the next run often has another target. A file is ours by its owner and its name, and dead where its target's lock is
 * free.
 */
export function removeDeadFiles(fs: FileSystem, target: Target, command: string): void {
  for (const name of readdirSync(target.parent.anchor)) {
    const [, other] = /^\.(.+)\.kubemend-[0-9a-f]{16}$/.exec(name) ?? [];
    if (other === undefined) continue;
    if (!isOurFile(target.at(name))) continue;
    if (other === target.name) fs.remove(target.at(name));
    else removeWhereFree(fs, target.parent, other, name, command);
  }
}

function removeWhereFree(fs: FileSystem, directory: TrustedDirectory, other: string, name: string, command: string) {
  try {
    using dead = openTarget(join(directory.path, other), { command, kind: "file" });
    invariant(dead.parent.path === directory.path, "a neighbour lies in the same directory");
    fs.remove(dead.at(name));
  } catch (error) {
    if (!(error instanceof MendError) || error.code === "internal") throw error;
    // Another run is at it, or it cannot be removed: neither is in our way.
  }
}
