/**
 * The set of keys of a keyspace, each with a number in the order in which it was found: the bytes one after the other,
 * and an open-addressing hash over them. About 20 bytes a key and the key itself; threads hand their part over without
 * copying.
 */

export interface KeyTable {
  count: number;
  /** The keys one after the other, and where each ends. */
  keys: Uint8Array;
  keyEnds: Float64Array;
  /** The hash of each key. */
  hashes: Uint32Array;
  /** 1 + the entry, by hash; 0 is free. */
  slots: Uint32Array;
  seed: number;
}

const MOST_RESERVED = 1 << 20;
/** What a key of Kubernetes' takes, about. */
const KEY_BYTES = 60;

/** Entries to reserve where about `expected` keys are expected. */
export function reservedEntries(expected: number): number {
  return Math.max(1024, Math.min(expected, MOST_RESERVED));
}

/** An empty table with space for about `expected` keys. `seed` makes the hash unpredictable to whoever made the file. */
export function createKeyTable(seed: number, expected = 0): KeyTable {
  const capacity = reservedEntries(expected);
  return {
    count: 0,
    keys: new Uint8Array(capacity * KEY_BYTES),
    keyEnds: new Float64Array(capacity),
    hashes: new Uint32Array(capacity),
    slots: new Uint32Array(2 ** Math.ceil(Math.log2(capacity * 2 + 2))),
    seed,
  };
}

/** The entry of the key `bytes[start, end)`, added where it is new. */
export function findOrAdd(table: KeyTable, bytes: Uint8Array, start: number, end: number): number {
  return findOrAddHashed(table, bytes, start, end, hashKey(bytes, start, end, table.seed));
}

function findOrAddHashed(table: KeyTable, bytes: Uint8Array, start: number, end: number, hash: number): number {
  const { slots, hashes } = table;
  const mask = slots.length - 1;
  let slot = hash & mask;
  for (let entry = slots[slot]!; entry !== 0; entry = slots[slot]!) {
    if (hashes[entry - 1] === hash && sameKey(table, entry - 1, bytes, start, end)) return entry - 1;
    slot = (slot + 1) & mask;
  }
  const added = addKey(table, bytes, start, end);
  table.hashes[added] = hash;
  slots[slot] = added + 1;
  if (table.count * 2 > slots.length) rehash(table);
  return added;
}

/** The entry of a key, or -1. */
export function findKey(table: KeyTable, key: Uint8Array): number {
  const mask = table.slots.length - 1;
  let slot = hashKey(key, 0, key.length, table.seed) & mask;
  for (let entry = table.slots[slot]!; entry !== 0; entry = table.slots[slot]!) {
    if (sameKey(table, entry - 1, key, 0, key.length)) return entry - 1;
    slot = (slot + 1) & mask;
  }
  return -1;
}

/** The key of entry `i`: a view. */
export function keyOf(table: KeyTable, i: number): Uint8Array {
  return table.keys.subarray(keyStart(table, i), table.keyEnds[i]);
}

/** Where the key of entry `i` begins in `keys`. */
export function keyStart(table: KeyTable, i: number): number {
  return i === 0 ? 0 : table.keyEnds[i - 1]!;
}

/**
 * Adds the keys of `other`, which has the same seed: what a second thread found in its part of the file. Returns the
 * entry of each of them.
 */
export function addKeysOf(table: KeyTable, other: KeyTable): Uint32Array {
  reserve(table, table.count + other.count, keyStart(table, table.count) + keyStart(other, other.count));
  const entries = new Uint32Array(other.count);
  for (let i = 0, start = 0; i < other.count; i++) {
    const end = other.keyEnds[i]!;
    entries[i] = findOrAddHashed(table, other.keys, start, end, other.hashes[i]!);
    start = end;
  }
  return entries;
}

function hashKey(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = seed | 0;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}

function sameKey(table: KeyTable, i: number, bytes: Uint8Array, start: number, end: number): boolean {
  const from = keyStart(table, i);
  const size = end - start;
  if (table.keyEnds[i]! - from !== size) return false;
  // From the end: keys of one kind share their beginnings.
  for (let at = size - 1; at >= 0; at--) if (table.keys[from + at] !== bytes[start + at]) return false;
  return true;
}

function addKey(table: KeyTable, bytes: Uint8Array, start: number, end: number): number {
  const entry = table.count;
  if (entry === table.keyEnds.length) resize(table, entry * 2);
  const from = keyStart(table, entry);
  const to = from + (end - start);
  if (to > table.keys.length) table.keys = grown(table.keys, new Uint8Array(Math.ceil(to * 1.5)));
  const { keys } = table;
  for (let i = start; i < end; i++) keys[from + i - start] = bytes[i]!;
  table.keyEnds[entry] = to;
  table.count += 1;
  return entry;
}

/** Makes space for so many entries and bytes of keys, where there is less. */
function reserve(table: KeyTable, entries: number, keyBytes: number): void {
  if (entries > table.keyEnds.length) resize(table, entries);
  if (keyBytes > table.keys.length) table.keys = grown(table.keys, new Uint8Array(keyBytes));
  if (entries * 2 > table.slots.length) rehash(table, 2 ** Math.ceil(Math.log2(entries * 2)));
}

function resize(table: KeyTable, size: number): void {
  table.hashes = grown(table.hashes, new Uint32Array(size));
  table.keyEnds = grown(table.keyEnds, new Float64Array(size));
}

/** `to`, with what `from` holds at its beginning. */
export function grown<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}

function rehash(table: KeyTable, size = table.slots.length * 2): void {
  const slots = new Uint32Array(size);
  const mask = slots.length - 1;
  for (let i = 0; i < table.count; i++) {
    let slot = table.hashes[i]! & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = i + 1;
  }
  table.slots = slots;
}
