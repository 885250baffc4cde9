/**
 * The newest version of each key, at the newest revision or an earlier one: etcd's tree index, rebuilt from the file in
 * any order of its leaves. Columns in typed arrays (about 60 bytes a key, and the key): a million keys take 0.1 GB, and
 * threads hand their part over without copying.
 */
import { sortByKey } from "./key-order.ts";
import { addKeysOf, createKeyTable, findOrAdd, grown, type KeyTable, reservedEntries } from "./key-table.ts";

export interface KeyIndex extends KeyTable {
  /** The newest version's revision. */
  main: Float64Array;
  sub: Float64Array;
  tombstone: Uint8Array;
  /** Where the newest version lies: page and item of the `key` bucket. */
  page: Uint32Array;
  item: Uint16Array;
  /** Bytes of the newest version's value. */
  valueSize: Uint32Array;
  /** A number that the task gave the newest version's value, such as its kind; 0 for none. */
  label: Uint16Array;
  /** Versions (tombstones included) and bytes of keys and values of all of them. */
  versions: Uint32Array;
  bytes: Float64Array;
}

/** What an index holds of each key, the widest first. */
export const INDEX_COLUMNS = [
  "main",
  "sub",
  "bytes",
  "page",
  "valueSize",
  "versions",
  "item",
  "label",
  "tombstone",
] as const satisfies readonly (keyof KeyIndex)[];

/** An empty index with space for about `expected` keys. `seed` makes the hash unpredictable to whoever made the file. */
export function createKeyIndex(seed: number, expected = 0): KeyIndex {
  const capacity = reservedEntries(expected);
  return {
    ...createKeyTable(seed, expected),
    main: new Float64Array(capacity),
    sub: new Float64Array(capacity),
    tombstone: new Uint8Array(capacity),
    page: new Uint32Array(capacity),
    item: new Uint16Array(capacity),
    valueSize: new Uint32Array(capacity),
    label: new Uint16Array(capacity),
    versions: new Uint32Array(capacity),
    bytes: new Float64Array(capacity),
  };
}

/** The entry of the key `bytes[start, end)`, added where it is new (then `versions` is 0). */
export function findOrAddEntry(index: KeyIndex, bytes: Uint8Array, start: number, end: number): number {
  const entry = findOrAdd(index, bytes, start, end);
  if (entry >= index.main.length) resizeColumns(index, index.main.length * 2);
  return entry;
}

/** Whether revision `main`/`sub` is newer than what entry `i` holds. */
export function isNewer(index: KeyIndex, i: number, main: number, sub: number): boolean {
  return index.versions[i] === 0 || main > index.main[i]! || (main === index.main[i] && sub > index.sub[i]!);
}

/** Takes the entries of `other` in, which has the same seed: what a second thread found in its part of the file. */
export function mergeIndex(
  index: KeyIndex,
  other: KeyIndex,
  labelOf: (label: number) => number = (label) => label,
): void {
  const entries = addKeysOf(index, other);
  if (index.count > index.main.length) resizeColumns(index, index.count);
  for (let i = 0; i < other.count; i++) {
    const entry = entries[i]!;
    if (isNewer(index, entry, other.main[i]!, other.sub[i]!)) {
      index.main[entry] = other.main[i]!;
      index.sub[entry] = other.sub[i]!;
      index.tombstone[entry] = other.tombstone[i]!;
      index.page[entry] = other.page[i]!;
      index.item[entry] = other.item[i]!;
      index.valueSize[entry] = other.valueSize[i]!;
      // A tombstone says nothing of what it deleted: the label of an older version stays.
      if (other.label[i] !== 0) index.label[entry] = labelOf(other.label[i]!);
    } else if (index.label[entry] === 0) index.label[entry] = labelOf(other.label[i]!);
    index.versions[entry]! += other.versions[i]!;
    index.bytes[entry]! += other.bytes[i]!;
  }
}

/** The live entries in key order. */
export function sortedEntries(index: KeyIndex): Uint32Array {
  const order = new Uint32Array(index.count);
  let count = 0;
  for (let i = 0; i < index.count; i++) if (index.tombstone[i] === 0) order[count++] = i;
  return sortByKey(index, order.subarray(0, count));
}

/** Frees the memory of an index at once, and not when it is collected. It is not to be used any more. */
export function freeIndex(index: KeyIndex): void {
  for (const name of [...INDEX_COLUMNS, "keys", "keyEnds", "hashes", "slots"] as const)
    (index[name].buffer as ArrayBuffer).transfer(0);
}

function resizeColumns(index: KeyIndex, size: number): void {
  index.main = grown(index.main, new Float64Array(size));
  index.sub = grown(index.sub, new Float64Array(size));
  index.tombstone = grown(index.tombstone, new Uint8Array(size));
  index.page = grown(index.page, new Uint32Array(size));
  index.item = grown(index.item, new Uint16Array(size));
  index.valueSize = grown(index.valueSize, new Uint32Array(size));
  index.label = grown(index.label, new Uint16Array(size));
  index.versions = grown(index.versions, new Uint32Array(size));
  index.bytes = grown(index.bytes, new Float64Array(size));
}
