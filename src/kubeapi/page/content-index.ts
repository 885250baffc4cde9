/**
 * Which blocks of objects may hold a text. Each block of neighbouring keys has a filter: bits for every four and every
 * six bytes in a row that any revision of its objects holds (a Bloom filter of n-grams). A search passes over the
 * blocks whose filter lacks a bit of the wanted text and reads the others, so that a text that few objects hold is
 * found among gigabytes without reading them. The filters take 3 % of the values' size, 64 MB at most.
 */

/** Bytes of each filter. A power of two. */
export const FILTER_BYTES = 8 * 1024;
const FILTER_MASK = FILTER_BYTES * 8 - 1;
const MOST_BLOCKS = 8192;
/** Bytes of values in a block, unless that makes too many blocks. */
const BLOCK_BYTES = 256 * 1024;

export interface ContentIndex {
  /** Whether the object with this key may hold the text, at any revision. */
  mayHold(key: number, text: Uint8Array): boolean;
  /** The first key behind the block of this key. */
  blockEnd(key: number): number;
  /** How much of the index is there, up to 1; until then it excludes nothing. */
  progress(): number;
}

/** The first key behind each block. `sizeOf`: bytes of all revisions of a key. */
export function planBlocks(keyCount: number, sizeOf: (key: number) => number): Uint32Array {
  let total = 0;
  for (let key = 0; key < keyCount; key++) total += sizeOf(key);
  const target = Math.max(BLOCK_BYTES, total / (MOST_BLOCKS - 1));
  const ends: number[] = [];
  let size = 0;
  for (let key = 0; key < keyCount; key++) {
    size += sizeOf(key);
    if (size < target && key < keyCount - 1) continue;
    ends.push(key + 1);
    size = 0;
  }
  return Uint32Array.from(ends);
}

/** The block of a key. */
export function blockOf(ends: Uint32Array, key: number): number {
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ends[middle]! <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Sets the bits of all that `bytes` hold in the filter that begins at `at`. */
export function addContents(filters: Uint8Array, at: number, bytes: Uint8Array): void {
  let four = 0;
  let before = 0;
  for (let i = 0; i < bytes.length; i++) {
    before = ((before << 8) | (four >>> 24)) & 0xffff;
    four = (four << 8) | bytes[i]!;
    if (i < 3) continue;
    const short = shortBit(four);
    filters[at + (short >>> 3)]! |= 1 << (short & 7);
    if (i < 5) continue;
    const long = longBit(four, before);
    filters[at + (long >>> 3)]! |= 1 << (long & 7);
  }
}

/** Whether the filter that begins at `at` has every bit of the text. Texts of less than four bytes may be anywhere. */
export function mayContain(filters: Uint8Array, at: number, text: Uint8Array): boolean {
  let four = 0;
  let before = 0;
  for (let i = 0; i < text.length; i++) {
    before = ((before << 8) | (four >>> 24)) & 0xffff;
    four = (four << 8) | text[i]!;
    if (i < 3) continue;
    const short = shortBit(four);
    if ((filters[at + (short >>> 3)]! & (1 << (short & 7))) === 0) return false;
    if (i < 5) continue;
    const long = longBit(four, before);
    if ((filters[at + (long >>> 3)]! & (1 << (long & 7))) === 0) return false;
  }
  return true;
}

function shortBit(four: number): number {
  const hash = Math.imul(four, 0x9e3779b1);
  return (hash ^ (hash >>> 15)) & FILTER_MASK;
}

function longBit(four: number, before: number): number {
  const hash = Math.imul(four ^ Math.imul(before, 0x85ebca6b), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) & FILTER_MASK;
}
