/**
 * Rows of a large table, made by several threads. The widths of its columns are known when all rows are, so that nothing
 * is gained by reading values in the order of their keys: each thread takes the next batch of them in the order of the
 * file, and sends its rows.
 */

import type { BoltFile } from "../bolt/bolt.ts";
import { defined } from "../errors/defined.ts";
import { type RowOptions, rowCells, shownFields, tableOf } from "../kubeapi/columns/table-rows.ts";
import { createTransformer } from "../storage/encryption.ts";
import type { EncryptionConfig } from "../storage/encryption-config.ts";
import { createObjectReader, type FoundObject, type ObjectSelection } from "./found-objects.ts";
import { createPlaceReader, type ValuePlaces } from "./place-reader.ts";

export const BATCH_ROWS = 1024;

/** Plain data, so that it can be sent to a thread. */
export interface RowSpec {
  readonly selection: ObjectSelection;
  readonly options: RowOptions;
  readonly encryption?: Pick<EncryptionConfig, "rules">;
  readonly etcdPrefix: string;
}

export interface RowOrder extends Omit<BoltFile, "source"> {
  readonly descriptor: number;
  readonly name: string;
  readonly size: number;
  /** In the order of the file. */
  readonly places: ValuePlaces;
  readonly rows: RowSpec;
  /** [0] the batch that is taken next. */
  readonly next: Int32Array;
}

/** What became of a batch of values. Positions `at` are among the values of the order. */
export interface RowBatch {
  readonly batch: number;
  /** Rows of printable ASCII, one behind the other, a zero between their cells. */
  readonly text: Uint8Array;
  /** Where the row of each value ends; no further than the one before where it has none here. */
  readonly ends: Uint32Array;
  /** Characters in the longest cell of each column of these rows; the last column has none. */
  readonly widths: readonly number[];
  /** Rows with other characters: whoever prints them has to look at each. */
  readonly others: readonly { readonly at: number; readonly cells: readonly string[] }[];
  /** Objects that cannot be shown. They have rows too. */
  readonly unreadable: readonly { readonly at: number; readonly found: FoundObject }[];
  /** Values that are damaged, and why. They have no rows. */
  readonly faults: readonly { readonly at: number; readonly text: string }[];
}

const NOT_PLAIN = /[^ -~]/;

/** A thread's part: ends when no batch is left. */
export function writeRows(bolt: BoltFile, order: RowOrder, pass: (batch: RowBatch) => void): void {
  const { places, next } = order;
  const write = rowWriter(bolt, order);
  for (;;) {
    const batch = Atomics.add(next, 0, 1);
    if (batch * BATCH_ROWS >= places.page.length) return;
    pass(write(batch));
  }
}

function rowWriter(bolt: BoltFile, { places, rows }: RowOrder): (batch: number) => RowBatch {
  const { selection, options, encryption, etcdPrefix } = rows;
  const { resource } = selection;
  const table = tableOf(resource);
  const fields = shownFields(table, options);
  const readObject = createObjectReader(selection, createTransformer(encryption, etcdPrefix));
  const read = createPlaceReader(bolt, places, undefined);
  return (batch) => {
    const from = batch * BATCH_ROWS;
    const end = Math.min(from + BATCH_ROWS, places.page.length);
    const ends = new Uint32Array(end - from);
    const widths: number[] = [];
    const others = [];
    const unreadable = [];
    const faults = [];
    let text = "";
    for (let at = from; at < end; at++) {
      const stored = read(at, end);
      const object = typeof stored === "string" ? undefined : readObject(stored, fields);
      if (typeof stored === "string") faults.push({ at, text: stored });
      if (object !== undefined) {
        const { namespace, name, found } = object;
        if (found.state !== "object") unreadable.push({ at, found: object });
        const what = found.state === "object" ? { object: found.object } : { state: found.state };
        const cells = rowCells(resource, table, { namespace, name, ...what }, options);
        if (NOT_PLAIN.test(cells.join(""))) others.push({ at, cells });
        else {
          for (let i = 0; i < cells.length - 1; i++) widths[i] = Math.max(widths[i] ?? 0, defined(cells[i]).length);
          text += cells.join("\0");
        }
      }
      ends[at - from] = text.length;
    }
    return { batch, text: latin1(text), ends, widths, others, unreadable, faults };
  };
}

/** In memory of its own, which can be handed over to another thread. */
function latin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  Buffer.from(bytes.buffer).write(text, "latin1");
  return bytes;
}
