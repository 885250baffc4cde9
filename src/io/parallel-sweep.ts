/**
 * Sweeps the leaves of a snapshot with as many threads as the machine has cores. The file is cut into chunks by page id; each thread takes the next chunk until none is left.
 * Small files, and machines with one core, are swept by this thread alone.
 */
import { availableParallelism } from "node:os";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { BoltFile } from "../bolt/bolt.ts";
import type { LeafMap } from "../bolt/leaf-map.ts";
import { mergePages, type PageSet } from "../bolt/page-set.ts";
import { sweepLeaves } from "../bolt/sweep.ts";
import type { Report } from "../bolt/tree.ts";
import { MendError } from "../errors.ts";
import { createLeafTasks, type LeafTaskResult, type LeafTaskSpec, mergeLeafTaskResults } from "./leaf-tasks.ts";
import type { SweepOrder, SweepReport } from "./sweep-worker.ts";

const CHUNK_BYTES = 16 << 20;
const MOST_THREADS = 4;

export interface SweepOptions {
  readonly signal?: AbortSignal;
  /** Cores that something else uses meanwhile. */
  readonly busyCores?: number;
  /** Called now and then with the bytes passed so far and in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** What is left to do, shared by all threads. */
export interface SweepCounters {
  /** [0] the next chunk to take, [1] chunks finished. */
  readonly chunks: Int32Array;
  readonly chunkPages: number;
}

/** Runs `spec` over every leaf of `map`, marks their pages in `seen`, and returns the joined results. */
export async function sweepInParallel(
  descriptor: number,
  bolt: BoltFile,
  map: LeafMap,
  spec: LeafTaskSpec,
  seen: PageSet,
  report: Report,
  options: SweepOptions = {},
): Promise<LeafTaskResult> {
  const counters: SweepCounters = {
    chunks: new Int32Array(new SharedArrayBuffer(8)),
    chunkPages: Math.ceil(CHUNK_BYTES / bolt.meta.pageSize),
  };
  const chunkCount = Math.ceil(bolt.pageCount / counters.chunkPages);
  const cores = Math.max(1, availableParallelism() - (options.busyCores ?? 0));
  const threads = Math.min(cores, MOST_THREADS, chunkCount);
  const order: SweepOrder = {
    descriptor,
    name: bolt.source.name,
    size: bolt.source.size,
    meta: bolt.meta,
    metas: bolt.metas,
    pageCount: bolt.pageCount,
    map,
    spec,
    counters,
  };
  const workers = Array.from({ length: threads - 1 }, () => startWorker(order));
  try {
    const own = createLeafTasks(spec, map, report);
    for (const chunk of takeChunks(bolt, counters)) {
      for (const _ of sweepLeaves(bolt, map, chunk, seen, own.visit, report)) {
        options.signal?.throwIfAborted();
        options.onProgress?.(
          Math.min(bolt.source.size, Atomics.load(counters.chunks, 1) * CHUNK_BYTES),
          bolt.source.size,
        );
        await setImmediate();
      }
      Atomics.add(counters.chunks, 1, 1);
    }
    const results = [own.finish()];
    for (const worker of workers) {
      const result = await worker.result;
      for (const finding of result.findings) report(finding);
      for (const id of mergePages(seen, result.seen)) {
        report({
          level: "error",
          code: "page-double-referenced",
          where: `page ${id}`,
          text: "two leaves hold the page",
        });
      }
      results.push(result.result);
    }
    return mergeLeafTaskResults(results);
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()));
  }
}

/** The page ranges that this thread gets, until none are left. */
export function* takeChunks(
  bolt: BoltFile,
  { chunks, chunkPages }: SweepCounters,
): Generator<readonly [number, number]> {
  for (;;) {
    const from = Atomics.add(chunks, 0, 1) * chunkPages;
    if (from >= bolt.pageCount) return;
    yield [from, Math.min(from + chunkPages, bolt.pageCount)];
  }
}

function startWorker(order: SweepOrder): { readonly result: Promise<SweepReport>; stop(): Promise<unknown> } {
  const file = import.meta.url.endsWith(".ts") ? "./sweep-worker.ts" : "./sweep-worker.js";
  const worker = new Worker(new URL(file, import.meta.url), { workerData: order });
  const result = new Promise<SweepReport>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new MendError("internal", `a worker thread ended with code ${code}`)));
  });
  result.catch(() => {}); // awaited later; an abort may come first
  return { result, stop: () => worker.terminate() };
}
