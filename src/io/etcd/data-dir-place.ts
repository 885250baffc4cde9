/** Where a data dir or a WAL dir is to be: what is there, who it belongs to, and how something takes its place. */
import { existsSync, lstatSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { MendError } from "../../errors/errors.ts";
import { fromSystemError } from "../../errors/system-error.ts";
import type { FileSystem } from "../files/durable/file-system.ts";
import { findStagings, removeStaging, type Staging } from "../files/durable/staging.ts";
import { isMountPoint, isOwnName, openTarget, type Target, type TargetOptions } from "../files/durable/target.ts";
import { openTrustedDirectory, type TrustedDirectory } from "../files/durable/trusted-directory.ts";
import type { FileOwner } from "../files/durable/write-file.ts";

const ASIDE = "before-restore";

export interface Place extends Disposable {
  readonly path: string;
  /** Who owned what is there. Undefined where nothing is, or this process cannot give anything away. */
  readonly owner: FileOwner | undefined;
  /** What dead runs staged for it: beside it, and in it where it was there and empty. */
  stagings(): readonly Staging[];
  /** How the new one will get there, by what is there now. */
  choose(): Slot;
}

export interface Slot {
  /** The directory that the new one is staged in, by descriptor, and the name that it gets there. */
  readonly directory: string;
  readonly name: string;
  /** Whether the directory stays and only what is in it is replaced: an empty one, or a mount point, which cannot be renamed. */
  readonly keepsDirectory: boolean;
  /** Whether it is one because it was empty: what has come since is somebody else's. */
  readonly wasEmpty: boolean;
  /** Moves what is in the way by `rename`, which can be taken back. Returns the path where it is, or null where nothing was. */
  moveAside(fs: FileSystem, rename: (from: string, to: string) => void): string | null;
}

/** What dead runs staged for a path, beside it and in it, or what runs that are at it have staged. */
export function stagingsAt(path: string, inner: string): readonly Staging[] {
  const [parent, directory] = [dirname(resolve(path)), resolve(path)].map((each) =>
    lstatSync(each, { throwIfNoEntry: false })?.isDirectory() === true ? each : undefined,
  );
  return [
    ...(parent === undefined ? [] : findStagings(parent, basename(resolve(path)))),
    ...(directory === undefined ? [] : findStagings(directory, inner)),
  ];
}

/**
 * Removes what runs that were killed have left of a data directory, in it and beside it: what they staged, and their
 * locks. Throws `target-locked` while a run is at it.
 */
export function clearDeadRuns(fs: FileSystem, path: string, command: string): void {
  if (!existsSync(dirname(path))) return;
  try {
    {
      using place = openPlace(fs, path, "member", { command });
      for (const staging of place.stagings()) removeStaging(fs, staging);
    }
    fs.syncDirectory(dirname(path)); // the lock of this run was there for a moment
  } catch (error) {
    // Where nothing can be locked, or others could exchange it, nothing was staged either.
    if (!(error instanceof MendError) || !/^(unsupported|directory-untrusted)$/.test(error.code)) throw error;
  }
}

/** Locks it. `inner` is the name inside a directory that stays: `member` of a data dir. */
export function openPlace(
  fs: FileSystem,
  path: string,
  inner: string,
  run: Pick<TargetOptions, "command" | "startedAt">,
): Place {
  const parent = dirname(resolve(path));
  if (statSync(parent, { throwIfNoEntry: false }) === undefined) fs.makeDirectory(parent, 0o755);
  const target = openTarget(path, { ...run, kind: "tree", followLinks: true, alsoOwner: () => true });
  let inside: TrustedDirectory | undefined;
  try {
    const isThere = lstatSync(target.at(), { throwIfNoEntry: false }) !== undefined;
    if (isThere) inside = openTrustedDirectory(target.path, { alsoOwner: () => true });
    return {
      path: target.path,
      owner: isThere ? ownerOf(target.at(), inner) : undefined,
      stagings: () => [
        ...findStagings(target.parent.anchor, target.name),
        ...(inside === undefined ? [] : findStagings(inside.anchor, inner)),
      ],
      choose() {
        const wasEmpty = contents(target.path).length === 0;
        if (inside === undefined || !(wasEmpty || isMountPoint(target.path))) return slotBeside(target);
        return slotInside(inside, inner, wasEmpty);
      },
      [Symbol.dispose]() {
        inside?.[Symbol.dispose]();
        target[Symbol.dispose]();
      },
    };
  } catch (error) {
    inside?.[Symbol.dispose]();
    target[Symbol.dispose]();
    throw error;
  }
}

function slotBeside(target: Target): Slot {
  return {
    directory: target.parent.anchor,
    name: target.name,
    keepsDirectory: false,
    wasEmpty: false,
    moveAside: (_, rename) => moveDirectory(target, rename),
  };
}

function slotInside(inside: TrustedDirectory, name: string, wasEmpty: boolean): Slot {
  const moveAside: Slot["moveAside"] = (fs, rename) => moveContents(fs, inside, rename);
  return { directory: inside.anchor, name, keepsDirectory: true, wasEmpty, moveAside };
}

function moveDirectory(target: Target, rename: (from: string, to: string) => void): string | null {
  if (contents(target.path).length === 0) return null;
  const aside = freeName(target.parent.anchor, `${target.name}.${ASIDE}`);
  rename(target.at(), target.at(aside));
  return join(target.parent.path, aside);
}

/** Into a directory beside them, on the same disk. etcd passes over what it does not know in a data dir and in a WAL dir. */
function moveContents(
  fs: FileSystem,
  inside: TrustedDirectory,
  rename: (from: string, to: string) => void,
): string | null {
  const names = contents(inside.path);
  if (names.length === 0) return null;
  const aside = join(inside.anchor, freeName(inside.anchor, ASIDE));
  const { uid, gid } = statSync(inside.anchor);
  fs.makeDirectory(aside, 0o700);
  if (process.geteuid?.() === 0) fs.own(aside, 0o700, uid, gid);
  for (const name of names) rename(join(inside.anchor, name), join(aside, name));
  return join(inside.path, aside.slice(inside.anchor.length + 1));
}

/**
 * The names in a directory; empty where it does not exist. What kubemend staged or put aside there, in a restore or in
 * an operation on several nodes, does not count, nor does a file system's own `lost+found`.
 */
export function contents(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => name !== "lost+found" && !isOwnName(name) && !ASIDE_NAME.test(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw fromSystemError(error, "read directory", directory);
  }
}

const ASIDE_NAME = new RegExp(`^(${ASIDE}(-\\d+)?|(before|unused|undone|staged)-(restore|salvage)-[a-z0-9-]+)$`);

/** Of what etcd itself made in it, where there is that: the directory may be the disk's. */
function ownerOf(path: string, inner: string): FileOwner | undefined {
  if (process.geteuid?.() !== 0) return undefined;
  const { mode } = statSync(path);
  const { uid, gid } = lstatSync(join(path, inner), { throwIfNoEntry: false }) ?? statSync(path);
  return { mode: mode & 0o7777, uid, gid };
}

function freeName(directory: string, name: string): string {
  const isFree = (each: string): boolean => lstatSync(join(directory, each), { throwIfNoEntry: false }) === undefined;
  if (isFree(name)) return name;
  for (let i = 2; ; i++) if (isFree(`${name}-${i}`)) return `${name}-${i}`;
}
