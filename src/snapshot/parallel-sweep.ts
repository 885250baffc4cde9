/**
 * Sweeps the leaves of a snapshot and joins what was found. A large file is swept by threads, one a core, while this
 * one shows progress and hears SIGINT; a small file is swept here.
 */
import { setImmediate, setInterval } from "node:timers/promises";
import type { BoltFile } from "../bolt/bolt.ts";
import type { LeafMap } from "../bolt/leaf-map.ts";
import { openLeafWindow } from "../bolt/leaf-window.ts";
import { mergePages, type PageSet } from "../bolt/page-set.ts";
import { sweepLeaves } from "../bolt/sweep.ts";
import type { Report } from "../bolt/tree.ts";
import {
  createLeafTasks,
  KEY_BUCKET,
  type LeafTaskResult,
  type LeafTaskSpec,
  mergeLeafTaskResults,
} from "./leaf-tasks.ts";
import { createCounters, finishChunk, pagesDone, takeChunks } from "./sweep-chunks.ts";
import type { SweepThreads } from "./sweep-threads.ts";

/** What is swept, and by whom. */
export interface SweptFile {
  readonly descriptor: number;
  readonly bolt: BoltFile;
  readonly threads: SweepThreads;
}

export interface SweepOptions {
  readonly signal?: AbortSignal;
  /** Called now and then with the bytes passed so far and in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Runs `spec` over every leaf of `map`, marks their pages in `seen`, and returns the joined results. */
export async function sweepInParallel(
  { descriptor, bolt, threads }: SweptFile,
  map: LeafMap,
  spec: LeafTaskSpec,
  seen: PageSet,
  report: Report,
  { signal, onProgress }: SweepOptions = {},
): Promise<LeafTaskResult> {
  const counters = createCounters(bolt);
  const showProgress = (): void => {
    signal?.throwIfAborted();
    onProgress?.(pagesDone(counters) * bolt.meta.pageSize, bolt.pageCount * bolt.meta.pageSize);
  };
  if (threads.count === 0) {
    const tasks = await createLeafTasks(spec, map, report);
    const window = openLeafWindow(bolt, map.slots);
    for (const chunk of takeChunks(counters)) {
      for (const _ of sweepLeaves(map, window, chunk, seen, tasks.visit, report)) {
        showProgress();
        await setImmediate();
      }
      finishChunk(counters);
    }
    return mergeLeafTaskResults([tasks.finish(), ...(await readInline(map, spec, report))]);
  }
  const { source, meta, metas, pageCount } = bolt;
  const { name, size } = source;
  const order = { descriptor, name, size, meta, metas, pageCount, map, spec, counters, threads: threads.count };
  const reports = threads.run(order);
  await watched(Promise.all(reports), showProgress);
  const results: LeafTaskResult[] = [];
  for (const { result, findings, seen: theirs } of await Promise.all(reports)) {
    for (const finding of findings) report(finding);
    for (const id of mergePages(seen, theirs)) {
      report({ level: "error", code: "page-double-referenced", where: `page ${id}`, text: "two leaves hold the page" });
    }
    results.push(result);
  }
  return mergeLeafTaskResults([...results, ...(await readInline(map, spec, report))]);
}

/** The keyspace of a cluster with hardly any keys is inline in the root page. Its hashes are the caller's. */
async function readInline(map: LeafMap, spec: LeafTaskSpec, report: Report): Promise<LeafTaskResult[]> {
  const { hash: _hash, hashKv: _hashKv, ...keySpec } = spec;
  const results: LeafTaskResult[] = [];
  for (const { bucket, page } of map.inline) {
    if (bucket !== KEY_BUCKET) continue;
    const tasks = await createLeafTasks(keySpec, { ...map, buckets: [KEY_BUCKET], bucketEnds: [1] }, report);
    tasks.visit(page, 0);
    results.push(tasks.finish());
  }
  return results;
}

const WATCH_MS = 100;

/** Waits for `work`, calling `watch` meanwhile; what `watch` throws ends the waiting. */
async function watched(work: Promise<unknown>, watch: () => void): Promise<void> {
  const over = new AbortController();
  const watching = (async () => {
    try {
      for await (const _ of setInterval(WATCH_MS, undefined, { signal: over.signal })) watch();
    } catch (error) {
      if (!over.signal.aborted) throw error;
    }
  })();
  try {
    await Promise.race([work, watching]);
  } finally {
    over.abort();
  }
}
