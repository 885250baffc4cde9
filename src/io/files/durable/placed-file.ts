/** Files and links with the owner and mode that they had elsewhere, below a directory that was empty. */

import { constants } from "node:fs";
import { lchown, open, symlink } from "node:fs/promises";
import { dirname } from "node:path";
import { fromSystemError, systemCode } from "../../../errors/system-error.ts";
import { recordFileChange } from "./file-changes.ts";
import { realFileSystem } from "./file-system.ts";

export type PlacedFile = { readonly uid: number; readonly gid: number } & (
  | { readonly type: "file"; readonly mode: number; readonly content: Uint8Array }
  | { readonly type: "link"; readonly target: string }
);

/** A new one; one that is there is an error. Returns false where the owner could not be set, because only root may. */
export async function placeFile(path: string, file: PlacedFile): Promise<boolean> {
  try {
    realFileSystem.makeDirectory(dirname(path), 0o755);
    let isOwned: boolean;
    if (file.type === "link") {
      await symlink(file.target, path);
      isOwned = await owned(lchown(path, file.uid, file.gid));
    } else {
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      const handle = await open(path, flags, 0o600);
      try {
        await handle.writeFile(file.content);
        isOwned = await owned(handle.chown(file.uid, file.gid));
        await handle.chmod(file.mode);
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
    realFileSystem.syncDirectory(dirname(path));
    recordFileChange("create", path);
    return isOwned;
  } catch (error) {
    throw fromSystemError(error, "write", path);
  }
}

/** By the open file, not by its name. */
async function owned(change: Promise<void>): Promise<boolean> {
  try {
    await change;
    return true;
  } catch (error) {
    if (systemCode(error) === "EPERM") return false;
    throw error;
  }
}
