/** Whether what is to be written fits on its disk: said before anything is. */
import { existsSync, statfsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { MendError } from "../../../errors/errors.ts";

/** Types of file systems that share blocks between copies, so that a copy takes no space (statfs(2), f_type): btrfs, XFS, bcachefs. */
const SHARES_BLOCKS: ReadonlySet<number> = new Set([0x9123683e, 0x58465342, 0xca451a4e]);

/** Throws `no-space` where `bytes`, copied to `path`, do not fit. `path` need not exist yet. */
export function checkDiskSpace(path: string, bytes: number): void {
  let there = resolve(path);
  while (!existsSync(there)) there = dirname(there);
  const { bavail, blocks, bsize, type } = statfsSync(there);
  if (blocks === 0) return; // no disk, as below /proc: creating the file says what is wrong
  const free = bavail * bsize;
  if (bytes <= free || SHARES_BLOCKS.has(type >>> 0)) return;
  throw new MendError("no-space", `"${path}" needs ${bytes} bytes, but its disk has ${free} left`, {
    where: path,
    hint: "free some space, or choose a directory on another disk",
  });
}
