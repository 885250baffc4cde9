/**
 * A thread of `sweep-threads.ts`: sweeps chunks until none are left, sends what it found, and waits for the next order.
 * Threads share descriptors.
 */
import { isMainThread, parentPort } from "node:worker_threads";
import type { BoltFile } from "../bolt/bolt.ts";
import type { LeafMap } from "../bolt/leaf-map.ts";
import { openLeafWindow } from "../bolt/leaf-window.ts";
import { createPageSet, type PageSet } from "../bolt/page-set.ts";
import { sweepLeaves } from "../bolt/sweep.ts";
import type { Finding } from "../errors/errors.ts";
import { descriptorSource } from "../io/files/file-source.ts";
import { createLeafTasks, type LeafTaskResult, type LeafTaskSpec } from "./leaf-tasks.ts";
import type { LineBatch, LineOrder } from "./line-batches.ts";
import type { RowBatch, RowOrder } from "./row-batches.ts";
import { finishChunk, type SweepCounters, takeChunks } from "./sweep-chunks.ts";

/** All that a thread needs to know: plain data and shared memory. */
export interface SweepOrder extends Omit<BoltFile, "source"> {
  readonly descriptor: number;
  readonly name: string;
  readonly size: number;
  readonly map: LeafMap;
  readonly spec: LeafTaskSpec;
  readonly counters: SweepCounters;
  /** How many share the sweep. */
  readonly threads: number;
}

export interface SweepReport {
  readonly result: LeafTaskResult;
  readonly findings: readonly Finding[];
  readonly seen: PageSet;
}

/** What a thread sends: batches of lines or rows, and an answer when it is done with an order. */
export type SweepMessage = { readonly batch: LineBatch | RowBatch } | { readonly answer: SweepReport | undefined };

function boltOf({ descriptor, name, size, meta, metas, pageCount }: SweepOrder | LineOrder | RowOrder): BoltFile {
  return { source: descriptorSource(descriptor, name, size), meta, metas, pageCount };
}

async function work(order: SweepOrder): Promise<SweepReport> {
  const { pageCount, map, spec, counters } = order;
  const bolt = boltOf(order);
  const findings: Finding[] = [];
  const report = (finding: Finding): void => {
    findings.push(finding);
  };
  const seen = createPageSet(pageCount);
  const tasks = await createLeafTasks(spec, map, report, order.threads);
  const window = openLeafWindow(bolt, map.slots);
  for (const chunk of takeChunks(counters)) {
    for (const _ of sweepLeaves(map, window, chunk, seen, tasks.visit, report));
    finishChunk(counters);
  }
  return { result: tasks.finish(), findings, seen };
}

/** The memory of the indexes, which is handed over instead of copied. */
function movableBuffers({ result }: SweepReport): ArrayBuffer[] {
  const { index, timeline, versions } = result;
  const columns = [index?.index, timeline?.keys, timeline?.revisions, versions]
    .flatMap((each) => Object.values(each ?? {}))
    .filter((column) => ArrayBuffer.isView(column));
  return [...new Set(columns.map((column) => column.buffer as ArrayBuffer))];
}

const port = parentPort;
if (!isMainThread && port !== null) {
  const send = (message: SweepMessage, moved: ArrayBuffer[] = []): void => port.postMessage(message, moved);
  port.on("message", async (order: SweepOrder | LineOrder | RowOrder) => {
    if ("lines" in order) {
      const { writeBatches } = await import("./line-batches.ts");
      writeBatches(boltOf(order), order, (batch) => send({ batch }));
      send({ answer: undefined });
    } else if ("rows" in order) {
      const { writeRows } = await import("./row-batches.ts");
      const buffers = ({ text, ends }: RowBatch) => [text.buffer, ends.buffer] as ArrayBuffer[];
      writeRows(boltOf(order), order, (batch) => send({ batch }, buffers(batch)));
      send({ answer: undefined });
    } else {
      const answer = await work(order);
      send({ answer }, movableBuffers(answer));
    }
  });
}
