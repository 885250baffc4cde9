/**
 * Indexes the contents of a large snapshot in a thread of its own, for a search that finds a text without reading every
 * value (`kubeapi/page/content-index.ts`).
 */

import type { BoltFile } from "../bolt/bolt.ts";
import { defined } from "../errors/defined.ts";
import { blockOf, type ContentIndex, FILTER_BYTES, mayContain, planBlocks } from "../kubeapi/page/content-index.ts";
import type { Timeline } from "../mvcc/timeline.ts";
import type { Snapshot } from "./open-snapshot.ts";
import { startThread } from "./start-thread.ts";
import { THREAD_WORTHY_BYTES } from "./sweep-threads.ts";

/** All that the thread needs to know: plain data and shared memory. Rows in the order of the file. */
export interface ContentOrder extends Omit<BoltFile, "source"> {
  readonly descriptor: number;
  readonly name: string;
  readonly size: number;
  readonly page: Uint32Array;
  readonly item: Uint16Array;
  readonly block: Uint32Array;
  /** One after the other; shared. */
  readonly filters: Uint8Array;
  /** [0] how many rows are indexed; shared. */
  readonly done: Int32Array;
}

export interface RunningContentIndex extends ContentIndex {
  stop(): Promise<void>;
}

/** Starts to index. A small file needs no index: all of it is read in some milliseconds. */
export function startContentIndex({ bolt, file }: Snapshot, timeline: Timeline): RunningContentIndex | undefined {
  if (file.source.size < THREAD_WORTHY_BYTES) return undefined;
  const { rows, starts, byKey, keyCount } = timeline;
  const ends = planBlocks(keyCount, (key) => {
    let size = 0;
    for (let i = defined(starts[key]); i < defined(starts[key + 1]); i++) size += defined(rows.size[defined(byKey[i])]);
    return size;
  });
  const { meta, metas, pageCount, source } = bolt;
  const filters = new Uint8Array(new SharedArrayBuffer(ends.length * FILTER_BYTES));
  const done = new Int32Array(new SharedArrayBuffer(4));
  const inFile = { ...rowsInFile(timeline, ends), filters, done };
  const order: ContentOrder = {
    descriptor: file.descriptor,
    name: source.name,
    size: source.size,
    meta,
    metas,
    pageCount,
    ...inFile,
  };
  const worker = startThread("content-worker", { workerData: order });
  worker.unref();
  let isComplete = false;
  worker.once("message", () => {
    isComplete = true;
  });
  worker.on("error", () => {}); // then the index stays incomplete and excludes nothing
  const total = order.page.length;
  return {
    mayHold: (key, text) => !isComplete || mayContain(filters, blockOf(ends, key) * FILTER_BYTES, text),
    blockEnd: (key) => ends[blockOf(ends, key)] ?? keyCount,
    progress: () => (isComplete || total === 0 ? 1 : Math.min(0.999, Atomics.load(done, 0) / total)),
    async stop() {
      await worker.terminate();
    },
  };
}

/** Where each value is and which block it belongs to, page after page. */
function rowsInFile({ rows, rowCount, keyOfRow }: Timeline, ends: Uint32Array) {
  const order = new Uint32Array(rowCount);
  let count = 0;
  for (let row = 0; row < rowCount; row++) if (rows.tombstone[row] === 0) order[count++] = row;
  const sorted = order
    .subarray(0, count)
    .sort((a, b) => defined(rows.page[a]) - defined(rows.page[b]) || defined(rows.item[a]) - defined(rows.item[b]));
  return {
    page: Uint32Array.from(sorted, (row) => defined(rows.page[row])),
    item: Uint16Array.from(sorted, (row) => defined(rows.item[row])),
    block: Uint32Array.from(sorted, (row) => blockOf(ends, keyOfRow(row))),
  };
}
