/**
 * Moves a file or a directory tree so that at every moment it is whole at one of the two places at least: by a rename
 * where that can be done, else copied, compared, flushed, given its name, and only then removed. Links are moved, never
 * followed. Doing it again after a crash finishes it.
 */

import { createHash } from "node:crypto";
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type Stats } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { fromSystemError, systemCode } from "../../errors/system-error.ts";
import { bytesOnDisk, checkDiskSpace } from "./durable/disk-space.ts";
import type { FileSystem } from "./durable/file-system.ts";

const CHUNK = 1 << 20;

export interface TreeSize {
  readonly files: number;
  readonly bytes: number;
}

/** Nothing there is 0. What is mounted below is not counted: it is another's. */
export function treeSize(path: string): TreeSize {
  let files = 0;
  let bytes = 0;
  for (const { stat } of walk(path)) {
    if (stat.isDirectory()) continue;
    files++;
    bytes += stat.isFile() ? stat.size : 0;
  }
  return { files, bytes };
}

export function isThere(path: string): boolean {
  return statOf(path) !== undefined;
}

/** Removes what a run that was killed had set aside at `from` when its copy at `to` was complete. */
export function finishMove(fs: FileSystem, from: string, to: string): void {
  if (isThere(gonePath(from)) && isThere(to)) fs.remove(gonePath(from));
}

/** `to` must be absent, or the copy of an earlier run that was killed. Throws `already-exists` where it is something else. */
export async function moveAside(fs: FileSystem, from: string, to: string, signal?: AbortSignal): Promise<void> {
  const gone = gonePath(from);
  finishMove(fs, from, to);
  if (!isThere(from)) {
    if (isThere(to)) return;
    throw new MendError("not-found", `neither "${from}" nor "${to}" is there`, { where: from });
  }
  if (!isThere(to)) {
    try {
      fs.rename(from, to);
      fs.syncDirectory(dirname(to));
      fs.syncDirectory(dirname(from));
      return;
    } catch (error) {
      if (systemCode(error instanceof MendError ? error.cause : error) !== "EXDEV") throw error;
    }
    const partial = join(dirname(to), `.${basename(to)}.kubemend-partial`);
    fs.remove(partial);
    checkDiskSpace(to, bytesOnDisk(from));
    await fs.copyTree(from, partial, signal);
    await compareTrees(from, partial, signal);
    await fs.syncTree(partial);
    fs.rename(partial, to);
    fs.syncDirectory(dirname(to));
  } else {
    await compareTrees(from, to, signal);
  }
  fs.rename(from, gone);
  fs.syncDirectory(dirname(from));
  fs.remove(gone);
}

/** Whether two trees hold the same. Throws nothing but what reading throws, and the signal's reason. */
export async function isSameTree(a: string, b: string, signal?: AbortSignal): Promise<boolean> {
  try {
    await compareTrees(a, b, signal);
    return true;
  } catch (error) {
    if (error instanceof MendError && error.code === "already-exists") return false;
    throw error;
  }
}

/** A name that a kubelet and an etcd pass over, for what is complete at its new place and only to be removed. */
function gonePath(path: string): string {
  return join(dirname(path), `.${basename(path)}.kubemend-moved`);
}

/** Hears an interruption in the middle of a large file too. */
async function compareTrees(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  const copies = walk(to);
  for (const { path, at, stat } of walk(from)) {
    const next = copies.next();
    const differs = (what: string): MendError =>
      new MendError("already-exists", `"${to}" is not the same as "${from}": ${what} of "${path || "."}" differs`, {
        where: to,
        hint: "move one of them away",
      });
    if (next.done === true || next.value.path !== path) throw differs("the presence");
    const copy = next.value;
    if ((stat.mode & 0o170000) !== (copy.stat.mode & 0o170000)) throw differs("the kind");
    if (stat.mode !== copy.stat.mode && !stat.isSymbolicLink()) throw differs("the mode");
    if (stat.uid !== copy.stat.uid || stat.gid !== copy.stat.gid) throw differs("the owner");
    if (stat.isSymbolicLink() && readlinkSync(at) !== readlinkSync(copy.at)) throw differs("the target");
    const isSame = async (): Promise<boolean> =>
      stat.size === copy.stat.size && (await hashOf(at, signal)) === (await hashOf(copy.at, signal));
    if (stat.isFile() && !(await isSame())) throw differs("the content");
  }
  if (copies.next().done !== true) {
    throw new MendError("already-exists", `"${to}" has more than "${from}"`, { where: to });
  }
}

async function hashOf(path: Buffer, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(CHUNK);
  const descriptor = openSync(path, "r");
  try {
    for (let at = 0; ; ) {
      await setImmediate();
      signal?.throwIfAborted();
      const size = readSync(descriptor, buffer, 0, CHUNK, at);
      if (size === 0) return hash.digest("hex");
      hash.update(buffer.subarray(0, size));
      at += size;
    }
  } finally {
    closeSync(descriptor);
  }
}

interface Found {
  /** Relative, each byte a character: names need not be UTF-8. */
  readonly path: string;
  readonly at: Buffer;
  readonly stat: Stats;
}

/** Everything below, in the order of the bytes, the root as "". Links are not followed, other devices are not entered. */
function* walk(root: string): Generator<Found> {
  const base = Buffer.from(root);
  const top = statOf(base);
  if (top === undefined) return;
  const pending = [""];
  while (pending.length > 0) {
    const path = defined(pending.pop());
    const at = path === "" ? base : Buffer.concat([base, Buffer.from(`/${path}`, "latin1")]);
    const stat = statOf(at);
    if (stat === undefined) continue;
    yield { path, at, stat };
    if (!stat.isDirectory() || stat.dev !== top.dev) continue;
    const names = attempt("read directory", String(at), () => readdirSync(at, { encoding: "latin1" })).sort();
    for (const name of names.reverse()) pending.push(path === "" ? name : `${path}/${name}`);
  }
}

function statOf(path: string | Buffer): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return undefined;
    throw fromSystemError(error, "look at", String(path));
  }
}

function attempt<T>(action: string, path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw fromSystemError(error, action, path);
  }
}
