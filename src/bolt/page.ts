/**
 * bolt: a bbolt file as bytes in, leaves out. This file decodes page headers and the elements of branch and leaf pages;
 * `meta.ts` the two meta pages, `bolt.ts` opens a file, `tree.ts` walks a bucket's pages, `sweep.ts` reads many leaves
 * in file order, `check.ts` reports every finding.
 *
 * Format (go.etcd.io/bbolt internal/common): little-endian integers as written on amd64 and arm64. A page is `id u64,
 * flags u16, count u16, overflow u32`, then its elements, then the bytes they point to; an overflow of n means that n
 * more pages of the same size continue it. A branch element is `pos u32, ksize u32, pgid u64`, a leaf element `flags
 * u32, pos u32, ksize u32, vsize u32`; `pos` counts from the start of the element itself.
 */

import { invariant } from "../errors/errors.ts";

export const PAGE_HEADER_SIZE = 16;
export const ELEMENT_SIZE = 16;
/** A bucket as a leaf value: root page and sequence; an inline bucket's page follows it. */
export const BUCKET_HEADER_SIZE = 16;
/** Bit in a leaf element's flags: the value is a bucket header. */
export const BUCKET_ELEMENT = 0x01;
/** bbolt's limit for a key, in bytes; a larger one is damage. */
export const MAX_KEY_SIZE = 32768;

export const PageFlag = { branch: 0x01, leaf: 0x02, meta: 0x04, freelist: 0x10 } as const;

const FLAG_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(PageFlag).map(([name, bit]) => [bit, name]));

/** The word for a page's flags: `leaf`, or the number where it is not exactly one known flag. */
export function pageTypeName(flags: number): string {
  return FLAG_NAMES.get(flags) ?? `unknown (flags 0x${flags.toString(16)})`;
}

/** Reads an unsigned 64-bit integer. Beyond 2^53 the number is approximate, which is enough to see that it is out of range. */
export function readU64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}

export interface PageHeader {
  readonly id: number;
  readonly flags: number;
  /** Elements on the page. */
  readonly count: number;
  /** Pages after this one that belong to it. */
  readonly overflow: number;
}

/** Decodes the 16 bytes at `at`; the caller has checked that they are there. */
export function decodePageHeader(view: DataView, at: number): PageHeader {
  return {
    id: readU64(view, at),
    flags: view.getUint16(at + 8, true),
    count: view.getUint16(at + 10, true),
    overflow: view.getUint32(at + 12, true),
  };
}

/** The inverse of {@link decodePageHeader}. */
export function encodePageHeader(view: DataView, at: number, header: PageHeader): void {
  invariant(header.count <= 0xffff, `a page holds at most 65535 elements, not ${header.count}`);
  view.setBigUint64(at, BigInt(header.id), true);
  view.setUint16(at + 8, header.flags, true);
  view.setUint16(at + 10, header.count, true);
  view.setUint32(at + 12, header.overflow, true);
}

/** `position` is that of the key, counted from the start of the element; the value follows the key. */
export function encodeLeafElement(
  view: DataView,
  at: number,
  flags: number,
  position: number,
  keySize: number,
  valueSize: number,
): void {
  view.setUint32(at, flags, true);
  view.setUint32(at + 4, position, true);
  view.setUint32(at + 8, keySize, true);
  view.setUint32(at + 12, valueSize, true);
}

/** `position` is that of the key, counted from the start of the element. */
export function encodeBranchElement(
  view: DataView,
  at: number,
  position: number,
  keySize: number,
  child: number,
): void {
  view.setUint32(at, position, true);
  view.setUint32(at + 4, keySize, true);
  view.setBigUint64(at + 8, BigInt(child), true);
}

/**
 * A branch or leaf page in memory. Its bytes may lie inside a larger buffer that is reused for the next page: whoever
 * wants to keep a key or a value copies it.
 */
export interface Page {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where the page begins in `bytes`. */
  readonly start: number;
  /** Where the page ends in `bytes`, overflow included. */
  readonly end: number;
  readonly count: number;
}

export function makePage(id: number, bytes: Uint8Array, start: number, end: number, count: number): Page {
  return { id, bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), start, end, count };
}

/** Where element `index` of a page begins in `page.bytes`. */
export function elementAt(page: Page, index: number): number {
  return page.start + PAGE_HEADER_SIZE + index * ELEMENT_SIZE;
}

/** The key of a branch element. The bounds were checked by {@link checkBranch}. */
export function branchKey(page: Page, index: number): Uint8Array {
  const at = elementAt(page, index);
  const from = at + page.view.getUint32(at, true);
  return page.bytes.subarray(from, from + page.view.getUint32(at + 4, true));
}

export function branchChild(page: Page, index: number): number {
  return readU64(page.view, elementAt(page, index) + 8);
}

export function leafFlags(page: Page, index: number): number {
  return page.view.getUint32(elementAt(page, index), true);
}

/** The key of a leaf element. The bounds were checked by {@link checkLeaf}. */
export function leafKey(page: Page, index: number): Uint8Array {
  const at = elementAt(page, index);
  const from = at + page.view.getUint32(at + 4, true);
  return page.bytes.subarray(from, from + page.view.getUint32(at + 8, true));
}

export function leafValue(page: Page, index: number): Uint8Array {
  const at = elementAt(page, index);
  const from = at + page.view.getUint32(at + 4, true) + page.view.getUint32(at + 8, true);
  return page.bytes.subarray(from, from + page.view.getUint32(at + 12, true));
}

/** Compares bytes as bbolt does; negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return compareRanges(a, 0, a.length, b, 0, b.length);
}

/** Compares `a[aStart, aEnd)` with `b[bStart, bEnd)`. */
export function compareRanges(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const length = Math.min(aEnd - aStart, bEnd - bStart);
  for (let i = 0; i < length; i++) {
    const difference = a[aStart + i]! - b[bStart + i]!;
    if (difference !== 0) return difference;
  }
  return aEnd - aStart - (bEnd - bStart);
}

/** What is wrong with the elements of a page, as a sentence, or undefined. `code` is the finding's. */
export interface PageFault {
  readonly code: "page-out-of-bounds" | "key-order" | "page-flags";
  readonly item: number;
  readonly text: string;
}

/**
 * Checks that every element of a leaf lies inside the page and that keys ascend. Returns the first fault, or undefined.
 * Until this has passed, no key or value of the page may be looked at.
 */
export function checkLeaf(page: Page): PageFault | undefined {
  const { view, count, end } = page;
  const dataStart = elementAt(page, count);
  if (dataStart > end) return outOfBounds(0, `${count} elements do not fit its ${end - page.start} bytes`);
  let previous = 0;
  let previousEnd = 0;
  for (let i = 0; i < count; i++) {
    const at = elementAt(page, i);
    const flags = view.getUint32(at, true);
    const key = at + view.getUint32(at + 4, true);
    const keySize = view.getUint32(at + 8, true);
    const valueEnd = key + keySize + view.getUint32(at + 12, true);
    if (key < dataStart || keySize > MAX_KEY_SIZE || valueEnd > end) {
      return outOfBounds(i, `key and value reach to byte ${valueEnd - page.start} of ${end - page.start}`);
    }
    if (flags > BUCKET_ELEMENT)
      return { code: "page-flags", item: i, text: `unknown element flags 0x${flags.toString(16)}` };
    if (i > 0 && compareRanges(page.bytes, previous, previousEnd, page.bytes, key, key + keySize) >= 0) {
      return { code: "key-order", item: i, text: "key is not above the one before it" };
    }
    previous = key;
    previousEnd = key + keySize;
  }
  return undefined;
}

/** The same for a branch page; keys of a branch ascend too. */
export function checkBranch(page: Page): PageFault | undefined {
  const { view, count, end } = page;
  const dataStart = elementAt(page, count);
  if (dataStart > end) return outOfBounds(0, `${count} elements do not fit its ${end - page.start} bytes`);
  if (count === 0) return outOfBounds(0, "a branch page without elements");
  let previous = 0;
  let previousEnd = 0;
  for (let i = 0; i < count; i++) {
    const at = elementAt(page, i);
    const key = at + view.getUint32(at, true);
    const keySize = view.getUint32(at + 4, true);
    if (key < dataStart || keySize > MAX_KEY_SIZE || key + keySize > end) {
      return outOfBounds(i, `key reaches to byte ${key + keySize - page.start} of ${end - page.start}`);
    }
    if (i > 0 && compareRanges(page.bytes, previous, previousEnd, page.bytes, key, key + keySize) >= 0) {
      return { code: "key-order", item: i, text: "key is not above the one before it" };
    }
    previous = key;
    previousEnd = key + keySize;
  }
  return undefined;
}

function outOfBounds(item: number, text: string): PageFault {
  return { code: "page-out-of-bounds", item, text };
}
