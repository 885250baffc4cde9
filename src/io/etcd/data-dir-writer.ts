/**
 * Writes an etcd data dir so that it is there whole or not at all: everything goes into a staging directory beside the
 * final place, is flushed, gets the owner and mode of what was there, and its name by one rename. Data dir and WAL dir
 * are locked against another run from the start.
 */

import { lstatSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import type { FileSystem, OutputFile } from "../files/durable/file-system.ts";
import { makeStaging, newNonce, removeStaging, type Staging } from "../files/durable/staging.ts";
import type { FileOwner } from "../files/durable/write-file.ts";
import { contents, openPlace, type Place, type Slot, stagingsAt } from "./data-dir-place.ts";
import { findDataDirUsers, stopHint } from "./data-dir-users.ts";

/** In a staging directory: what is to get its name. */
const NEW = "new";
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
  /** When this run began, in milliseconds since the epoch: a data dir that has come since is another run's. */
  readonly startedAt?: number;
}

export interface DataDirWriter extends Disposable {
  /** Who owned what was there: the new one will be theirs. Undefined where nothing was, or this process cannot give anything away. */
  readonly owner: FileOwner | undefined;
  /** A file of `member/snap`. */
  createInSnap(name: string): OutputFile;
  /** The same with all that a descriptor's file holds. */
  copyToSnap(
    name: string,
    descriptor: number,
    signal?: AbortSignal,
    watch?: (piece: Uint8Array) => void,
  ): Promise<OutputFile>;
  /** A WAL segment. */
  createInWal(name: string): OutputFile;
  /** Gives everything its final name. */
  commit(): Promise<MovedAside>;
  /** Removes what was staged, where there was no {@link commit}, and gives the locks back. */
  [Symbol.dispose](): void;
}

/** Where what was there before is now; null where nothing was. */
export interface MovedAside {
  readonly dataDir: string | null;
  readonly walDir: string | null;
}

interface Places {
  readonly data: Place;
  readonly wal: Place | undefined;
}

interface Slots {
  readonly data: Slot;
  readonly wal: Slot | undefined;
}

/**
 * Throws `target-locked` while another run writes there, `data-dir-in-use` or `not-empty` for a target that holds
 * something, and says what to do. Leftovers of a run that was killed are no obstacle, and are removed.
 */
export async function createDataDirWriter(
  fs: FileSystem,
  target: DataDirTarget,
  command: string,
): Promise<DataDirWriter> {
  const { dataDir, walDir } = target;
  checkApart(target);
  const { startedAt } = target;
  const run = { command, ...(startedAt === undefined ? {} : { startedAt }) };
  const data = openPlace(fs, dataDir, "member", run);
  let wal: Place | undefined;
  try {
    wal = walDir === undefined ? undefined : openPlace(fs, walDir, "wal", run);
    return await openWriter(fs, target, { data, wal });
  } catch (error) {
    wal?.[Symbol.dispose]();
    data[Symbol.dispose]();
    throw error;
  }
}

async function openWriter(fs: FileSystem, target: DataDirTarget, places: Places): Promise<DataDirWriter> {
  checkTarget(target, places);
  const { data, wal } = places;
  for (const path of findUnfinishedWal(places) ?? []) fs.remove(path);
  for (const place of [data, wal]) if (place !== undefined) removeLeftovers(fs, place);

  const slots: Slots = { data: data.choose(), wal: wal?.choose() };
  const nonce = newNonce();
  const staging = await makeStaging(fs, slots.data.directory, slots.data.name, nonce);
  let walStaging: Staging | undefined;
  const files: OutputFile[] = [];
  let committed = false;
  const dispose = (): void => {
    try {
      for (const file of files.splice(0)) file.close();
      if (committed) return;
      removeStaging(fs, staging);
      if (walStaging !== undefined) removeStaging(fs, walStaging);
    } catch {
      // What ended the run is to be reported; the next run removes what is left.
    } finally {
      wal?.[Symbol.dispose]();
      data[Symbol.dispose]();
    }
  };
  try {
    if (slots.wal !== undefined) walStaging = await makeStaging(fs, slots.wal.directory, slots.wal.name, nonce);
    const root = join(staging.path, NEW);
    const member = slots.data.keepsDirectory ? root : join(root, "member");
    const snap = join(member, "snap");
    const walNew = walStaging === undefined ? join(member, "wal") : join(walStaging.path, NEW);
    const directories = [...new Set([root, member, snap, walNew])];
    for (const directory of directories) fs.makeDirectory(directory, DIRECTORY_MODE);
    const create = (path: string): OutputFile => {
      const file = fs.create(path, FILE_MODE);
      files.push(file);
      return file;
    };
    const ownerOf = (path: string): FileOwner | undefined =>
      (path.startsWith(walNew) ? wal?.owner : undefined) ?? data.owner;
    const handOver = (): void => {
      for (const file of files) {
        const owner = ownerOf(file.path);
        if (owner !== undefined) file.own(FILE_MODE, owner.uid, owner.gid);
      }
      for (const directory of directories) {
        const owner = ownerOf(directory);
        if (owner === undefined) continue;
        const isTop =
          directory === (slots.data.keepsDirectory ? undefined : root) ||
          (directory === walNew && wal?.owner !== undefined);
        fs.own(directory, isTop ? owner.mode : DIRECTORY_MODE, owner.uid, owner.gid);
      }
    };
    return {
      owner: data.owner,
      createInSnap: (name) => create(join(snap, name)),
      async copyToSnap(name, descriptor, signal, watch) {
        const file = await fs.copy(descriptor, join(snap, name), FILE_MODE, signal, watch);
        files.push(file);
        return file;
      },
      createInWal: (name) => create(join(walNew, name)),
      async commit() {
        handOver();
        await Promise.all(files.map((file) => file.sync()));
        for (const file of files.splice(0)) file.close();
        for (const directory of [...directories].reverse()) fs.syncDirectory(directory);
        for (const each of [staging, walStaging]) if (each !== undefined) fs.syncDirectory(each.path);
        checkTarget(target, places, slots); // somebody may have come since
        const moved = putInPlace(fs, slots, staging, walStaging);
        committed = true;
        fs.syncDirectory(slots.data.directory);
        removeStaging(fs, staging);
        if (walStaging !== undefined) removeStaging(fs, walStaging);
        return moved;
      },
      [Symbol.dispose]: dispose,
    };
  } catch (error) {
    try {
      removeStaging(fs, staging);
      if (walStaging !== undefined) removeStaging(fs, walStaging);
    } catch {
      // The first failure is the one to report; the next run removes it.
    }
    throw error;
  }
}

/** The old data dir goes first: a crash in between must not leave it there with a WAL that is not its own. What fails is taken back. */
function putInPlace(
  fs: FileSystem,
  { data, wal }: Slots,
  staging: Staging,
  walStaging: Staging | undefined,
): MovedAside {
  const done: (readonly [from: string, to: string])[] = [];
  const rename = (from: string, to: string): void => {
    fs.rename(from, to);
    done.unshift([from, to]);
  };
  try {
    const moved = { dataDir: data.moveAside(fs, rename), walDir: wal?.moveAside(fs, rename) ?? null };
    if (wal !== undefined && walStaging !== undefined) {
      const from = join(walStaging.path, NEW);
      const moving = join(walStaging.path, MOVING);
      fs.makeDirectory(moving, DIRECTORY_MODE);
      for (const name of readdirSync(from)) linkWhereItCan(fs, join(from, name), join(moving, name));
      if (wal.keepsDirectory) {
        for (const name of readdirSync(from)) rename(join(from, name), join(wal.directory, name));
      } else rename(from, join(wal.directory, wal.name));
      fs.syncDirectory(wal.directory);
    }
    rename(join(staging.path, NEW), join(data.directory, data.name));
    return moved;
  } catch (error) {
    for (const [from, to] of done) fs.rename(to, from);
    throw error;
  }
}

/** Says early, and without writing, what {@link createDataDirWriter} would refuse, but for locks. */
export function checkDataDirTarget(target: DataDirTarget): void {
  const { dataDir, walDir } = target;
  checkApart(target);
  const at = (path: string, inner: string): Seen => ({ path, stagings: () => stagingsAt(path, inner) });
  checkTarget(target, { data: at(dataDir, "member"), wal: walDir === undefined ? undefined : at(walDir, "wal") });
}

function checkApart({ dataDir, walDir }: DataDirTarget): void {
  if (walDir === undefined || !`${resolve(walDir)}/`.startsWith(`${resolve(dataDir)}/`)) return;
  throw new MendError("usage", `WAL dir "${walDir}" is in the data dir "${dataDir}"`, {
    hint: `leave ${input("walDir")} out, or choose one elsewhere`,
  });
}

type Seen = Pick<Place, "path" | "stagings">;

interface SeenPlaces {
  readonly data: Seen;
  readonly wal: Seen | undefined;
}

function checkTarget({ replace = false }: DataDirTarget, places: SeenPlaces, slots?: Slots): void {
  const { data, wal } = places;
  checkDirectory("data dir", input("dataDir"), data.path, replace && slots?.data.wasEmpty !== true);
  if (wal === undefined) return;
  if (findUnfinishedWal(places) !== undefined) refuseDirectoryInUse("WAL dir", wal.path);
  else checkDirectory("WAL dir", input("walDir"), wal.path, replace && slots?.wal?.wasEmpty !== true);
}

function checkDirectory(what: string, flag: string, path: string, replace: boolean): void {
  if (contents(path).length === 0) return;
  refuseDirectoryInUse(what, path);
  if (replace) return;
  throw new MendError("not-empty", `${what} "${path}" is not empty`, {
    where: path,
    hint: `choose another ${flag}, or pass ${input("replace")} to have the old one moved aside`,
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

function removeLeftovers(fs: FileSystem, place: Place): void {
  for (const staging of place.stagings()) removeStaging(fs, staging);
}

/**
 * The segments in a WAL dir that a run moved there which was killed before its data dir got its name: the staging
 * directories of both are still there, of the same run, and there is no data dir yet. Undefined where there are none,
 * or anything else is there too.
 */
function findUnfinishedWal({ data, wal }: SeenPlaces): readonly string[] | undefined {
  if (wal === undefined || contents(data.path).length > 0) return undefined;
  const names = contents(wal.path);
  if (names.length === 0) return undefined;
  const staged = new Set(data.stagings().map((staging) => staging.nonce));
  const isOurs = wal
    .stagings()
    .some(
      (staging) =>
        staged.has(staging.nonce) &&
        names.every((name) => isSameFile(join(wal.path, name), join(staging.path, MOVING, name))),
    );
  return isOurs ? names.map((name) => join(wal.path, name)) : undefined;
}

function isSameFile(a: string, b: string): boolean {
  const [one, other] = [a, b].map((path) => lstatSync(path, { throwIfNoEntry: false }));
  return one !== undefined && one.ino === other?.ino && one.dev === other.dev;
}

/** Where a file system has no second names, what a crash leaves is refused by the next run, and not removed. */
function linkWhereItCan(fs: FileSystem, from: string, to: string): void {
  try {
    fs.link(from, to);
  } catch (error) {
    if (!(error instanceof MendError)) throw error;
  }
}
