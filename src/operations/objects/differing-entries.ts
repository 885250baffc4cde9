/**
 * What may differ between two snapshots at a path: values that are equal byte for byte are equal objects, and are
 * counted without decoding them.
 */
import { keyOf } from "../../mvcc/key-table.ts";
import { compareRangesOf, type KeyRange } from "../../snapshot/equal-values.ts";
import type { ObjectSelection } from "./object-selection.ts";

/** Entries of the two indexes. */
export interface PairedEntries {
  readonly one: Iterable<number>;
  readonly two: Iterable<number>;
}

export interface DifferingEntries extends PairedEntries {
  readonly equal: number;
}

export async function differingEntries(
  left: KeyRange,
  right: KeyRange,
  path: string,
  selection: ObjectSelection,
  signal?: AbortSignal,
): Promise<DifferingEntries> {
  const { equal, one, two } = await compareRangesOf(left, right, signal);
  const decoder = new TextDecoder();
  const isTaken = (entry: number): boolean =>
    selection.takes(path, decoder.decode(keyOf(left.keyspace.index, entry).subarray(left.skip)));
  return { equal: selection.takesAll ? equal.length : equal.filter(isTaken).length, one, two };
}
