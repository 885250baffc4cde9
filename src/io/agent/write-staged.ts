/** A file of the node agent's, replaced so that a crash at any moment leaves the old one or the new one. */
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { MendError } from "../../errors/errors.ts";
import type { FileSystem } from "../files/durable/file-system.ts";

export interface FileToWrite {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Staged under the name given, in the same directory, flushed, read back and renamed. It is nobody else's to read until
 * it has its owner and mode. Throws what the file system throws, and `io` where the disk gives back other bytes; then
 * the file is as it was, and what was staged is removed if it can be.
 */
export async function writeStaged(fs: FileSystem, staged: string, target: FileToWrite): Promise<void> {
  const { path, bytes, mode, uid, gid } = target;
  try {
    const file = fs.create(staged, 0o600);
    try {
      file.write(bytes, 0);
      fs.own(staged, mode, uid, gid);
      await file.sync();
    } finally {
      file.close();
    }
    if (Buffer.compare(readFileSync(staged), bytes) !== 0) {
      throw new MendError("io", `"${path}" reads back other than it was written`, { hint: "check the disk" });
    }
    fs.rename(staged, path);
    fs.syncDirectory(dirname(path));
  } catch (error) {
    try {
      fs.remove(staged);
    } catch {
      // The first failure is the one to report; the next run removes it.
    }
    throw error;
  }
}
