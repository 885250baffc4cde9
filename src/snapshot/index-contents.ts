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

/** All that the thread needs to know: plain data and shared memory. */
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
  const rowsToRead = { ...placesOfRows(timeline, ends), filters, done };
  const order: ContentOrder = {
    descriptor: file.descriptor,
    name: source.name,
    size: source.size,
    meta,
    metas,
    pageCount,
    ...rowsToRead,
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

/** Where each value is and which block it belongs to. The thread puts them in the order of the file. */
function placesOfRows({ rows, rowCount, starts, byKey }: Timeline, ends: Uint32Array) {
  const [page, item, block] = [new Uint32Array(rowCount), new Uint16Array(rowCount), new Uint32Array(rowCount)];
  let count = 0;
  let key = 0;
  for (const [number, end] of ends.entries()) {
    for (; key < end; key++) {
      for (let i = defined(starts[key]); i < defined(starts[key + 1]); i++) {
        const row = defined(byKey[i]);
        if (rows.tombstone[row] !== 0) continue;
        page[count] = defined(rows.page[row]);
        item[count] = defined(rows.item[row]);
        block[count] = number;
        count += 1;
      }
    }
  }
  return { page: page.slice(0, count), item: item.slice(0, count), block: block.slice(0, count) };
}
