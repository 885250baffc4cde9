/** Writes one file for good or not at all: staged beside its place, flushed, given its owner and mode, and renamed. */
import { constants, lstatSync } from "node:fs";
import { MendError } from "../../../errors/errors.ts";
import type { FileSystem, OutputFile } from "./file-system.ts";
import { newNonce, removeDeadFiles, stagingName } from "./staging.ts";
import type { Target } from "./target.ts";

export interface FileOwner {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface WriteFileOptions {
  /** Of the file that is there, unless given; else ours and 0600. */
  readonly owner?: FileOwner;
  /** One that is there is refused with `already-exists`, also where it has come meanwhile. */
  readonly mustBeNew?: boolean;
  /** Instead of the mode of the file that is there. */
  readonly mode?: number;
  /** Looks at the whole, flushed file before it gets its name; what it throws ends the write. `path` is where it lies meanwhile. */
  readonly check?: (path: string) => Promise<void>;
}

/**
 * `fill` writes the content. Whatever fails, the file is as it was and nothing staged stays, but where that cannot be
 * removed: then the next run does. Throws `not-a-file` where a directory, a device or another thing that is no file has
 * the name.
 */
export async function writeFile<T>(
  fs: FileSystem,
  target: Target,
  command: string,
  fill: (file: OutputFile) => Promise<T> | T,
  options: WriteFileOptions = {},
): Promise<T> {
  const found = options.owner ?? ownerOf(target);
  const owner = found === undefined ? undefined : { ...found, mode: options.mode ?? found.mode };
  refuseInTheWay(target, options);
  removeDeadFiles(fs, target, command);
  const staged = target.at(stagingName(target.name, newNonce()));
  const file = fs.create(staged, 0o600);
  let isOpen = true;
  try {
    const result = await fill(file);
    if (owner === undefined && options.mode !== undefined) file.own(options.mode, ...us());
    if (owner !== undefined) file.own(owner.mode, owner.uid, owner.gid);
    const work = [file.sync(), options.check?.(staged)] as const; // the disk takes the rest while it is being read again
    await Promise.allSettled(work);
    await Promise.all(work);
    file.close();
    isOpen = false;
    refuseInTheWay(target, options);
    fs.rename(staged, target.at());
    fs.syncDirectory(target.parent.anchor);
    return result;
  } catch (error) {
    if (isOpen) file.close();
    try {
      fs.remove(staged);
    } catch {
      // The first failure is the one to report; the next run removes it.
    }
    throw error;
  }
}

/** Undefined where nothing is there, and where only its owner could keep it: that is for root to do. */
export function ownerOf(target: Target): FileOwner | undefined {
  const stat = lstatSync(target.at(), { throwIfNoEntry: false });
  if (stat?.isFile() !== true) return undefined;
  const mode = stat.mode & 0o777;
  if (process.geteuid?.() === 0) return { mode, uid: stat.uid, gid: stat.gid };
  const [uid, gid] = us();
  return { mode, uid, gid };
}

/** Whose files this process makes. */
function us(): readonly [uid: number, gid: number] {
  return [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
}

/** Throws `already-exists` and `not-a-file`, as {@link writeFile} does: for whoever has much to do before. */
export function refuseInTheWay(target: Target, { mustBeNew = false }: WriteFileOptions): void {
  const stat = lstatSync(target.at(), { throwIfNoEntry: false });
  if (stat !== undefined && mustBeNew) {
    throw new MendError("already-exists", `"${target.path}" exists already`, {
      where: target.path,
      hint: "choose another name",
    });
  }
  if (stat === undefined || stat.isFile() || stat.isSymbolicLink()) return;
  const kinds: readonly (readonly [number, string])[] = [
    [constants.S_IFDIR, "a directory"],
    [constants.S_IFCHR, "a device"],
    [constants.S_IFBLK, "a device"],
    [constants.S_IFIFO, "a pipe"],
    [constants.S_IFSOCK, "a socket"],
  ];
  const what = kinds.find(([bits]) => (stat.mode & constants.S_IFMT) === bits)?.[1] ?? "not a file";
  throw new MendError("not-a-file", `"${target.path}" is ${what}`, {
    where: target.path,
    hint: "give the name of a file, or of one that does not exist yet",
  });
}
