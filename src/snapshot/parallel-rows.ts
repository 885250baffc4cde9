/** The rows of a large table, made by the threads of a snapshot in the order of the file, and put into that of the keys. */
import { defined } from "../errors/defined.ts";
import { keyOf } from "../mvcc/key-table.ts";
import type { FoundObject } from "./found-objects.ts";
import type { Snapshot } from "./open-snapshot.ts";
import { placesOf } from "./place-reader.ts";
import type { Keyspace } from "./read-keyspace.ts";
import { BATCH_ROWS, type RowBatch, type RowOrder, type RowSpec } from "./row-batches.ts";

/** A row as bytes of printable ASCII with a zero between its cells, or as cells of any characters. */
export type TableRow = Uint8Array | readonly string[];

export interface TableRows {
  /** Characters in the longest cell of each column, of the rows that are bytes; the last column has none. */
  readonly widths: readonly number[];
  /** In the order of the keys. */
  readonly rows: () => Generator<TableRow>;
  /** In the order of the keys. */
  readonly unreadable: readonly FoundObject[];
}

/** For fewer rows, threads take more CPU time to load their code than they save. */
export const ROWS_WORTH_THREADS = 50_000;

/**
 * The rows of some entries of an index, which are in the order of their keys. Values that are damaged are reported and
 * left out. Needs a snapshot with threads.
 */
export async function readRows(
  { descriptor, bolt, threads, findings }: Snapshot,
  { index }: Keyspace,
  entries: Uint32Array,
  spec: RowSpec,
  signal?: AbortSignal,
): Promise<TableRows> {
  const ranks = inFileOrder(index.page, entries);
  const places = placesOf(
    index,
    ranks.map((rank) => defined(entries[rank])),
  );
  const batches: RowBatch[] = [];
  const next = new Int32Array(new SharedArrayBuffer(4));
  const { source, meta, metas, pageCount } = bolt;
  const { name, size } = source;
  const order: RowOrder = { descriptor, name, size, meta, metas, pageCount, places, rows: spec, next };
  const stop = (): void => void Atomics.store(next, 0, Math.ceil(ranks.length / BATCH_ROWS)); // no thread takes another
  signal?.addEventListener("abort", stop);
  try {
    await threads.stream(
      () => order,
      (batch) => {
        batches[batch.batch] = batch;
      },
    );
  } finally {
    signal?.removeEventListener("abort", stop);
    stop();
  }
  signal?.throwIfAborted();

  const rankOf = (at: number): number => defined(ranks[at]);
  const sorted = <T extends { readonly at: number }>(all: readonly T[]): T[] =>
    all.toSorted((a, b) => rankOf(a.at) - rankOf(b.at));
  for (const { at, text } of sorted(batches.flatMap(({ faults }) => faults))) {
    const entry = defined(entries[rankOf(at)]);
    const where = `page ${places.page[at]} item ${places.item[at]} · ${new TextDecoder().decode(keyOf(index, entry))}`;
    findings.report({ level: "error", code: "value-unreadable", where, text });
  }
  const others = new Map(batches.flatMap((batch) => batch.others.map(({ at, cells }) => [at, cells] as const)));
  return {
    widths: batches.map(({ widths }) => widths).reduce(widest, []),
    unreadable: sorted(batches.flatMap(({ unreadable }) => unreadable)).map(({ found }) => found),
    *rows() {
      const places = new Uint32Array(ranks.length);
      for (let at = 0; at < ranks.length; at++) places[rankOf(at)] = at;
      for (const at of places) {
        const { text, ends } = defined(batches[Math.floor(at / BATCH_ROWS)]);
        const i = at % BATCH_ROWS;
        const start = i === 0 ? 0 : defined(ends[i - 1]);
        const other = others.get(at);
        if (other !== undefined) yield other;
        else if (defined(ends[i]) > start) yield text.subarray(start, ends[i]);
      }
    },
  };
}

/** The positions of the entries in the order in which they lie in the file. */
function inFileOrder(page: Uint32Array, entries: Uint32Array): Uint32Array {
  // Page and position in one number, which is below 2^53: there are at most 2^26 pages.
  const keys = new Float64Array(entries.length);
  for (let i = 0; i < entries.length; i++) keys[i] = defined(page[defined(entries[i])]) * entries.length + i;
  keys.sort();
  return Uint32Array.from(keys, (key) => key % entries.length);
}

function widest(one: readonly number[], other: readonly number[]): readonly number[] {
  const [longer, shorter] = one.length >= other.length ? [one, other] : [other, one];
  return longer.map((width, i) => Math.max(width, shorter[i] ?? 0));
}
