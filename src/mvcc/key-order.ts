/**
 * Puts entries of a {@link KeyTable} in the byte order of their keys. Keys of Kubernetes share long beginnings, which a
 * comparison would read again and again: this sort looks at each byte about once (a radix sort from the first byte on,
 * which passes over what all keys of a group share).
 */
import { type KeyTable, keyStart } from "./key-table.ts";

/** Smaller groups are sorted by insertion. */
const SMALL = 20;
/** One for the end of a key, then one for each byte. */
const BUCKETS = 257;

/** Sorts `order`, which holds entries of `table`, each once. */
export function sortByKey(table: KeyTable, order: Uint32Array): Uint32Array {
  const { keys, keyEnds } = table;
  const moved = new Uint32Array(order.length);
  const digits = new Uint16Array(order.length);
  const counts = new Uint32Array(BUCKETS + 1);
  // Groups that share their first `depth` bytes: from, to, depth.
  const groups = [0, order.length, 0];
  while (groups.length > 0) {
    const given = groups.pop()!;
    const to = groups.pop()!;
    const from = groups.pop()!;
    if (to - from <= SMALL) {
      sortSmall(table, order, from, to, given);
      continue;
    }
    const depth = sharedDepth(table, order, from, to, given);
    counts.fill(0);
    for (let i = from; i < to; i++) {
      const entry = order[i]!;
      const at = keyStart(table, entry) + depth;
      const digit = at < keyEnds[entry]! ? keys[at]! + 1 : 0;
      digits[i] = digit;
      counts[digit + 1]! += 1;
    }
    for (let bucket = 1; bucket <= BUCKETS; bucket++) counts[bucket]! += counts[bucket - 1]!;
    for (let bucket = 1; bucket < BUCKETS; bucket++) {
      const [start, end] = [from + counts[bucket]!, from + counts[bucket + 1]!];
      if (end - start > 1) groups.push(start, end, depth + 1);
    }
    for (let i = from; i < to; i++) moved[from + counts[digits[i]!]!++] = order[i]!;
    order.set(moved.subarray(from, to), from);
  }
  return order;
}

/** How many bytes all keys of a group share, of which `known` are known to be. */
function sharedDepth(table: KeyTable, order: Uint32Array, from: number, to: number, known: number): number {
  const { keys, keyEnds } = table;
  const first = keyStart(table, order[from]!);
  // Bytes beyond the shortest key are not looked at here: each of them would be read again for every shorter key.
  let shared = Number.POSITIVE_INFINITY;
  for (let i = from; i < to; i++) shared = Math.min(shared, keyEnds[order[i]!]! - keyStart(table, order[i]!));
  for (let i = from + 1; i < to && shared > known; i++) {
    const start = keyStart(table, order[i]!);
    let same = known;
    while (same < shared && keys[first + same] === keys[start + same]) same++;
    shared = same;
  }
  return shared;
}

function sortSmall(table: KeyTable, order: Uint32Array, from: number, to: number, depth: number): void {
  for (let i = from + 1; i < to; i++) {
    const entry = order[i]!;
    let at = i;
    while (at > from && compareFrom(table, order[at - 1]!, entry, depth) > 0) {
      order[at] = order[at - 1]!;
      at--;
    }
    order[at] = entry;
  }
}

function compareFrom(table: KeyTable, a: number, b: number, depth: number): number {
  const { keys, keyEnds } = table;
  const aStart = keyStart(table, a);
  const bStart = keyStart(table, b);
  const aSize = keyEnds[a]! - aStart;
  const bSize = keyEnds[b]! - bStart;
  const size = Math.min(aSize, bSize);
  for (let i = depth; i < size; i++) {
    const difference = keys[aStart + i]! - keys[bStart + i]!;
    if (difference !== 0) return difference;
  }
  return aSize - bSize;
}
