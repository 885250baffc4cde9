/**
 * What may differ between two snapshots at a path: values that are equal byte for byte are equal objects, and are
 * counted without decoding them.
 */
import { defined } from "../../errors/defined.ts";
import { keyOf } from "../../mvcc/key-table.ts";
import { compareRangesOf } from "../../snapshot/equal-values.ts";
import type { ObjectSelection } from "./object-selection.ts";
import type { Side, SideEntry } from "./side.ts";

export interface DifferingEntries {
  readonly equal: number;
  readonly one: ReadonlyMap<string, SideEntry>;
  readonly two: ReadonlyMap<string, SideEntry>;
}

/** Undefined where one of them is no snapshot, or has nothing there. */
export async function differingEntries(
  before: Side,
  after: Side,
  path: string,
  selection: ObjectSelection,
  signal?: AbortSignal,
): Promise<DifferingEntries | undefined> {
  const [left, right] = [before.range?.(path), after.range?.(path)];
  if (left === undefined || right === undefined) return undefined;
  const found = await compareRangesOf(left, right, signal);
  const decoder = new TextDecoder();
  const isTaken = (entry: number): boolean =>
    selection.takes(path, decoder.decode(keyOf(left.keyspace.index, entry).subarray(left.skip)));
  const equal = selection.takesAll ? found.equal.length : found.equal.filter(isTaken).length;
  return { equal, one: defined(before.openEntries)(path, found.one), two: defined(after.openEntries)(path, found.two) };
}
