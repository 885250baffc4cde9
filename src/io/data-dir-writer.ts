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
  /** What is at `dataDir` and `walDir` is moved aside instead of refused. */
  readonly replace?: boolean;
}

export interface DataDirWriter {
  /** A file of `member/snap`. */
  createInSnap(name: string): OutputFile;
  /** The same with all that a descriptor's file holds. */
  copyToSnap(name: string, descriptor: number): Promise<OutputFile>;
  /** A WAL segment. */
  createInWal(name: string): OutputFile;
  /** Gives everything its final name. */
  commit(): Promise<MovedAside>;
  /** Removes what was staged; after {@link commit} it does nothing. */
  discard(): void;
}

/** Where what was there before is now; null where nothing was. */
export interface MovedAside {
  readonly dataDir: string | null;
  readonly walDir: string | null;
}

/** Throws `data-dir-in-use` or `not-empty` for a target that holds something, and says what to do. Leftovers of a run that was killed are no obstacle. */
export function checkDataDirTarget(target: DataDirTarget): void {
  const { dataDir, walDir, replace } = target;
  checkDirectory("data dir", "--data-dir", dataDir, replace === true);
  if (walDir === undefined) return;
  if (`${resolve(walDir)}/`.startsWith(`${resolve(dataDir)}/`)) {
    throw new MendError("usage", `WAL dir "${walDir}" is in the data dir "${dataDir}"`, {
      hint: "leave --wal-dir out, or choose one elsewhere",
    });
  }
  checkDirectory("WAL dir", "--wal-dir", walDir, replace === true);
}

function checkDirectory(what: string, flag: string, path: string, replace: boolean): void {
  if (contents(path).length === 0) return;
  refuseDirectoryInUse(what, path);
  if (replace) return;
  throw new MendError("not-empty", `${what} "${path}" is not empty`, {
    where: path,
    hint: `choose another ${flag}, or pass --replace to have the old one moved aside`,
  });
}

/** Throws `data-dir-in-use`. */
function refuseDirectoryInUse(what: string, path: string): void {
  const users = findDataDirUsers(path);
  if (users.length === 0) return;
  const names = users.map((user) => user.name).join(", ");
  throw new MendError("data-dir-in-use", `${what} "${path}" is in use by ${names}`, {
    where: path,
    hint: stopHint(users),
  });
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

  const create = (path: string): OutputFile => {
    const file = fs.create(path, FILE_MODE);
    files.push(file);
    return file;
  };
  const discard = (): void => {
    for (const file of files.splice(0)) file.close();
    if (committed) return;
    fs.remove(staging);
    if (walStaging !== undefined) fs.remove(walStaging);
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
      // The old data dir goes first: a crash in between must not leave it there with a WAL that is not its own.
      const done: (readonly [from: string, to: string])[] = [];
      const rename = (from: string, to: string): void => {
        fs.rename(from, to);
        done.unshift([from, to]);
      };
      const moveAside = (path: string): string | null => {
        if (contents(path).length === 0) return null;
        const aside = freeName(`${path}.before-restore`);
        rename(path, aside);
        return aside;
      };
      try {
        const moved = {
          dataDir: keepsDirectory ? null : moveAside(dataDir),
          walDir: walDir === undefined ? null : moveAside(walDir),
        };
        if (walDir !== undefined && walStaging !== undefined) {
          rename(walStaging, walDir);
          fs.syncDirectory(dirname(walDir));
        }
        rename(staging, final);
        committed = true;
        fs.syncDirectory(dirname(final));
        return moved;
      } catch (error) {
        if (!committed) for (const [from, to] of done) fs.rename(to, from);
        throw error;
      }
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
