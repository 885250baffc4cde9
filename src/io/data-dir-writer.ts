/**
 * Writes an etcd data dir so that it is there whole or not at all: everything goes into a staging directory beside the final place, is flushed,
 * and gets its name by one rename.
 */
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { MendError } from "../errors.ts";
import { findDataDirUsers, stopHint } from "./data-dir-users.ts";
import type { FileSystem, OutputFile } from "./file-system.ts";
import { fromSystemError } from "./system-error.ts";

const STAGING = ".kubemend-staging-";
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

export interface DataDirTarget {
  readonly dataDir: string;
  /** Where the WAL goes instead of `DATA_DIR/member/wal`. */
  readonly walDir?: string;
  /** What is at `dataDir` is moved aside instead of refused. */
  readonly replace?: boolean;
}

export interface DataDirWriter {
  /** A file of `member/snap`. */
  createInSnap(name: string): OutputFile;
  /** The same with all that a descriptor's file holds. */
  copyToSnap(name: string, descriptor: number): Promise<OutputFile>;
  /** A WAL segment. */
  createInWal(name: string): OutputFile;
  /** Gives everything its final name. Returns where the old data dir was moved to, where there was one. */
  commit(): Promise<string | undefined>;
  /** Removes what was staged; after {@link commit} it does nothing. */
  discard(): void;
}

/** Throws `data-dir-in-use` or `not-empty` for a target that holds something, and says what to do. Leftovers of a run that was killed are no obstacle. */
export function checkDataDirTarget(target: DataDirTarget): void {
  const found = contents(target.dataDir);
  if (found.length > 0) {
    const users = findDataDirUsers(target.dataDir);
    if (users.length > 0) {
      const names = users.map((user) => user.name).join(", ");
      throw new MendError("data-dir-in-use", `data dir "${target.dataDir}" is in use by ${names}`, {
        where: target.dataDir,
        hint: stopHint(users),
      });
    }
    if (target.replace !== true) {
      throw new MendError("not-empty", `data dir "${target.dataDir}" is not empty`, {
        where: target.dataDir,
        hint: "choose another --data-dir, or pass --replace to have the old one moved aside",
      });
    }
  }
  if (target.walDir !== undefined && contents(target.walDir).length > 0) {
    throw new MendError("not-empty", `WAL dir "${target.walDir}" is not empty`, {
      where: target.walDir,
      hint: "choose another --wal-dir, or move the old one aside",
    });
  }
}

export function createDataDirWriter(fs: FileSystem, target: DataDirTarget): DataDirWriter {
  checkDataDirTarget(target);
  const dataDir = resolve(target.dataDir);
  const walDir = target.walDir === undefined ? undefined : resolve(target.walDir);
  // An empty directory may be a mount point: then only what is inside can be renamed.
  const keepsDirectory = existsSync(dataDir) && contents(dataDir).length === 0;
  const final = keepsDirectory ? join(dataDir, "member") : dataDir;
  const staging = `${final}${STAGING}${process.pid}`;
  const walStaging = walDir === undefined ? undefined : `${walDir}${STAGING}${process.pid}`;
  removeLeftovers(fs, final);
  if (walDir !== undefined) removeLeftovers(fs, walDir);

  const member = keepsDirectory ? staging : join(staging, "member");
  const snap = join(member, "snap");
  const wal = walStaging ?? join(member, "wal");
  const files: OutputFile[] = [];
  let committed = false;
  let walRenamed = false;

  const create = (path: string): OutputFile => {
    const file = fs.create(path, FILE_MODE);
    files.push(file);
    return file;
  };
  const discard = (): void => {
    for (const file of files.splice(0)) file.close();
    if (committed) return;
    fs.remove(staging);
    if (walStaging !== undefined && walDir !== undefined) fs.remove(walRenamed ? walDir : walStaging);
  };
  try {
    for (const directory of [staging, member, snap, wal]) fs.makeDirectory(directory, DIRECTORY_MODE);
  } catch (error) {
    discard();
    throw error;
  }

  return {
    createInSnap: (name) => create(join(snap, name)),
    async copyToSnap(name, descriptor) {
      const file = await fs.copy(descriptor, join(snap, name), FILE_MODE);
      files.push(file);
      return file;
    },
    createInWal: (name) => create(join(wal, name)),
    async commit() {
      await Promise.all(files.map((file) => file.sync()));
      for (const file of files.splice(0)) file.close();
      for (const directory of new Set([snap, wal, member, staging])) fs.syncDirectory(directory);
      checkDataDirTarget(target); // somebody may have come since
      if (walDir !== undefined && walStaging !== undefined) {
        fs.rename(walStaging, walDir);
        walRenamed = true;
        fs.syncDirectory(dirname(walDir));
      }
      let aside: string | undefined;
      if (!keepsDirectory && contents(dataDir).length > 0) {
        aside = freeName(`${dataDir}.before-restore`);
        fs.rename(dataDir, aside);
      }
      try {
        fs.rename(staging, final);
      } catch (error) {
        if (aside !== undefined) fs.rename(aside, dataDir);
        throw error;
      }
      committed = true;
      fs.syncDirectory(dirname(final));
      return aside;
    },
    discard,
  };
}

/** The names in a directory, staging leftovers aside; empty where it does not exist. */
function contents(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => !name.includes(STAGING));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw fromSystemError(error, "read directory", directory);
  }
}

/** What runs left that were killed: staging directories whose process is gone. */
function removeLeftovers(fs: FileSystem, final: string): void {
  const parent = dirname(final);
  if (!existsSync(parent)) return;
  const prefix = basename(final) + STAGING;
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(prefix)) continue;
    const pid = Number(name.slice(prefix.length));
    if (pid === process.pid || !existsSync(`/proc/${pid}`)) fs.remove(join(parent, name));
  }
}

function freeName(name: string): string {
  if (!existsSync(name)) return name;
  for (let i = 2; ; i++) if (!existsSync(`${name}-${i}`)) return `${name}-${i}`;
}
