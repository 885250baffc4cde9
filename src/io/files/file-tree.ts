/**
 * Writes a directory tree of files of which there may be many: into a new directory beside the target, which gets its name when all is written. Files are 0600,
 * directories 0700.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { MendError } from "../../errors/errors.ts";
import { fromSystemError, systemCode } from "./system-error.ts";

export interface FileTree {
  /** Writes a file that is not there yet; false where the tree has one of that path already. Parts are names, not paths. */
  add(parts: readonly string[], text: string): boolean;
  /** Gives the tree its name. Nothing is at the target before. */
  commit(): void;
  /** Removes what was written. Does nothing after `commit`. */
  discard(): void;
}

/** Starts a tree that will be at `target`. Throws `not-empty` where something is there already. */
export function openFileTree(target: string): FileTree {
  const path = resolve(target);
  rejectUsed(path);
  const staging = join(dirname(path), `.${basename(path)}.partial-${randomBytes(4).toString("hex")}`);
  const made = new Set<string>();
  attempt("create", path, () => mkdirSync(staging, { mode: 0o700 }));
  let open = true;
  return {
    add(parts, text) {
      const directory = join(staging, ...parts.slice(0, -1));
      const file = join(directory, parts.at(-1)!);
      try {
        if (!made.has(directory)) mkdirSync(directory, { recursive: true, mode: 0o700 });
        made.add(directory);
        const descriptor = openSync(file, "wx", 0o600);
        try {
          writeSync(descriptor, text);
        } finally {
          closeSync(descriptor);
        }
        return true;
      } catch (error) {
        if (systemCode(error) === "EEXIST") return false;
        throw fromSystemError(error, "write", file);
      }
    },
    commit() {
      attempt("write", path, () => {
        syncDirectory(staging);
        if (directoryEntries(path)?.length === 0) rmdirSync(path);
        renameSync(staging, path);
        syncDirectory(dirname(path));
      });
      open = false;
    },
    discard() {
      if (open) rmSync(staging, { recursive: true, force: true });
      open = false;
    },
  };
}

function rejectUsed(path: string): void {
  const entries = attempt("open", path, () => directoryEntries(path));
  if (entries === undefined || entries.length === 0) return;
  throw new MendError("not-empty", `"${path}" is not empty`, {
    where: path,
    hint: "give a directory that is empty or does not exist",
  });
}

function directoryEntries(path: string): readonly string[] | undefined {
  try {
    return readdirSync(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function attempt<T>(action: string, path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw fromSystemError(error, action, path);
  }
}
