/** `/var/lib/kubemend/cleaned-<time>/`: what `node clean` keeps on the disk, and finds again. */

import { existsSync, lstatSync, readdirSync, readFileSync, statfsSync } from "node:fs";
import { dirname, join } from "node:path";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { fromSystemError, systemCode } from "../../errors/system-error.ts";
import { type CleanRecord, decodeRecord, encodeRecord, isCleanedName, RECORD_NAME } from "../../nodes/clean-record.ts";
import type { FileSystem } from "../files/durable/file-system.ts";
import { isOursAlone } from "../files/durable/ours-alone.ts";
import { openTarget } from "../files/durable/target.ts";

export interface CleanDirectory {
  readonly path: string;
  readonly record: CleanRecord;
}

/**
 * Newest first. One that is not ours alone is another user's, who could have us move files to anywhere by its record.
 * Directories without a record were not begun: a run was killed before it did anything.
 */
export function listCleaned(keep: string): CleanDirectory[] {
  let names: string[];
  try {
    names = readdirSync(keep);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw fromSystemError(error, "read directory", keep);
  }
  return names
    .filter((name) => isCleanedName(name) && isOurs(join(keep, name)) && existsSync(join(keep, name, RECORD_NAME)))
    .sort()
    .reverse()
    .map((name) => {
      const path = join(keep, name);
      const file = join(path, RECORD_NAME);
      try {
        return { path, record: decodeRecord(readFileSync(file, "utf8"), file) };
      } catch (error) {
        throw fromSystemError(error, "read", file);
      }
    });
}

/** By nobody else, and no link. */
function isOurs(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && isOursAlone(stat);
}

/** A directory that has no record yet, or none that is there. */
export function freeDirectory(keep: string, name: string): string {
  for (let i = 1; ; i++) {
    const path = join(keep, i === 1 ? name : `${name}-${i}`);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined || (isOurs(path) && !existsSync(join(path, RECORD_NAME)))) return path;
  }
}

/** Removes the directories of runs that were killed before they had a record: they had done nothing. */
export function removeUnbegun(fs: FileSystem, keep: string): void {
  for (const name of readdirSync(keep)) {
    const path = join(keep, name);
    if (isCleanedName(name) && isOurs(path) && !existsSync(join(path, RECORD_NAME))) fs.remove(path);
  }
}

/** Replaces the record in one step, and makes it last. */
export async function saveRecord(fs: FileSystem, { path, record }: CleanDirectory): Promise<void> {
  const draft = join(path, `.${RECORD_NAME}.draft`);
  fs.makeDirectory(path, 0o700);
  fs.remove(draft);
  const file = fs.create(draft, 0o600);
  try {
    file.write(Buffer.from(encodeRecord(record)), 0);
    await file.sync();
  } finally {
    file.close();
  }
  fs.rename(draft, join(path, RECORD_NAME));
  fs.syncDirectory(path);
}

/** Throws `no-space` where `bytes` do not fit on the disk of a directory that need not exist yet. */
export function checkSpace(directory: string, bytes: number): void {
  let there = directory;
  while (!existsSync(there)) there = dirname(there);
  const { bavail, bsize } = statfsSync(there);
  if (bytes <= bavail * bsize) return;
  throw new MendError("no-space", `"${directory}" needs ${bytes} bytes, but its disk has ${bavail * bsize} left`, {
    where: directory,
    hint: `free some space, or give a directory on another disk as ${input("keepIn")}`,
  });
}

/** Two at a time would take each other's steps. Throws `target-locked` with who is at it. */
export function lockCleaning(fs: FileSystem, keep: string): Disposable {
  if (!existsSync(keep)) fs.makeDirectory(keep, 0o700);
  return openTarget(join(keep, "cleaned"), { command: "node clean", kind: "tree", strict: true });
}
