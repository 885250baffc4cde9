/**
 * `node clean --undo`: everything that a clean has moved goes back to where it was, and the kubelet is started.
 * Containers do not come back: the kubelet makes them again. Can be run again after a crash.
 */

import { basename, dirname, join } from "node:path";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { type FileSystem, realFileSystem } from "../../io/files/durable/file-system.ts";
import { finishMove, isSameTree, isThere, moveAside, treeSize } from "../../io/files/move-aside.ts";
import { type CleanDirectory, listCleaned, lockCleaning, saveRecord } from "../../io/node/clean-directory.ts";
import {
  assertKubeletStopped,
  findKubeletService,
  kubeletText,
  startKubelet,
  stopKubelet,
} from "../../io/node/kubelet-service.ts";
import { findKubelet } from "../../io/node/local-node.ts";
import { openNodeContainers } from "../../io/node/node-containers.ts";
import { unmountBelow } from "../../io/node/unmount.ts";
import type { CleanMove } from "../../nodes/clean-record.ts";
import { type CleanOptions, stopAndRemove } from "./clean.ts";
import { checkNoLink, entriesOf } from "./clean-places.ts";
import { KEEP } from "./survey-node.ts";

export interface UndoOptions
  extends Pick<
    CleanOptions,
    "keep" | "runtime" | "skipContainers" | "startKubelet" | "graceSeconds" | "signal" | "report" | "fileSystem"
  > {
  /** `cleaned-…`; the newest that can be taken back unless given. */
  readonly name?: string | undefined;
}

export interface PreparedUndo {
  readonly directory: string;
  /** When that clean began. */
  readonly began: string;
  readonly back: readonly CleanMove[];
  readonly bytes: number;
  /** The kubelet that is stopped first, in words; undefined where none runs. */
  readonly kubelet: string | undefined;
  /** Pods that the kubelet has made again since: their containers end, and their state is set aside. */
  readonly replaced: readonly string[];
  run(): Promise<UndoResult>;
}

export interface UndoResult {
  readonly directory: string;
  readonly back: readonly CleanMove[];
  /** Where what stood in the way went. */
  readonly replaced: readonly { readonly from: string; readonly to: string }[];
  readonly kubelet: number | null;
}

/** Throws `not-found` where there is nothing to take back, and `already-exists` where something else stands in its place. */
export async function prepareUndo(options: UndoOptions): Promise<PreparedUndo> {
  const directory = choose(options);
  const { record, path } = directory;
  const back = record.moves.filter(({ to }) => isThere(to));
  for (const parent of new Set(back.map(({ from }) => dirname(from))))
    checkNoLink(parent, (real) => `move what is in "${join(path, "moved")}" back by hand, to "${real}"`);
  const blocked: CleanMove[] = [];
  for (const move of back) {
    if (isThere(move.from) && !(await isSameTree(move.from, move.to, options.signal))) blocked.push(move);
  }
  const inTheWay = blocked.filter(({ what }) => what !== "pods");
  if (inTheWay.length > 0) {
    throw new MendError("already-exists", `${list(inTheWay)} would be replaced, which came after the clean`, {
      where: path,
      hint: "move what is there now away, if nobody needs it, then run this again",
    });
  }
  const service = await findKubeletService();
  return {
    directory: path,
    began: record.began,
    back,
    bytes: back.reduce((sum, { to }) => sum + treeSize(to).bytes, 0),
    kubelet: service === undefined ? undefined : kubeletText(service),
    replaced: blocked.map(({ from }) => from),
    run: () => runUndo(directory, blocked, options),
  };
}

function choose({ keep = KEEP, name }: UndoOptions): CleanDirectory {
  const all = listCleaned(keep);
  const wanted = name === undefined ? undefined : basename(name);
  const found = all.find(({ path, record }) =>
    wanted === undefined ? record.state !== "undone" && !record.purged : basename(path) === wanted,
  );
  if (found === undefined) {
    const there = all.map(({ path }) => `"${basename(path)}"`).join(", ");
    throw new MendError("not-found", wanted === undefined ? "there is no clean to undo" : `there is no "${wanted}"`, {
      where: keep,
      hint: there === "" ? `give the directory that ${input("keepIn")} named` : `there are ${there}`,
    });
  }
  if (found.record.purged) {
    throw new MendError("not-found", `what "${found.path}" had moved was purged`, {
      where: found.path,
      hint: "its logs and etcd backup are still there",
    });
  }
  return found;
}

async function runUndo(
  directory: CleanDirectory,
  blocked: readonly CleanMove[],
  options: UndoOptions,
): Promise<UndoResult> {
  const { path, record } = directory;
  const { report, signal } = options;
  const fs = options.fileSystem ?? realFileSystem;
  const lock = lockCleaning(fs, join(path, ".."));
  const replaced: { from: string; to: string }[] = [];
  const done: CleanMove[] = [];
  try {
    const running = findKubelet();
    const service = await findKubeletService();
    if (service !== undefined) record.kubelet = service.start;
    record.state = "undoing";
    await saveRecord(fs, directory);
    if (service !== undefined) {
      await stopKubelet(service, signal);
      report(`stopped the kubelet (${kubeletText(service)})`);
    }
    if (blocked.length > 0 && options.skipContainers !== true) {
      const endpoint = options.runtime ?? record.places.runtime ?? undefined;
      const containers = await openNodeContainers(running, endpoint, signal);
      try {
        if (containers !== undefined) report(await stopAndRemove(containers, options.graceSeconds, signal));
      } finally {
        containers?.close();
      }
    }
    for (const move of blocked) {
      await unmountBelow(move.from, signal);
      const to = freeName(join(path, "replaced", basename(move.from)));
      fs.makeDirectory(dirname(to), 0o700);
      await moveAside(fs, move.from, to, signal);
      replaced.push({ from: move.from, to });
      report(`set "${move.from}" aside as "${to}"`);
    }
    for (const move of record.moves) {
      signal.throwIfAborted();
      assertKubeletStopped();
      finishMove(fs, move.from, move.to);
      if (!isThere(move.to)) continue;
      fs.makeDirectory(dirname(move.from), 0o755);
      await moveAside(fs, move.to, move.from, signal);
      done.push(move);
    }
    removeDrafts(fs, join(path, "moved"));
    report(`moved ${done.length} things back`);
    let kubelet: number | null = null;
    if (record.kubelet !== null && options.startKubelet) {
      kubelet = await startKubelet(record.kubelet, join(path, "kubelet.log"));
      report(`started the kubelet (process ${kubelet})`);
    }
    record.state = "undone";
    await saveRecord(fs, directory);
    return { directory: path, back: done, replaced, kubelet };
  } catch (error) {
    if (record.state === "undoing") report(`not finished: kubemend node clean ${input("undo")} continues`);
    throw error;
  } finally {
    lock[Symbol.dispose]();
  }
}

/** What is left of copies that a crash has cut off: what they were made of is back at its place. */
function removeDrafts(fs: FileSystem, moved: string): void {
  if (!isThere(moved)) return;
  const left = entriesOf(moved).flatMap((name) => entriesOf(join(moved, name)));
  if (left.every((name) => name.endsWith(".kubemend-partial"))) fs.remove(moved);
}

function freeName(path: string): string {
  for (let i = 1; ; i++) {
    const name = i === 1 ? path : `${path}~${i}`;
    if (!isThere(name)) return name;
  }
}

function list(moves: readonly CleanMove[]): string {
  return moves.map(({ from }) => `"${from}"`).join(", ");
}
