/**
 * Writes and checks the directories of files that checkpoints mount, whose names are the hash of their content
 * (checkpoint/data-directory.ts).
 */
import { randomBytes } from "node:crypto";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { DataDirectory, DataFile } from "../../checkpoint/checkpoint.ts";
import { hashOf } from "../../checkpoint/data-directory.ts";
import { MendError } from "../../errors/errors.ts";
import { fromSystemError, systemCode } from "../../errors/system-error.ts";
import type { FileSystem } from "../files/durable/file-system.ts";

/** Beside the files: which of them are tokens, and so no part of the hash. */
const VOLATILE_LIST = "..volatile";

/** Writes one that is not there. One that is damaged is rewritten. */
export async function writeDataDirectory(directory: DataDirectory, fileSystem: FileSystem): Promise<void> {
  const { path, files, mode, uid, gid } = directory;
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) {
    if (readDataDirectory(path) === undefined) return;
    fileSystem.rename(path, join(dirname(path), `.damaged-${basename(path)}-${randomBytes(4).toString("hex")}`));
  }
  fileSystem.makeDirectory(dirname(path), 0o700);
  const staged = join(dirname(path), `.partial-${randomBytes(4).toString("hex")}`);
  try {
    const made = new Set<string>();
    makeOwned(staged);
    for (const file of files) {
      const parts = file.path.split("/").slice(0, -1);
      for (let i = 1; i <= parts.length; i++) {
        const folder = join(staged, ...parts.slice(0, i));
        if (!made.has(folder)) makeOwned(folder);
      }
      await writeOwned(join(staged, file.path), file.bytes, file.mode);
    }
    const tokens = files.filter((file) => file.volatile).map((file) => file.path);
    if (tokens.length > 0) {
      await writeOwned(join(staged, VOLATILE_LIST), Buffer.from(JSON.stringify(tokens)), 0o400);
    }
    for (const folder of [...made].reverse()) fileSystem.syncDirectory(folder);
    const wrong = checkContent(staged, basename(path));
    if (wrong !== undefined) {
      throw new MendError("io", `"${path}" reads back other than it was written`, { hint: "check the disk" });
    }
    fileSystem.rename(staged, path);
    fileSystem.syncDirectory(dirname(path));

    function makeOwned(folder: string): void {
      fileSystem.makeDirectory(folder, 0o700);
      fileSystem.own(folder, mode, uid, gid);
      made.add(folder);
    }
  } catch (error) {
    try {
      fileSystem.remove(staged);
    } catch {
      // The first failure is the one to report; what nobody mounts is cleared away later.
    }
    throw error;
  }

  async function writeOwned(target: string, bytes: Uint8Array, fileMode: number): Promise<void> {
    const output = fileSystem.create(target, 0o600);
    try {
      output.write(bytes, 0);
      fileSystem.own(target, fileMode, uid, gid);
      await output.sync();
    } finally {
      output.close();
    }
  }
}

/** What is wrong with one: undefined where it is whole, as its name says. */
export function readDataDirectory(path: string): string | undefined {
  return checkContent(path, basename(path));
}

function checkContent(path: string, hash: string): string | undefined {
  try {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return `"${path}", which it mounts, is not there`;
    if (!stat.isDirectory()) return `"${path}", which it mounts, is no directory`;
    const tokens = readTokens(path);
    const files: DataFile[] = [];
    for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
      if (entry.isDirectory()) continue;
      const full = join(entry.parentPath, entry.name);
      const name = full.slice(path.length + 1);
      if (name === VOLATILE_LIST || /^\..*\.partial-[0-9a-f]{8}$/.test(entry.name)) continue;
      if (!entry.isFile()) return `"${full}", which it mounts, is no file`;
      const bytes = readFileSync(full);
      files.push({ path: name, mode: lstatSync(full).mode & 0o7777, bytes, volatile: tokens.has(name) });
    }
    files.sort((a, b) => (a.path < b.path ? -1 : 1));
    const found = hashOf({ mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, files });
    return found === hash ? undefined : `"${path}", which it mounts, is not what was written`;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return (fromSystemError(error, "read", path) as Error).message;
  }
}

function readTokens(path: string): Set<string> {
  try {
    return new Set(JSON.parse(readFileSync(join(path, VOLATILE_LIST), "utf8")) as string[]);
  } catch (error) {
    if (systemCode(error) === "ENOENT" || error instanceof SyntaxError) return new Set();
    throw error;
  }
}
