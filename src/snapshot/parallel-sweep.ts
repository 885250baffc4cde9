/**
 * Sweeps the leaves of a snapshot and joins what was found. This thread sweeps a piece at a time, and between two pieces
 * shows progress and hears SIGINT; with a large file, others help where that is worth their start.
 */
import { setImmediate, setInterval } from "node:timers/promises";
import type { BoltFile } from "../bolt/bolt.ts";
import type { LeafMap } from "../bolt/leaf-map.ts";
import { openLeafWindow } from "../bolt/leaf-window.ts";
import { mergePages, type PageSet } from "../bolt/page-set.ts";
import { sweepLeaves } from "../bolt/sweep.ts";
import type { Report } from "../bolt/tree.ts";
import { refuseTooLarge } from "./index-size.ts";
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
  /** The file is hashed meanwhile, in a thread of its own. */
  readonly besideHash?: boolean;
}

/**
 * Runs `spec` over every leaf of `map`, marks their pages in `seen`, and returns the joined results. Throws `no-space`
 * where it would hold more than there is memory for.
 */
export async function sweepInParallel(
  { descriptor, bolt, threads }: SweptFile,
  map: LeafMap,
  spec: LeafTaskSpec,
  seen: PageSet,
  report: Report,
  { signal, onProgress, besideHash = false }: SweepOptions = {},
): Promise<LeafTaskResult> {
  refuseTooLarge(bolt, map, spec);
  const counters = createCounters(bolt);
  const showProgress = (): void => {
    signal?.throwIfAborted();
    onProgress?.(pagesDone(counters) * bolt.meta.pageSize, bolt.pageCount * bolt.meta.pageSize);
  };
  const helpers = threads.helpers({ decodes: spec.verify !== undefined, besideHash });
  const shared = helpers + (threads.callerSweeps ? 1 : 0);
  const { source, meta, metas, pageCount } = bolt;
  const { name, size } = source;
  const order = { descriptor, name, size, meta, metas, pageCount, map, spec, counters, threads: shared };
  const reports = threads.run(order, helpers);
  const results: LeafTaskResult[] = [];
  if (threads.callerSweeps) {
    const tasks = await createLeafTasks(spec, map, report, shared);
    const window = openLeafWindow(bolt, map.slots);
    for (const chunk of takeChunks(counters)) {
      for (const _ of sweepLeaves(map, window, chunk, seen, tasks.visit, report)) {
        showProgress();
        await setImmediate();
      }
      finishChunk(counters);
    }
    results.push(tasks.finish());
  }
  if (helpers > 0) await watched(Promise.all(reports), showProgress);
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
