/** The lines of a keyspace's values in the order of their keys: made by the threads of the snapshot, or here where it has none. */

import { setImmediate } from "node:timers/promises";
import { defined } from "../errors/defined.ts";
import type { Finding } from "../errors/errors.ts";
import { addTally, type Tally } from "../errors/findings.ts";
import { keyOf } from "../mvcc/key-table.ts";
import { LineBuffer, type LineOptions, type LinesResult } from "../storage/line-task.ts";
import { KEY_BUCKET } from "./leaf-tasks.ts";
import {
  BATCH_VALUES,
  type BatchResult,
  batchWriter,
  createSlots,
  firstSlotOf,
  freeSlot,
  type LineBatch,
  type LineOrder,
} from "./line-batches.ts";
import type { Snapshot } from "./open-snapshot.ts";
import { placesOf, type ValuePlaces } from "./place-reader.ts";
import type { Keyspace } from "./read-keyspace.ts";

export interface Lines extends LinesResult {
  /** How many values these and all before them are. */
  readonly done: number;
  /** In memory that is used again as soon as the next lines are asked for. */
  readonly text: Uint8Array;
}

/** Yields the lines of all values. What is unreadable is among the findings, which are the caller's to report. */
export async function* readLines(
  snapshot: Snapshot,
  keyspace: Keyspace,
  options: LineOptions,
  signal?: AbortSignal,
): AsyncGenerator<Lines> {
  const places = placesOf(keyspace.index, keyspace.order());
  const total = places.page.length;
  const batches = Math.ceil(total / BATCH_VALUES);
  const doneAfter = (batch: number): number => Math.min((batch + 1) * BATCH_VALUES, total);
  if (snapshot.threads.count === 0) {
    const root = snapshot.buckets.find((bucket) => bucket.path === KEY_BUCKET)?.root;
    const write = batchWriter(snapshot.bolt, places, options, typeof root === "object" ? root : undefined);
    const lines = new LineBuffer(1 << 20);
    for (let batch = 0; batch < batches; batch++) {
      signal?.throwIfAborted();
      const result = write(batch, lines);
      yield { ...withFindings(keyspace, places, result), text: lines.written, done: doneAfter(batch) };
      await setImmediate();
    }
    return;
  }
  for await (const { batch, text, ...result } of inOrder(snapshot, places, options, batches, signal))
    yield { ...withFindings(keyspace, places, result), text, done: doneAfter(batch) };
}

function withFindings({ index, order }: Keyspace, { page, item }: ValuePlaces, result: BatchResult): LinesResult {
  const { counts, tallies, unreadable } = result;
  const findings = unreadable.map(({ at, text }): Finding => {
    const key = new TextDecoder().decode(keyOf(index, defined(order()[at])));
    return { level: "error", code: "value-unreadable", where: `page ${page[at]} item ${item[at]} · ${key}`, text };
  });
  return { counts, tallies, findings: [...findings, ...result.findings] };
}

/** Counts of the same thing, of which `later` is from further behind. */
export function joinTallies(tallies: Map<string, Tally>, later: ReadonlyMap<string, Tally>): void {
  for (const [key, { count, ...finding }] of later) {
    for (let i = 0; i < count; i++) addTally(tallies, key, () => finding);
  }
}

async function* inOrder(
  { descriptor, bolt, threads }: Snapshot,
  places: ValuePlaces,
  lines: LineOptions,
  batches: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<LineBatch> {
  const { source, meta, metas, pageCount } = bolt;
  const { name, size } = source;
  const next = new Int32Array(new SharedArrayBuffer(4));
  const busy = createSlots(threads.count);
  const ready = new Map<number, LineBatch>();
  let wake = (): void => {};
  let failure: { readonly error: unknown } | undefined;
  const orderOf = (thread: number): LineOrder => ({
    ...{ descriptor, name, size, meta, metas, pageCount, places, lines, next, busy },
    firstSlot: firstSlotOf(thread),
  });
  const running = threads.stream(orderOf, (batch) => {
    ready.set(batch.batch, batch);
    wake();
  });
  const fail = (error: unknown): void => {
    failure ??= { error };
    wake();
  };
  running.catch(fail);
  const abort = (): void => fail(signal?.reason);
  signal?.addEventListener("abort", abort);
  try {
    for (let batch = 0; batch < batches; batch++) {
      while (!ready.has(batch)) {
        if (failure !== undefined) throw failure.error;
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (failure !== undefined) resolve();
        });
      }
      signal?.throwIfAborted();
      const lines = defined(ready.get(batch));
      ready.delete(batch);
      yield lines;
      freeSlot(busy, lines.slot);
    }
    await running;
  } finally {
    signal?.removeEventListener("abort", abort);
    Atomics.store(next, 0, batches); // no thread takes another batch, and none waits
    for (let slot = 0; slot < busy.length; slot++) freeSlot(busy, slot);
    await running.catch(() => {}); // what they still send is not for the next order
  }
}
