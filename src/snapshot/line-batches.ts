/**
 * Lines of many values, made by several threads and passed on in order: each thread takes the next batch of values,
 * writes its lines into a slot of memory that both sides see, and waits while all its slots are full. A thread takes a
 * slot before it takes a batch, so that the batch that is due is never the one that waits.
 */

import type { BoltFile } from "../bolt/bolt.ts";
import type { Page } from "../bolt/page.ts";
import { defined } from "../errors/defined.ts";
import { createLineTask, LineBuffer, type LineOptions, type LinesResult } from "../storage/line-task.ts";
import { createPlaceReader, type ValuePlaces } from "./place-reader.ts";

export const BATCH_VALUES = 512;
const SLOTS = 3;
const SLOT_BYTES = 4 << 20;

export interface LineOrder extends Omit<BoltFile, "source"> {
  readonly descriptor: number;
  readonly name: string;
  readonly size: number;
  readonly places: ValuePlaces;
  readonly lines: LineOptions;
  /** [0] the batch that is taken next. */
  readonly next: Int32Array;
  /** 1 for each slot whose lines were not passed on yet. */
  readonly busy: Int32Array;
  /** The first of this thread's slots. */
  readonly firstSlot: number;
}

/** The lines of a batch's values, but for those that cannot be read. */
export interface BatchResult extends LinesResult {
  readonly unreadable: readonly { readonly at: number; readonly text: string }[];
}

export interface LineBatch extends BatchResult {
  readonly batch: number;
  readonly slot: number;
  /** The lines: not to be looked at any more once the slot is free. */
  readonly text: Uint8Array;
}

export function createSlots(threads: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * SLOTS * threads));
}

export function firstSlotOf(thread: number): number {
  return thread * SLOTS;
}

export function freeSlot(busy: Int32Array, slot: number): void {
  Atomics.store(busy, slot, 0);
  Atomics.notify(busy, slot);
}

/** A thread's part: ends when no batch is left. */
export function writeBatches(bolt: BoltFile, order: LineOrder, pass: (batch: LineBatch) => void): void {
  const { places, next, busy, firstSlot } = order;
  const write = batchWriter(bolt, places, order.lines);
  const share = (size: number): Uint8Array => new Uint8Array(new SharedArrayBuffer(size));
  const buffers = Array.from({ length: SLOTS }, () => new LineBuffer(SLOT_BYTES, share));
  for (let turn = 0; ; turn = (turn + 1) % SLOTS) {
    const slot = firstSlot + turn;
    Atomics.wait(busy, slot, 1);
    const batch = Atomics.add(next, 0, 1);
    if (batch * BATCH_VALUES >= places.page.length) return;
    const lines = defined(buffers[turn]);
    const result = write(batch, lines);
    Atomics.store(busy, slot, 1);
    pass({ ...result, batch, slot, text: lines.written });
  }
}

/**
 * Writes the lines of one batch into a buffer, from its start. `inline` is the keyspace of a cluster with hardly any
 * keys: its page is 0.
 */
export function batchWriter(
  bolt: BoltFile,
  places: ValuePlaces,
  options: LineOptions,
  inline?: Page,
): (batch: number, lines: LineBuffer) => BatchResult {
  const task = createLineTask(options);
  const read = createPlaceReader(bolt, places, inline);
  return (batch, lines) => {
    lines.size = 0;
    const unreadable = [];
    const end = Math.min((batch + 1) * BATCH_VALUES, places.page.length);
    for (let at = batch * BATCH_VALUES; at < end; at++) {
      const keyValue = read(at, end);
      if (typeof keyValue !== "string") task.add(keyValue, lines);
      else unreadable.push({ at, text: keyValue });
    }
    return { ...task.take(), unreadable };
  };
}
