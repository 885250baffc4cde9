/** Whether what is to be written fits on its disk: said before anything is. */
import { existsSync, fstatSync, lstatSync, readdirSync, type StatsFs, statfsSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { MendError } from "../../../errors/errors.ts";

/** Of `st_blocks`, whatever the file system has (stat(2)). */
const BLOCK_BYTES = 512;
/** Types of file systems that share blocks between copies, so that a copy takes no space (statfs(2), f_type): btrfs, XFS, bcachefs. */
const BTRFS = 0x9123683e;
const SHARES_BLOCKS: ReadonlySet<number> = new Set([BTRFS, 0x58465342, 0xca451a4e]);

/**
 * Throws `no-space` where `bytes` do not fit below `path`, which need not exist yet. `copiedFrom` is the open file that
 * they are an unchanged copy of: where both are on one file system that shares blocks, the copy takes no space.
 */
export function checkDiskSpace(path: string, bytes: number, copiedFrom?: number): void {
  const disk = diskOf(path);
  if (disk.blocks === 0) return; // no disk, as below /proc: creating the file says what is wrong
  const source =
    sharesBlocks(disk) && copiedFrom !== undefined
      ? { ...statfsSync(`/proc/self/fd/${copiedFrom}`), dev: fstatSync(copiedFrom).dev }
      : undefined;
  if (fits(bytes, disk, source)) return;
  throw new MendError("no-space", `"${path}" needs ${bytes} bytes, but its disk has ${disk.bavail * disk.bsize} left`, {
    where: path,
    hint: "free some space, or choose a directory on another disk",
  });
}

type DiskFacts = Pick<StatsFs, "type" | "blocks" | "bsize" | "bavail"> & { readonly dev: number };

/** `source`: where the bytes are copied from, unchanged; undefined where they are made. */
export function fits(bytes: number, disk: DiskFacts, source: DiskFacts | undefined): boolean {
  return bytes <= disk.bavail * disk.bsize || (source !== undefined && isOne(source, disk) && sharesBlocks(disk));
}

/** The subvolumes of one btrfs have device numbers of their own: they are one file system by their size. */
function isOne(a: DiskFacts, b: DiskFacts): boolean {
  if (a.dev === b.dev) return true;
  return a.type >>> 0 === BTRFS && b.type >>> 0 === BTRFS && a.blocks === b.blocks && a.bsize === b.bsize;
}

function sharesBlocks({ type }: DiskFacts): boolean {
  return SHARES_BLOCKS.has(type >>> 0);
}

/** What others than root may still write on the disk that `path` is, or will be, on. */
export function freeBytes(path: string): number {
  const { bavail, bsize } = diskOf(path);
  return bavail * bsize;
}

/** Whether both are, or will be, on one file system. */
export function isSameDisk(a: string, b: string): boolean {
  return isOne(diskOf(a), diskOf(b));
}

/** What a file, or the files of a directory, take of their disk, without their holes. Throws what the system says. */
export function bytesOnDisk(path: string): number {
  let { blocks } = lstatSync(path);
  if (!lstatSync(path).isDirectory()) return blocks * BLOCK_BYTES;
  for (const each of readdirSync(path, { recursive: true, withFileTypes: true })) {
    blocks += lstatSync(join(each.parentPath, each.name), { throwIfNoEntry: false })?.blocks ?? 0;
  }
  return blocks * BLOCK_BYTES;
}

function diskOf(path: string): DiskFacts {
  let there = resolve(path);
  while (!existsSync(there)) there = dirname(there);
  return { ...statfsSync(there), dev: statSync(there).dev };
}
