/** Sweeps the leaves of a snapshot with this thread and its helpers, and joins what they found. */
import { setImmediate } from "node:timers/promises";
import type { BoltFile } from "../bolt/bolt.ts";
import type { LeafMap } from "../bolt/leaf-map.ts";
import { mergePages, type PageSet } from "../bolt/page-set.ts";
import { sweepLeaves } from "../bolt/sweep.ts";
import type { Report } from "../bolt/tree.ts";
import { createLeafTasks, type LeafTaskResult, type LeafTaskSpec, mergeLeafTaskResults } from "./leaf-tasks.ts";
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
  const { source, meta, metas, pageCount } = bolt;
  const counters = createCounters(bolt);
  const { name, size } = source;
  const reports = threads.run({ descriptor, name, size, meta, metas, pageCount, map, spec, counters });
  const own = await createLeafTasks(spec, map, report);
  for (const chunk of takeChunks(counters)) {
    for (const _ of sweepLeaves(bolt, map, chunk, seen, own.visit, report)) {
      signal?.throwIfAborted();
      onProgress?.(pagesDone(counters) * meta.pageSize, pageCount * meta.pageSize);
      await setImmediate();
    }
    finishChunk(counters);
  }
  const results = [own.finish()];
  for (const pending of reports) {
    const { result, findings, seen: theirs } = await pending;
    signal?.throwIfAborted();
    for (const finding of findings) report(finding);
    for (const id of mergePages(seen, theirs)) {
      report({ level: "error", code: "page-double-referenced", where: `page ${id}`, text: "two leaves hold the page" });
    }
    results.push(result);
  }
  return mergeLeafTaskResults(results);
}
