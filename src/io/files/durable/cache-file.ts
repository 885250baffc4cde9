/**
 * A file that can be made again at any time: written under another name and renamed, so that nobody reads half of one,
 * but not flushed, because whoever reads it checks its hash. The oldest ones of the directory make space for a new one.
 */
import { closeSync, constants, existsSync, fstatSync, lstatSync, openSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { MendError } from "../../../errors/errors.ts";
import type { FileSystem } from "./file-system.ts";
import { isOursAlone } from "./ours-alone.ts";
import { newNonce, removeDeadFiles, stagingName } from "./staging.ts";
import { openTarget, type Target } from "./target.ts";
import { openTrustedDirectory } from "./trusted-directory.ts";

export interface CacheFileOptions {
  /** Who writes, such as `snapshot get`. */
  readonly command: string;
  /** What the files of the directory that end with `suffix` may take together, this one included. Bytes. */
  readonly mostBytes: number;
  readonly suffix: string;
}

/**
 * Writes `directory`/`name`, mode 0600, in a directory that is made with mode 0700 where it is missing. Throws
 * `directory-untrusted` where the directory is not ours alone, `no-space` where it does not fit, `target-locked` while
 * another run writes it, and what the system says.
 */
export function writeCacheFile(
  fs: FileSystem,
  directory: string,
  name: string,
  pieces: Iterable<Uint8Array>,
  options: CacheFileOptions,
): void {
  makeOwnDirectory(fs, directory);
  const { command } = options;
  using target = openTarget(join(directory, name), { command, kind: "file", strict: true });
  refuseOthers(target);
  removeDeadFiles(fs, target, command);
  const staged = target.at(stagingName(target.name, newNonce()));
  const file = fs.create(staged, 0o600);
  let isOpen = true;
  try {
    let size = 0;
    for (const piece of pieces) {
      if (size + piece.length > options.mostBytes) throw tooLarge(target, options);
      file.write(piece, size);
      size += piece.length;
    }
    makeSpace(fs, target, size, options);
    file.close();
    isOpen = false;
    fs.rename(staged, target.at());
  } catch (error) {
    if (isOpen) file.close();
    fs.remove(staged);
    throw error;
  }
}

/** Nothing is made where others could exchange it. */
function makeOwnDirectory(fs: FileSystem, directory: string): void {
  let there = directory;
  while (!existsSync(there)) there = dirname(there);
  openTrustedDirectory(there, { strict: true })[Symbol.dispose]();
  if (there !== directory) fs.makeDirectory(directory, 0o700);
}

/** Nothing there is no error. */
export function removeCacheFile(fs: FileSystem, directory: string, name: string): void {
  using target = openTarget(join(directory, name), { command: "cache", kind: "file", strict: true });
  refuseOthers(target);
  fs.remove(target.at());
}

function refuseOthers({ parent }: Target): void {
  const descriptor = openSync(parent.anchor, constants.O_RDONLY | constants.O_DIRECTORY);
  const stat = fstatSync(descriptor);
  closeSync(descriptor);
  if (isOursAlone(stat)) return;
  throw new MendError("directory-untrusted", `"${parent.path}" is not ours alone`, {
    where: parent.path,
    hint: "give it to yourself with mode 0700, or name another directory in KUBEMEND_CACHE",
  });
}

/** Removes the oldest ones until `size` more bytes are within the limit. */
function makeSpace(fs: FileSystem, target: Target, size: number, { mostBytes, suffix }: CacheFileOptions): void {
  const others = readdirSync(target.parent.anchor).flatMap((name) => {
    const stat = name.endsWith(suffix) && name !== target.name ? lstatSync(target.at(name), NONE) : undefined;
    return stat?.isFile() === true ? [{ name, size: stat.size, time: stat.mtimeMs }] : [];
  });
  let total = others.reduce((sum, each) => sum + each.size, size);
  for (const { name, size: freed } of others.sort((a, b) => a.time - b.time)) {
    if (total <= mostBytes) return;
    fs.remove(target.at(name));
    total -= freed;
  }
}

const NONE = { throwIfNoEntry: false } as const;

function tooLarge(target: Target, { mostBytes }: CacheFileOptions): MendError {
  return new MendError("no-space", `"${target.path}" would be larger than ${mostBytes} bytes`, {
    where: target.path,
    hint: "there is no need to do anything: the file is read without it",
  });
}
