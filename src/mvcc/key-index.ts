/**
 * The newest version of each key, at the newest revision or an earlier one: etcd's tree index, rebuilt from the file in any order of its leaves. Columns in typed arrays
 * (about 60 bytes a key, and the key), an open-addressing hash over them: a million keys take 0.1 GB, and threads hand their part over without copying.
 */

export interface KeyIndex {
  count: number;
  /** The keys one after the other, and where each ends. */
  keys: Uint8Array;
  keyEnds: Float64Array;
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
  /** The hash of each key. */
  hashes: Uint32Array;
  /** 1 + the entry, by hash; 0 is free. */
  slots: Uint32Array;
  seed: number;
}

const MOST_RESERVED = 1 << 20;
/** What a key of Kubernetes' takes, about. */
const KEY_BYTES = 60;

/** An empty index with room for about `expected` keys. `seed` makes the hash unpredictable to whoever made the file. */
export function createKeyIndex(seed: number, expected = 0): KeyIndex {
  const capacity = Math.max(1024, Math.min(expected, MOST_RESERVED));
  return {
    count: 0,
    keys: new Uint8Array(capacity * KEY_BYTES),
    keyEnds: new Float64Array(capacity),
    main: new Float64Array(capacity),
    sub: new Float64Array(capacity),
    tombstone: new Uint8Array(capacity),
    page: new Uint32Array(capacity),
    item: new Uint16Array(capacity),
    valueSize: new Uint32Array(capacity),
    label: new Uint16Array(capacity),
    versions: new Uint32Array(capacity),
    bytes: new Float64Array(capacity),
    hashes: new Uint32Array(capacity),
    slots: new Uint32Array(2 ** Math.ceil(Math.log2(capacity * 2 + 2))),
    seed,
  };
}

/** The entry of the key `bytes[start, end)`, added where it is new (then `versions` is 0). */
export function findOrAdd(index: KeyIndex, bytes: Uint8Array, start: number, end: number): number {
  return findOrAddHashed(index, bytes, start, end, hashKey(bytes, start, end, index.seed));
}

function findOrAddHashed(index: KeyIndex, bytes: Uint8Array, start: number, end: number, hash: number): number {
  const { slots, hashes } = index;
  const mask = slots.length - 1;
  let slot = hash & mask;
  for (let entry = slots[slot]!; entry !== 0; entry = slots[slot]!) {
    if (hashes[entry - 1] === hash && sameKey(index, entry - 1, bytes, start, end)) return entry - 1;
    slot = (slot + 1) & mask;
  }
  const added = addKey(index, bytes, start, end);
  index.hashes[added] = hash;
  slots[slot] = added + 1;
  if (index.count * 2 > slots.length) rehash(index);
  return added;
}

/** The entry of a key, or -1. */
export function findKey(index: KeyIndex, key: Uint8Array): number {
  const mask = index.slots.length - 1;
  let slot = hashKey(key, 0, key.length, index.seed) & mask;
  for (let entry = index.slots[slot]!; entry !== 0; entry = index.slots[slot]!) {
    if (sameKey(index, entry - 1, key, 0, key.length)) return entry - 1;
    slot = (slot + 1) & mask;
  }
  return -1;
}

/** Whether revision `main`/`sub` is newer than what entry `i` holds. */
export function isNewer(index: KeyIndex, i: number, main: number, sub: number): boolean {
  return index.versions[i] === 0 || main > index.main[i]! || (main === index.main[i] && sub > index.sub[i]!);
}

/** The key of entry `i`: a view. */
export function keyOf(index: KeyIndex, i: number): Uint8Array {
  return index.keys.subarray(keyStart(index, i), index.keyEnds[i]);
}

function keyStart(index: KeyIndex, i: number): number {
  return i === 0 ? 0 : index.keyEnds[i - 1]!;
}

/** Takes the entries of `other` in, which has the same seed: what a second thread found in its part of the file. */
export function mergeIndex(
  index: KeyIndex,
  other: KeyIndex,
  labelOf: (label: number) => number = (label) => label,
): void {
  reserve(index, index.count + other.count, keyStart(index, index.count) + keyStart(other, other.count));
  for (let i = 0; i < other.count; i++) {
    const entry = findOrAddHashed(index, other.keys, keyStart(other, i), other.keyEnds[i]!, other.hashes[i]!);
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
export function sortedEntries(index: KeyIndex, includeDeleted = false): Uint32Array {
  const order = new Uint32Array(index.count);
  let count = 0;
  for (let i = 0; i < index.count; i++) if (includeDeleted || index.tombstone[i] === 0) order[count++] = i;
  return order.subarray(0, count).sort((a, b) => compareKeys(index, a, b));
}

function compareKeys(index: KeyIndex, a: number, b: number): number {
  const { keys } = index;
  const aStart = keyStart(index, a);
  const bStart = keyStart(index, b);
  const aSize = index.keyEnds[a]! - aStart;
  const bSize = index.keyEnds[b]! - bStart;
  const size = Math.min(aSize, bSize);
  for (let i = 0; i < size; i++) {
    const difference = keys[aStart + i]! - keys[bStart + i]!;
    if (difference !== 0) return difference;
  }
  return aSize - bSize;
}

function hashKey(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = seed | 0;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}

function sameKey(index: KeyIndex, i: number, bytes: Uint8Array, start: number, end: number): boolean {
  const from = keyStart(index, i);
  const size = end - start;
  if (index.keyEnds[i]! - from !== size) return false;
  // From the end: keys of one kind share their beginnings.
  for (let at = size - 1; at >= 0; at--) if (index.keys[from + at] !== bytes[start + at]) return false;
  return true;
}

function addKey(index: KeyIndex, bytes: Uint8Array, start: number, end: number): number {
  const entry = index.count;
  if (entry === index.main.length) growColumns(index);
  const from = keyStart(index, entry);
  const to = from + (end - start);
  if (to > index.keys.length) index.keys = grown(index.keys, new Uint8Array(Math.ceil(to * 1.5)));
  for (let i = start; i < end; i++) index.keys[from + i - start] = bytes[i]!;
  index.keyEnds[entry] = to;
  index.count += 1;
  return entry;
}

function growColumns(index: KeyIndex): void {
  resizeColumns(index, index.main.length * 2);
}

/** Makes room for exactly so many entries and bytes of keys, where there is less. */
function reserve(index: KeyIndex, entries: number, keyBytes: number): void {
  if (entries > index.main.length) resizeColumns(index, entries);
  if (keyBytes > index.keys.length) index.keys = grown(index.keys, new Uint8Array(keyBytes));
  while (entries * 2 > index.slots.length) rehash(index);
}

function resizeColumns(index: KeyIndex, size: number): void {
  index.hashes = grown(index.hashes, new Uint32Array(size));
  index.keyEnds = grown(index.keyEnds, new Float64Array(size));
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

function grown<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}

function rehash(index: KeyIndex): void {
  const slots = new Uint32Array(index.slots.length * 2);
  const mask = slots.length - 1;
  for (let i = 0; i < index.count; i++) {
    let slot = index.hashes[i]! & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = i + 1;
  }
  index.slots = slots;
}
