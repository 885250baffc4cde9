/**
 * Writes an etcd data dir so that it is there whole or not at all: everything goes into a staging directory beside the final place, is flushed,
 * and gets its name by one rename.
 */
import { existsSync, lstatSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { MendError } from "../../errors/errors.ts";
import type { FileSystem, OutputFile } from "../files/file-system.ts";
import { fromSystemError } from "../files/system-error.ts";
import { findDataDirUsers, stopHint } from "./data-dir-users.ts";

const STAGING = ".kubemend-staging-";
/** In the WAL's staging directory: a second name of each segment, by which one that was moved to its place is known to be ours. */
const MOVING = "moving";
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
  if (findUnfinishedWal(target) !== undefined) refuseDirectoryInUse("WAL dir", walDir);
  else checkDirectory("WAL dir", "--wal-dir", walDir, replace === true);
}

function checkDirectory(what: string, flag: string, path: string, replace: boolean): void {
  if (contents(path).length === 0) return;
  refuseDirectoryInUse(what, path);
  if (replace) {
    if (!isMountPoint(path)) return;
    throw new MendError("not-empty", `${what} "${path}" is a mount point and not empty: it cannot be moved aside`, {
      where: path,
      hint: `move what is in it away, or choose another ${flag}`,
    });
  }
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
  removeUnfinishedWal(fs, target);
  // An empty directory may be a mount point: then only what is inside can be renamed.
  const keepsDirectory = existsSync(dataDir) && contents(dataDir).length === 0;
  const keepsWalDir = walDir !== undefined && existsSync(walDir) && contents(walDir).length === 0;
  const final = keepsDirectory ? join(dataDir, "member") : dataDir;
  const staging = `${final}${STAGING}${process.pid}`;
  const walStaging =
    walDir === undefined ? undefined : `${keepsWalDir ? join(walDir, "wal") : walDir}${STAGING}${process.pid}`;
  removeLeftovers(fs, final);
  if (walDir !== undefined) for (const base of walStagingBases(walDir)) removeLeftovers(fs, base);

  const member = keepsDirectory ? staging : join(staging, "member");
  const snap = join(member, "snap");
  const wal = join(walStaging ?? member, "wal");
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
      checkDataDirTarget(keepsWalDir ? { ...target, replace: false } : target); // somebody may have come since
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
          walDir: walDir === undefined || keepsWalDir ? null : moveAside(walDir),
        };
        if (walDir !== undefined && walStaging !== undefined) {
          const moving = join(walStaging, MOVING);
          fs.makeDirectory(moving, DIRECTORY_MODE);
          for (const name of readdirSync(wal)) linkWhereItCan(fs, join(wal, name), join(moving, name));
          if (keepsWalDir) {
            for (const name of readdirSync(wal)) rename(join(wal, name), join(walDir, name));
            fs.syncDirectory(walDir);
          } else {
            rename(wal, walDir);
            fs.syncDirectory(dirname(walDir));
          }
        }
        rename(staging, final);
        committed = true;
        fs.syncDirectory(dirname(final));
        if (walStaging !== undefined) fs.remove(walStaging);
        return moved;
      } catch (error) {
        if (!committed) for (const [from, to] of done) fs.rename(to, from);
        throw error;
      }
    },
    discard,
  };
}

/** The names in a directory; empty where it does not exist. What a killed run staged does not count, nor does a file system's own `lost+found`. */
export function contents(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => name !== "lost+found" && !name.includes(STAGING));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw fromSystemError(error, "read directory", directory);
  }
}

/** What runs left that were killed: staging directories whose process is gone. */
function removeLeftovers(fs: FileSystem, final: string): void {
  for (const pid of deadStagings(final)) fs.remove(`${final}${STAGING}${pid}`);
}

/** The processes that staged something for `final` and are gone. */
function deadStagings(final: string): string[] {
  const parent = dirname(final);
  if (!existsSync(parent)) return [];
  const prefix = basename(final) + STAGING;
  return readdirSync(parent)
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .filter((pid) => pid === String(process.pid) || !existsSync(`/proc/${pid}`));
}

/** Beside a WAL dir that was not there, in one that was there and empty. */
function walStagingBases(walDir: string): string[] {
  return existsSync(walDir) ? [walDir, join(walDir, "wal")] : [walDir];
}

/**
 * The segments in a WAL dir that a run moved there which was killed before its data dir got its name: the staging directories of both are still there, by the same
 * process, and there is no data dir yet. Undefined where there are none, or anything else is there too.
 */
function findUnfinishedWal({ dataDir, walDir }: DataDirTarget): readonly string[] | undefined {
  if (walDir === undefined || contents(dataDir).length > 0) return undefined;
  const wal = resolve(walDir);
  const names = contents(wal);
  if (names.length === 0) return undefined;
  const staged = new Set([resolve(dataDir), join(resolve(dataDir), "member")].flatMap(deadStagings));
  const isOurs = walStagingBases(wal).some((base) =>
    deadStagings(base)
      .filter((pid) => staged.has(pid))
      .some((pid) => names.every((name) => isSameFile(join(wal, name), join(`${base}${STAGING}${pid}`, MOVING, name)))),
  );
  return isOurs ? names.map((name) => join(wal, name)) : undefined;
}

function isSameFile(a: string, b: string): boolean {
  const [one, other] = [a, b].map((path) => lstatSync(path, { throwIfNoEntry: false }));
  return one !== undefined && one.ino === other?.ino && one.dev === other.dev;
}

function removeUnfinishedWal(fs: FileSystem, target: DataDirTarget): void {
  const unfinished = findUnfinishedWal(target) ?? [];
  for (const path of unfinished) fs.remove(path);
}

/** Where a file system has no second names, what a crash leaves is refused by the next run, and not removed. */
function linkWhereItCan(fs: FileSystem, from: string, to: string): void {
  try {
    fs.link(from, to);
  } catch (error) {
    if (!(error instanceof MendError)) throw error;
  }
}

function isMountPoint(path: string): boolean {
  return statSync(path).dev !== statSync(dirname(resolve(path))).dev;
}

function freeName(name: string): string {
  if (!existsSync(name)) return name;
  for (let i = 2; ; i++) if (!existsSync(`${name}-${i}`)) return `${name}-${i}`;
}
