/**
 * The hash that etcdutl prints: CRC-32C over every bucket's name and every key and value, in key order. A CRC of parts
 * can be joined to the CRC of the whole, so each leaf is hashed by itself, in any order and by any thread, and the
 * parts are joined in key order at the end.
 */

import type { Entry } from "../bolt/bucket.ts";
import { elementAt, type Page } from "../bolt/page.ts";
import { crc32c } from "../checksum/crc32c.ts";
import { defined } from "../errors/defined.ts";

/** One part a leaf, by its position in key order; in shared memory, so that threads fill one result. */
export interface LeafHashes {
  readonly crc: Uint32Array;
  readonly size: Float64Array;
  readonly entries: Uint32Array;
}

export function createLeafHashes(leaves: number): LeafHashes {
  return {
    crc: new Uint32Array(new SharedArrayBuffer(leaves * 4)),
    size: new Float64Array(new SharedArrayBuffer(leaves * 8)),
    entries: new Uint32Array(new SharedArrayBuffer(leaves * 4)),
  };
}

/** Whether an entry counts whose key begins at that offset of the page. */
export type EntryFilter = (page: Page, keyStart: number, keySize: number) => boolean;

/**
 * Hashes the keys and values of one leaf, all of them or those that count. bbolt writes them one behind the other, so
 * that mostly a single call covers the page.
 */
export function hashLeaf(hashes: LeafHashes, page: Page, position: number, counts?: EntryFilter): void {
  const { view, bytes, count } = page;
  let crc = 0;
  let size = 0;
  let runStart = 0;
  let runEnd = 0;
  for (let i = 0; i < count; i++) {
    const at = elementAt(page, i);
    const start = at + view.getUint32(at + 4, true);
    const keySize = view.getUint32(at + 8, true);
    const end = start + keySize + view.getUint32(at + 12, true);
    if (counts !== undefined && !counts(page, start, keySize)) continue;
    if (start !== runEnd) {
      if (runEnd > runStart) crc = crc32c(bytes.subarray(runStart, runEnd), crc);
      runStart = start;
    }
    runEnd = end;
    size += end - start;
  }
  if (runEnd > runStart) crc = crc32c(bytes.subarray(runStart, runEnd), crc);
  hashes.crc[position] = crc;
  hashes.size[position] = size;
  hashes.entries[position] = count;
}

/** A running CRC-32C to which bytes and hashed parts are appended. */
export interface RunningHash {
  crc: number;
}

export function appendBytes(hash: RunningHash, bytes: Uint8Array): void {
  hash.crc = crc32c(bytes, hash.crc);
}

export function appendEntry(hash: RunningHash, entry: Pick<Entry, "key" | "value">): void {
  appendBytes(hash, entry.key);
  appendBytes(hash, entry.value);
}

/** Appends leaves `[from, to)`. */
export function appendLeaves(hash: RunningHash, hashes: LeafHashes, from: number, to: number): void {
  for (let i = from; i < to; i++) hash.crc = joinCrc(hash.crc, defined(hashes.crc[i]), defined(hashes.size[i]));
}

/** CRC-32C's polynomial 0x1edc6f41, bits reversed. */
const POLYNOMIAL = 0x82f63b78;

/** Products of polynomials modulo CRC-32C's, bits reversed: bit 31 is the constant term. */
function multiply(a: number, b: number): number {
  let product = 0;
  let factor = b;
  for (let bit = 31; bit >= 0; bit--) {
    if ((a >>> bit) & 1) product ^= factor;
    factor = factor & 1 ? (factor >>> 1) ^ POLYNOMIAL : factor >>> 1;
  }
  return product >>> 0;
}

/** x^(8 * 2^k) for each k: squares of one another. */
const BYTE_POWERS: readonly number[] = (() => {
  const powers = [0x00800000];
  for (let k = 1; k < 48; k++) powers.push(multiply(defined(powers[k - 1]), defined(powers[k - 1])));
  return powers;
})();

/** For the first sizes that are met, {@link multiply} by their shift as a table, four bits of the other factor a step. */
const shiftsBySize = new Map<number, Uint32Array>();
const MOST_KEPT_SHIFTS = 8192;
const NIBBLES = 8;

/** x^(8 * size): what appending `size` bytes does to a CRC. */
function shiftOf(size: number): number {
  let shift = 0x80000000; // x^0
  for (let k = 0, rest = size; rest > 0; k++, rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) shift = multiply(shift, defined(BYTE_POWERS[k]));
  }
  return shift;
}

/** The shift of a size times each nibble at each place. Leaves have few different sizes, so the results are kept. */
function shiftsOf(size: number): Uint32Array | undefined {
  const known = shiftsBySize.get(size);
  if (known !== undefined || shiftsBySize.size === MOST_KEPT_SHIFTS) return known;
  const shift = shiftOf(size);
  const products = new Uint32Array(NIBBLES * 16);
  for (let i = 0; i < products.length; i++) products[i] = multiply((i & 15) << (4 * (i >>> 4)), shift);
  shiftsBySize.set(size, products);
  return products;
}

/** The CRC of A followed by B, from their CRCs and the size of B in bytes. */
export function joinCrc(crcA: number, crcB: number, sizeB: number): number {
  const products = shiftsOf(sizeB);
  if (products === undefined) return (multiply(crcA, shiftOf(sizeB)) ^ crcB) >>> 0;
  let crc = crcB;
  for (let place = 0, rest = crcA; place < NIBBLES * 16; place += 16, rest >>>= 4)
    crc ^= defined(products[place + (rest & 15)]);
  return crc >>> 0;
}
