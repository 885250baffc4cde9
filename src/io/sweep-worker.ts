/** A thread that helps `parallel-sweep.ts`: sweeps chunks until none are left, then sends what it found. Threads of a process share its descriptors. */
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import type { BoltFile } from "../bolt/bolt.ts";
import type { LeafMap } from "../bolt/leaf-map.ts";
import { createPageSet, type PageSet } from "../bolt/page-set.ts";
import { sweepLeaves } from "../bolt/sweep.ts";
import type { Finding } from "../errors.ts";
import { descriptorSource } from "./file-source.ts";
import { createLeafTasks, type LeafTaskResult, type LeafTaskSpec } from "./leaf-tasks.ts";
import { type SweepCounters, takeChunks } from "./parallel-sweep.ts";

/** All that a thread needs to know: plain data and shared memory. */
export interface SweepOrder extends Omit<BoltFile, "source"> {
  readonly descriptor: number;
  readonly name: string;
  readonly size: number;
  readonly map: LeafMap;
  readonly spec: LeafTaskSpec;
  readonly counters: SweepCounters;
}

export interface SweepReport {
  readonly result: LeafTaskResult;
  readonly findings: readonly Finding[];
  readonly seen: PageSet;
}

function work(order: SweepOrder): SweepReport {
  const { descriptor, name, size, meta, metas, pageCount, map, spec, counters } = order;
  const bolt: BoltFile = { source: descriptorSource(descriptor, name, size), meta, metas, pageCount };
  const findings: Finding[] = [];
  const report = (finding: Finding): void => {
    findings.push(finding);
  };
  const seen = createPageSet(pageCount);
  const tasks = createLeafTasks(spec, map, report);
  for (const chunk of takeChunks(bolt, counters)) {
    for (const _ of sweepLeaves(bolt, map, chunk, seen, tasks.visit, report));
    Atomics.add(counters.chunks, 1, 1);
  }
  return { result: tasks.finish(), findings, seen };
}

if (!isMainThread) parentPort?.postMessage(work(workerData as SweepOrder));
