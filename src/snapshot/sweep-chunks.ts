/** How threads share a sweep: the pages are cut into chunks, and each thread takes the next one until none is left. */
import type { BoltFile } from "../bolt/bolt.ts";

const CHUNK_BYTES = 16 << 20;

/** Shared by all threads. */
export interface SweepCounters {
  /** [0] the next chunk to take, [1] chunks finished. */
  readonly chunks: Int32Array;
  readonly chunkPages: number;
  readonly pageCount: number;
}

export function createCounters({ meta, pageCount }: BoltFile): SweepCounters {
  return {
    chunks: new Int32Array(new SharedArrayBuffer(8)),
    chunkPages: Math.ceil(CHUNK_BYTES / meta.pageSize),
    pageCount,
  };
}

/** The page ranges that the calling thread gets. */
export function* takeChunks({ chunks, chunkPages, pageCount }: SweepCounters): Generator<readonly [number, number]> {
  for (;;) {
    const from = Atomics.add(chunks, 0, 1) * chunkPages;
    if (from >= pageCount) return;
    yield [from, Math.min(from + chunkPages, pageCount)];
  }
}

export function finishChunk({ chunks }: SweepCounters): void {
  Atomics.add(chunks, 1, 1);
}

/** Pages that all threads together have passed. */
export function pagesDone({ chunks, chunkPages, pageCount }: SweepCounters): number {
  return Math.min(pageCount, Atomics.load(chunks, 1) * chunkPages);
}
