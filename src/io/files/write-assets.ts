/**
 * Writes an asset dir in one step: everything goes to a staging directory beside it, is flushed and read back, and
 * takes its place by a rename. Whatever happens before that leaves what was there; docs/adr says what a power cut can
 * do to a replacement.
 */

import { createHash } from "node:crypto";
import { lstatSync, readdirSync, realpathSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Asset } from "../../bootstrap/asset.ts";
import { invariant, MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { fromSystemError } from "../../errors/system-error.ts";
import { type AssetDirState, encodeRecord, hashFile, kindOf, RECORD_NAME, readAssetDir } from "./asset-record.ts";
import { type FileSystem, realFileSystem } from "./durable/file-system.ts";
import { findStagings, makeStaging, removeStaging, type Staging } from "./durable/staging.ts";
import { isMountPoint, isOwnName, openTarget, type Target } from "./durable/target.ts";

export interface WriteAssetsOptions {
  /** Who writes, such as `recover`: only the same command's earlier output is replaced. */
  readonly command: string;
  /** Replace that earlier output. */
  readonly force?: boolean;
  /** When this run began, in milliseconds since the epoch: output that has come since is another run's. */
  readonly startedAt?: number;
  readonly signal?: AbortSignal;
  /** For tests: the layer below. */
  readonly fileSystem?: FileSystem;
}

export interface WrittenAssets {
  /** Absolute, without symbolic links. */
  readonly directory: string;
  readonly files: readonly { readonly path: string; readonly size: number }[];
  /** Whether earlier output was replaced. */
  readonly replaced: boolean;
  /** Files of the earlier output that somebody had changed. */
  readonly changed: readonly string[];
  /** Where the earlier output is kept, because of them. */
  readonly keptAt: string | undefined;
}

/** In a staging directory: what is to get its name, what had it, and an empty directory that had it. */
const NEW = "new";
const OLD = "old";
const EMPTY = "empty";

/** What is in the way at the place of an asset dir. */
type Found = { readonly state: "absent" | "empty" } | { readonly state: "ours"; readonly dir: AssetDirState };

/**
 * Says early, before any work, whether the assets could be written. Throws `not-empty` for a directory that is not the same command's
 * earlier output, or holds files besides it, and `already-exists` for what is no directory or would need `force`.
 */
export function checkAssetDir(directory: string, options: WriteAssetsOptions): void {
  converting("use", directory, () => {
    const kind = kindOf(directory);
    inspect(kind === "other" ? realpathSync(directory) : directory, directory, options);
  });
}

export async function writeAssets(
  directory: string,
  assets: readonly Asset[],
  options: WriteAssetsOptions,
): Promise<WrittenAssets> {
  const { fileSystem: fs = realFileSystem, signal, command, startedAt } = options;
  const parent = dirname(resolve(directory));
  if (statSync(parent, { throwIfNoEntry: false }) === undefined) fs.makeDirectory(parent, 0o755);
  const begun = startedAt === undefined ? {} : { startedAt };
  using target = openTarget(directory, { command, kind: "tree", followLinks: true, ...begun });
  for (const left of findStagings(target.parent.anchor, target.name)) putRight(fs, target, left);
  const found = converting("write", directory, () => inspect(target.at(), target.path, options));
  const staging = await makeStaging(fs, target.parent.anchor, target.name);
  let keptAt: string | undefined;
  try {
    await stage(fs, join(staging.path, NEW), assets, options);
    signal?.throwIfAborted();
    keptAt = putInPlace(fs, target, staging, found);
  } catch (error) {
    try {
      if (kindOf(join(staging.path, OLD)) === "missing") removeStaging(fs, staging);
    } catch {
      // The first failure is the one to report; the next run removes what is left.
    }
    throw error;
  }
  removeStaging(fs, staging);
  const files = assets.map((asset) => ({ path: asset.path, size: sizeOf(asset) }));
  const changed = found.state === "ours" ? found.dir.changed : [];
  return { directory: target.path, files, replaced: found.state === "ours", changed, keptAt };
}

function inspect(directory: string, shown: string, options: WriteAssetsOptions): Found {
  const { command, force = false } = options;
  const kind = kindOf(directory);
  if (kind === "missing") return { state: "absent" };
  if (kind !== "directory") {
    throw new MendError("already-exists", `"${shown}" is not a directory`, { hint: "choose another directory" });
  }
  const names = contentsOf(directory);
  if (names.length === 0) return { state: "empty" };
  const dir = readAssetDir(directory);
  if (dir === undefined || dir.record.command !== command) {
    throw new MendError("not-empty", `"${shown}" is not empty: it holds ${quoted(names)}`, {
      hint: "choose a directory that is empty or does not exist yet",
    });
  }
  if (dir.foreign.length > 0) {
    throw new MendError("not-empty", `"${shown}" holds files that kubemend did not write: ${quoted(dir.foreign)}`, {
      hint: "move them away, or choose another directory",
    });
  }
  if (!force) {
    const changed = dir.changed.length === 0 ? "" : `, of which ${quoted(dir.changed)} changed since`;
    throw new MendError("already-exists", `"${shown}" holds the output of an earlier run${changed}`, {
      hint: `pass ${input("force")} to replace it, or choose another directory`,
    });
  }
  if (isMountPoint(directory)) {
    throw new MendError("not-empty", `"${shown}" is a mount point: what is in it cannot be replaced in one step`, {
      hint: "choose a directory in it",
    });
  }
  return { state: "ours", dir };
}

function contentsOf(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => !isOwnName(name) && name !== "lost+found")
    .sort();
}

async function stage(
  fs: FileSystem,
  root: string,
  assets: readonly Asset[],
  { command, signal }: WriteAssetsOptions,
): Promise<void> {
  fs.makeDirectory(root, 0o700);
  const directories = new Set<string>();
  const hashes: Record<string, string> = {};
  const write = async (path: string, mode: number, content: Asset["content"]) => {
    for (const folder of foldersOf(path)) {
      if (directories.has(folder)) continue;
      fs.makeDirectory(join(root, folder), 0o700);
      directories.add(folder);
    }
    return writeContent(fs, join(root, path), mode, content, signal);
  };
  for (const { path, mode, content } of assets) hashes[path] = await write(path, mode, content);
  await write(RECORD_NAME, 0o600, encodeRecord({ command, files: hashes }));
  for (const folder of [...directories].sort().reverse()) fs.syncDirectory(join(root, folder));
  fs.syncDirectory(root);
  for (const [path, hash] of Object.entries(hashes)) {
    signal?.throwIfAborted();
    if (hashFile(join(root, path)) !== hash) {
      throw new MendError("io", `"${path}" reads back other than it was written`, { hint: "check the disk" });
    }
  }
}

/** Returns the SHA-256 of what was written. */
async function writeContent(
  fs: FileSystem,
  path: string,
  mode: number,
  content: Asset["content"],
  signal: AbortSignal | undefined,
): Promise<string> {
  signal?.throwIfAborted();
  const hash = createHash("sha256");
  const file = fs.create(path, mode);
  try {
    let position = 0;
    for (const part of partsOf(content)) {
      signal?.throwIfAborted();
      hash.update(part);
      file.write(part, position);
      position += part.length;
    }
    await file.sync();
  } finally {
    file.close();
  }
  return hash.digest("hex");
}

function* partsOf(content: Asset["content"]): Iterable<Uint8Array> {
  if (content instanceof Uint8Array) {
    yield content;
    return;
  }
  const buffer = new Uint8Array(1 << 20);
  for (let position = 0; position < content.size; ) {
    const got = content.read(buffer, position);
    invariant(got > 0, `${content.name} ended at byte ${position} of ${content.size}`);
    yield buffer.subarray(0, got);
    position += got;
  }
}

/**
 * Nothing stands between two renames but a crash of the machine: then the earlier output lies whole in the staging directory, and the next
 * run puts it back. Returns where the earlier output is kept, if it is.
 */
function putInPlace(fs: FileSystem, target: Target, staging: Staging, found: Found): string | undefined {
  const fresh = join(staging.path, NEW);
  if (found.state !== "absent") keepOwner(fs, target.at(), fresh);
  if (found.state === "empty" && isMountPoint(target.path)) {
    // The record first: with it a half is known to be ours.
    const names = readdirSync(fresh).sort((a, b) => Number(b === RECORD_NAME) - Number(a === RECORD_NAME));
    for (const name of names) fs.rename(join(fresh, name), join(target.at(), name));
    fs.syncDirectory(target.at());
    return undefined;
  }
  const aside = join(staging.path, found.state === "ours" ? OLD : EMPTY);
  if (found.state !== "absent") fs.rename(target.at(), aside);
  try {
    fs.rename(fresh, target.at());
  } catch (error) {
    if (found.state !== "absent") fs.rename(aside, target.at());
    throw error;
  }
  fs.syncDirectory(target.parent.anchor);
  return found.state === "ours" ? discard(fs, target, aside, found.dir.changed.length > 0) : undefined;
}

/** What replaces a directory has its owner, group and mode. */
function keepOwner(fs: FileSystem, old: string, fresh: string): void {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid, mode } = lstatSync(old);
  if (uid !== 0 || gid !== 0) {
    for (const entry of readdirSync(fresh, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      fs.own(path, lstatSync(path).mode & 0o7777, uid, gid);
    }
  }
  fs.own(fresh, mode & 0o7777, uid, gid);
}

/** Removes earlier output, or, where somebody had changed it, keeps it under a name that says so. */
function discard(fs: FileSystem, target: Target, old: string, keep: boolean): string | undefined {
  if (!keep) return undefined; // with the staging directory that it is in
  let kept = `${target.name}.before`;
  for (let i = 2; kindOf(target.at(kept)) !== "missing"; i++) kept = `${target.name}.before-${i}`;
  fs.rename(old, target.at(kept));
  fs.syncDirectory(target.parent.anchor);
  return join(target.parent.path, kept);
}

/** What a run that was killed has left: earlier output goes back where it was, or is kept or removed as that run would have done. */
function putRight(fs: FileSystem, target: Target, staging: Staging): void {
  const old = join(staging.path, OLD);
  if (kindOf(old) === "directory") {
    if (kindOf(target.at()) === "missing") {
      fs.rename(old, target.at());
      fs.syncDirectory(target.parent.anchor);
    } else {
      const state = readAssetDir(old);
      discard(fs, target, old, state === undefined || state.changed.length + state.foreign.length > 0);
    }
  }
  removeStaging(fs, staging);
}

function foldersOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, i) => parts.slice(0, i + 1).join("/"));
}

function sizeOf({ content }: Asset): number {
  return content instanceof Uint8Array ? content.length : content.size;
}

/** The first few names, quoted. */
function quoted(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => `"${name}"`);
  return names.length > 5 ? `${shown.join(", ")} and ${names.length - 5} more` : shown.join(", ");
}

function converting<T>(action: string, where: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw fromSystemError(error, action, where);
  }
}
