/** Which keys of two keyspaces have equal values, found without decoding any: of two backups of one cluster, nearly all have. */

import { compareBytes } from "../bolt/page.ts";
import { defined } from "../errors/defined.ts";
import { keyOf } from "../mvcc/key-table.ts";
import type { Snapshot } from "./open-snapshot.ts";
import type { Keyspace } from "./read-keyspace.ts";
import { createTurns } from "./turns.ts";
import { openValueWindow } from "./value-window.ts";

/** Live keys that follow each other in byte order, and how many bytes of each are the same in all. */
export interface KeyRange {
  readonly snapshot: Snapshot;
  readonly keyspace: Keyspace;
  /** Entries of the index, in the order of their keys. */
  readonly entries: Uint32Array;
  readonly skip: number;
}

export interface ComparedRanges {
  /** Entries of the first whose values the other has, byte for byte, in the order of the first file. */
  readonly equal: Uint32Array;
  /** Entries that the other lacks, or has with another value, or that cannot be read. */
  readonly one: readonly number[];
  readonly two: readonly number[];
}

/** Values are read in the order of the first file, which is nearly that of the second. */
export async function compareRangesOf(one: KeyRange, two: KeyRange, signal?: AbortSignal): Promise<ComparedRanges> {
  const turn = createTurns(signal);
  const { shared, counterparts, left, right } = await pairKeys(one, two, turn);
  await turn();
  const [a, b] = [one.keyspace.index, two.keyspace.index];
  const order = Uint32Array.from(shared.keys()).sort((x, y) => {
    const [i, j] = [defined(shared[x]), defined(shared[y])];
    return defined(a.page[i]) - defined(a.page[j]) || defined(a.item[i]) - defined(a.item[j]);
  });
  const [windowOne, windowTwo] = [openValueWindow(one.snapshot.bolt), openValueWindow(two.snapshot.bolt)];
  const equal = new Uint32Array(order.length);
  let count = 0;
  for (const [at, pair] of order.entries()) {
    if (at % 256 === 0) await turn();
    const [x, y] = [defined(shared[pair]), defined(counterparts[pair])];
    const value =
      a.valueSize[x] === b.valueSize[y] ? windowOne.read(defined(a.page[x]), defined(a.item[x])) : undefined;
    const other = value && windowTwo.read(defined(b.page[y]), defined(b.item[y]));
    if (value !== undefined && other !== undefined && Buffer.compare(value, other) === 0) equal[count++] = x;
    else {
      left.push(x);
      right.push(y);
    }
  }
  return { equal: equal.subarray(0, count), one: left, two: right };
}

interface PairedKeys {
  /** Entries of the first whose keys both have, and beside each the entry of the second. */
  readonly shared: Uint32Array;
  readonly counterparts: Uint32Array;
  readonly left: number[];
  readonly right: number[];
}

/** Walks both ranges side by side, in the order of their keys. */
async function pairKeys(one: KeyRange, two: KeyRange, turn: ReturnType<typeof createTurns>): Promise<PairedKeys> {
  const most = Math.min(one.entries.length, two.entries.length);
  const [shared, counterparts] = [new Uint32Array(most), new Uint32Array(most)];
  const [left, right]: [number[], number[]] = [[], []];
  const key = ({ keyspace, entries, skip }: KeyRange, at: number) =>
    keyOf(keyspace.index, defined(entries[at])).subarray(skip);
  let [i, j, count] = [0, 0, 0];
  for (let round = 0; i < one.entries.length || j < two.entries.length; round++) {
    if (round % 4096 === 0) await turn();
    const order = i === one.entries.length ? 1 : j === two.entries.length ? -1 : compareBytes(key(one, i), key(two, j));
    if (order < 0) left.push(defined(one.entries[i++]));
    else if (order > 0) right.push(defined(two.entries[j++]));
    else {
      shared[count] = defined(one.entries[i++]);
      counterparts[count++] = defined(two.entries[j++]);
    }
  }
  return { shared: shared.subarray(0, count), counterparts: counterparts.subarray(0, count), left, right };
}
