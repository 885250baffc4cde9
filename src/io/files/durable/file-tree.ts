/**
 * Writes a directory tree of files of which there may be many: staged beside the target, which gets its name when all
 * is written and flushed. Files are 0600, directories 0700.
 */

import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { defined } from "../../../errors/defined.ts";
import { MendError } from "../../../errors/errors.ts";
import { fromSystemError, systemCode } from "../../../errors/system-error.ts";
import { type FileSystem, realFileSystem } from "./file-system.ts";
import { type PlacedFile, placeFile } from "./placed-file.ts";
import { findStagings, makeStaging, removeStaging } from "./staging.ts";
import { isMountPoint, isOwnName, openTarget } from "./target.ts";

export interface FileTree extends Disposable {
  /** Writes a file that is not there yet; false where the tree has one of that path already. Parts are names, not paths. */
  add(parts: readonly string[], text: string): boolean;
  /**
   * A file or a link with the owner and mode that it had elsewhere; `path` is relative. Folders on its way are 0755. Returns
   * false where the owner could not be set. Nothing may be added below a link afterwards.
   */
  place(path: string, file: PlacedFile): Promise<boolean>;
  /** Gives the tree its name. Nothing is at the target before. */
  commit(): Promise<void>;
}

export interface FileTreeOptions {
  /** Who writes, such as `snapshot export`. */
  readonly command: string;
  readonly fileSystem?: FileSystem;
}

/**
 * Starts a tree that will be at `path`. Throws `not-empty` where something is there already, `target-locked` while
 * another run writes it.
 */
export async function openFileTree(path: string, options: FileTreeOptions): Promise<FileTree> {
  const fs = options.fileSystem ?? realFileSystem;
  const target = openTarget(path, { command: options.command, kind: "tree", followLinks: true });
  try {
    refuseUsed(target.at(), target.path);
    for (const left of findStagings(target.parent.anchor, target.name)) removeStaging(fs, left);
    const staging = await makeStaging(fs, target.parent.anchor, target.name);
    const root = join(staging.path, "new");
    const made = new Set<string>();
    const makeFolder = (parts: readonly string[]): string => {
      const folder = join(root, ...parts);
      if (made.has(folder)) return folder;
      if (parts.length > 0) makeFolder(parts.slice(0, -1));
      fs.makeDirectory(folder, 0o700);
      made.add(folder);
      return folder;
    };
    let isDone = false;
    return {
      add(parts, text) {
        const file = join(makeFolder(parts.slice(0, -1)), defined(parts.at(-1)));
        if (lstatSync(file, { throwIfNoEntry: false }) !== undefined) return false;
        const output = fs.create(file, 0o600);
        try {
          output.write(Buffer.from(text), 0);
        } finally {
          output.close();
        }
        return true;
      },
      place(path, file) {
        makeFolder([]);
        return placeFile(join(root, path), file);
      },
      async commit() {
        makeFolder([]);
        await fs.syncTree(root);
        refuseUsed(target.at(), target.path);
        const isThere = lstatSync(target.at(), { throwIfNoEntry: false }) !== undefined;
        if (isThere && isMountPoint(target.path)) {
          for (const name of readdirSync(root)) fs.rename(join(root, name), join(target.at(), name));
          fs.syncDirectory(target.at());
        } else {
          if (isThere) fs.rename(target.at(), join(staging.path, "empty"));
          fs.rename(root, target.at());
          fs.syncDirectory(target.parent.anchor);
        }
        isDone = true;
        removeStaging(fs, staging);
      },
      [Symbol.dispose]() {
        try {
          if (!isDone) removeStaging(fs, staging);
        } catch {
          // What ended the run is to be reported; the next run removes what is left.
        } finally {
          target[Symbol.dispose]();
        }
      },
    };
  } catch (error) {
    target[Symbol.dispose]();
    throw error;
  }
}

function refuseUsed(directory: string, path: string): void {
  let names: readonly string[];
  try {
    names = readdirSync(directory).filter((name) => !isOwnName(name));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return;
    throw fromSystemError(error, "open", path);
  }
  if (names.length === 0) return;
  throw new MendError("not-empty", `"${path}" is not empty`, {
    where: path,
    hint: "give a directory that is empty or does not exist",
  });
}
