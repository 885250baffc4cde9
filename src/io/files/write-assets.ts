/**
 * Writes an asset dir in one step: everything goes to a staging directory beside it, is fsynced and read back, and takes its place by a rename.
 * Whatever happens before that leaves what was there; docs/adr says what a power cut can do to a replacement.
 */
import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import type { Asset } from "../../bootstrap/asset.ts";
import { invariant, MendError } from "../../errors/errors.ts";
import { type AssetDisk, assetDisk } from "./asset-disk.ts";
import { type AssetDirState, encodeRecord, hashFile, RECORD_NAME, readAssetDir } from "./asset-record.ts";
import { fromSystemError } from "./system-error.ts";

export interface WriteAssetsOptions {
  /** Who writes, such as `recover`: only the same command's earlier output is replaced. */
  readonly command: string;
  /** Replace that earlier output. */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
  readonly disk?: AssetDisk;
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

/** Staging directories of this process that are being filled. */
const inUse = new Set<string>();

/** What is in the way at the place of an asset dir. */
type Target =
  | { readonly state: "absent" | "empty"; readonly path: string }
  | { readonly state: "ours"; readonly path: string; readonly dir: AssetDirState };

/**
 * Says early, before any work, whether the assets could be written. Throws `not-empty` for a directory that is not the same command's
 * earlier output, or holds files besides it, and `already-exists` for what is no directory or would need `force`.
 */
export async function checkAssetDir(directory: string, options: WriteAssetsOptions): Promise<void> {
  await converting("use", directory, () => inspect(directory, options));
}

export async function writeAssets(
  directory: string,
  assets: readonly Asset[],
  options: WriteAssetsOptions,
): Promise<WrittenAssets> {
  const { disk = assetDisk, signal, command } = options;
  return converting("write", directory, async () => {
    await disk.makeParents(dirname(directory));
    await tidyUp(directory, disk);
    const target = await inspect(directory, options);
    const parent = dirname(target.path);
    const name = `${stagingPrefix(target.path)}${disk.uniqueName()}`;
    const staging = join(parent, name);
    let keptAt: string | undefined;
    inUse.add(name);
    try {
      await stage(staging, assets, command, disk, signal);
      signal?.throwIfAborted();
      keptAt = await putInPlace(staging, target, disk);
    } catch (error) {
      await disk.remove(staging).catch(() => {}); // The first failure is the one to tell; what stays is removed by the next run.
      throw error;
    } finally {
      inUse.delete(name);
    }
    const files = assets.map((asset) => ({ path: asset.path, size: sizeOf(asset) }));
    const changed = target.state === "ours" ? target.dir.changed : [];
    return { directory: target.path, files, replaced: target.state === "ours", changed, keptAt };
  });
}

async function inspect(directory: string, options: WriteAssetsOptions): Promise<Target> {
  const { disk = assetDisk, command, force = false } = options;
  let path = directory;
  let kind = await disk.kindOf(path);
  if (kind === "other") {
    path = await disk.resolve(path);
    kind = await disk.kindOf(path);
  } else if (kind === "directory") path = await disk.resolve(path);
  else if (kind === "missing" && (await disk.kindOf(dirname(path))) === "directory") {
    path = join(await disk.resolve(dirname(path)), basename(path));
  }
  if (kind === "missing") return { state: "absent", path };
  if (kind !== "directory") {
    throw new MendError("already-exists", `"${directory}" is not a directory`, { hint: "choose another directory" });
  }
  const names = await disk.list(path);
  if (names.length === 0) return { state: "empty", path };
  const dir = await readAssetDir(path, disk);
  if (dir === undefined || dir.record.command !== command) {
    throw new MendError("not-empty", `"${directory}" is not empty: it holds ${quoted(names)}`, {
      hint: "choose a directory that is empty or does not exist yet",
    });
  }
  if (dir.foreign.length > 0) {
    throw new MendError("not-empty", `"${directory}" holds files that kubemend did not write: ${quoted(dir.foreign)}`, {
      hint: "move them away, or choose another directory",
    });
  }
  if (!force) {
    const changed = dir.changed.length === 0 ? "" : `, of which ${quoted(dir.changed)} changed since`;
    throw new MendError("already-exists", `"${directory}" holds the output of an earlier run${changed}`, {
      hint: "pass --force to replace it, or choose another directory",
    });
  }
  return { state: "ours", path, dir };
}

async function stage(
  staging: string,
  assets: readonly Asset[],
  command: string,
  disk: AssetDisk,
  signal: AbortSignal | undefined,
): Promise<void> {
  await disk.makeDirectory(staging);
  const directories = new Set<string>();
  const hashes: Record<string, string> = {};
  const write = async (path: string, mode: number, content: Asset["content"]) => {
    for (const folder of foldersOf(path)) {
      if (directories.has(folder)) continue;
      await disk.makeDirectory(join(staging, folder));
      directories.add(folder);
    }
    return writeFile(join(staging, path), mode, content, disk, signal);
  };
  for (const { path, mode, content } of assets) hashes[path] = await write(path, mode, content);
  await write(RECORD_NAME, 0o600, encodeRecord({ command, files: hashes }));
  for (const folder of [...directories].sort().reverse()) await disk.syncDirectory(join(staging, folder));
  await disk.syncDirectory(staging);
  for (const [path, hash] of Object.entries(hashes)) {
    signal?.throwIfAborted();
    if ((await hashFile(join(staging, path), disk)) !== hash) {
      throw new MendError("io", `"${path}" reads back other than it was written`, { hint: "check the disk" });
    }
  }
}

/** Returns the SHA-256 of what was written. */
async function writeFile(
  path: string,
  mode: number,
  content: Asset["content"],
  disk: AssetDisk,
  signal: AbortSignal | undefined,
): Promise<string> {
  signal?.throwIfAborted();
  const hash = createHash("sha256");
  const file = await disk.create(path, mode);
  try {
    for (const part of partsOf(content)) {
      signal?.throwIfAborted();
      hash.update(part);
      await file.write(part);
    }
    await file.sync();
  } finally {
    await file.close();
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
 * Nothing stands between two renames but a crash of the machine: then the earlier output lies whole under its hidden name beside, and the next
 * run puts it back. Returns where the earlier output is kept, if it is.
 */
async function putInPlace(staging: string, target: Target, disk: AssetDisk): Promise<string | undefined> {
  const parent = dirname(target.path);
  if (target.state !== "ours") {
    await disk.rename(staging, target.path);
    await disk.syncDirectory(parent);
    return undefined;
  }
  const previous = previousPath(target.path);
  await disk.rename(target.path, previous);
  try {
    await disk.rename(staging, target.path);
  } catch (error) {
    await disk.rename(previous, target.path);
    throw error;
  }
  await disk.syncDirectory(parent);
  return discard(previous, target.path, target.dir.changed.length > 0, disk);
}

/** Removes earlier output, or, where somebody had changed it, keeps it under a name that says so. */
async function discard(previous: string, path: string, keep: boolean, disk: AssetDisk): Promise<string | undefined> {
  if (!keep) {
    await disk.remove(previous);
    return undefined;
  }
  let kept = `${path}.before`;
  for (let i = 2; (await disk.kindOf(kept)) !== "missing"; i++) kept = `${path}.before-${i}`;
  await disk.rename(previous, kept);
  await disk.syncDirectory(dirname(path));
  return kept;
}

/** What runs that were killed have left beside the target. */
async function tidyUp(directory: string, disk: AssetDisk): Promise<void> {
  const path = (await disk.kindOf(directory)) === "missing" ? directory : await disk.resolve(directory);
  const parent = dirname(path);
  if ((await disk.kindOf(parent)) !== "directory") return;
  const previous = previousPath(path);
  if ((await disk.kindOf(previous)) === "directory") {
    if ((await disk.kindOf(path)) === "missing") await disk.rename(previous, path);
    else {
      const state = await readAssetDir(previous, disk);
      await discard(previous, path, state === undefined || state.changed.length + state.foreign.length > 0, disk);
    }
  }
  for (const name of await disk.list(parent)) {
    if (!name.startsWith(stagingPrefix(path))) continue;
    if (inUse.has(name)) continue;
    const pid = Number(name.slice(stagingPrefix(path).length).split("-")[0]);
    if (!isRunning(pid)) await disk.remove(join(parent, name));
  }
}

function stagingPrefix(path: string): string {
  return `.${basename(path)}.kubemend-staging-`;
}

function previousPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.kubemend-previous`);
}

function isRunning(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return true; // Not a name of ours: left alone.
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
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

async function converting<T>(action: string, where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fromSystemError(error, action, where);
  }
}
