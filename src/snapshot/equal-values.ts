/** Which keys of two keyspaces have equal values, found without decoding any: of two backups of one cluster, nearly all have. */
import { compareBytes } from "../bolt/page.ts";
import { keyOf } from "../mvcc/key-table.ts";
import type { Snapshot } from "./open-snapshot.ts";
import type { Keyspace } from "./read-keyspace.ts";
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
  /** Entries of both, in pairs, whose values are equal. */
  readonly equal: readonly (readonly [one: number, two: number])[];
  /** Entries that the other lacks, or has with another value, or that cannot be read. */
  readonly one: readonly number[];
  readonly two: readonly number[];
}

/** Values are read in the order of the first file, which is nearly that of the second. */
export function compareRangesOf(one: KeyRange, two: KeyRange, signal?: AbortSignal): ComparedRanges {
  const pairs: [number, number][] = [];
  const [left, right]: [number[], number[]] = [[], []];
  const key = ({ keyspace, entries, skip }: KeyRange, at: number) => keyOf(keyspace.index, entries[at]!).subarray(skip);
  let [i, j] = [0, 0];
  while (i < one.entries.length || j < two.entries.length) {
    const order = i === one.entries.length ? 1 : j === two.entries.length ? -1 : compareBytes(key(one, i), key(two, j));
    if (order < 0) left.push(one.entries[i++]!);
    else if (order > 0) right.push(two.entries[j++]!);
    else pairs.push([one.entries[i++]!, two.entries[j++]!]);
  }
  const [a, b] = [one.keyspace.index, two.keyspace.index];
  pairs.sort(([x], [y]) => a.page[x]! - a.page[y]! || a.item[x]! - a.item[y]!);
  const [windowOne, windowTwo] = [openValueWindow(one.snapshot.bolt), openValueWindow(two.snapshot.bolt)];
  const equal: [number, number][] = [];
  for (const [at, pair] of pairs.entries()) {
    if (at % 4096 === 0) signal?.throwIfAborted();
    const [x, y] = pair;
    const value = a.valueSize[x] === b.valueSize[y] ? windowOne.read(a.page[x]!, a.item[x]!) : undefined;
    const other = value && windowTwo.read(b.page[y]!, b.item[y]!);
    if (value !== undefined && other !== undefined && Buffer.compare(value, other) === 0) equal.push(pair);
    else {
      left.push(x);
      right.push(y);
    }
  }
  return { equal, one: left, two: right };
}
