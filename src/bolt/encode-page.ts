/**
 * Writes the fixed parts of bbolt pages: the 16-byte header, the elements of leaf and branch pages, and the meta pages. All numbers are
 * little-endian, as bbolt writes them on every machine that etcd supports. Source of the layout: bbolt, `internal/common/page.go` and
 * `meta.go`.
 */
import { invariant } from "../errors.ts";
import { BOLT_MAGIC, BOLT_VERSION, fnv1a64 } from "./meta.ts";
import { PAGE_HEADER_SIZE } from "./page.ts";

export const LEAF_ELEMENT_SIZE = 16;
export const BRANCH_ELEMENT_SIZE = 16;
/** A bucket as a leaf value: root page (8 bytes) and sequence (8 bytes); an inline bucket's page follows it. */
export const BUCKET_HEADER_SIZE = 16;

export const BRANCH_PAGE_FLAG = 0x01;
export const LEAF_PAGE_FLAG = 0x02;
export const META_PAGE_FLAG = 0x04;
export const FREELIST_PAGE_FLAG = 0x10;
/** On a leaf element: its value is a bucket. */
export const BUCKET_LEAF_FLAG = 0x01;

const ALL_ONES = 0xffff_ffff_ffff_ffffn;

export interface PageHeader {
  readonly id: number;
  readonly flags: number;
  /** Elements on the page. */
  readonly count: number;
  /** Pages after this one that belong to it. */
  readonly overflow: number;
}

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

export interface MetaFields {
  readonly pageSize: number;
  readonly rootPage: number;
  readonly rootSequence: bigint;
  /** The freelist's page, or undefined for none: etcd writes none and rebuilds it when it opens the file. */
  readonly freelistPage: number | undefined;
  /** One past the last page in use. */
  readonly highWaterMark: number;
  readonly transaction: bigint;
}

/**
 * A meta page of `pageSize` bytes. bbolt commits an even transaction to page 0 and an odd one to page 1, but its backups (`Tx.WriteTo`) put the
 * newest on page 0 whatever its number.
 */
export function encodeMetaPage(page: 0 | 1, meta: MetaFields): Uint8Array {
  const bytes = new Uint8Array(meta.pageSize);
  const view = new DataView(bytes.buffer);
  encodePageHeader(view, 0, { id: page, flags: META_PAGE_FLAG, count: 0, overflow: 0 });
  view.setUint32(16, BOLT_MAGIC, true);
  view.setUint32(20, BOLT_VERSION, true);
  view.setUint32(24, meta.pageSize, true);
  view.setUint32(28, 0, true);
  view.setBigUint64(32, BigInt(meta.rootPage), true);
  view.setBigUint64(40, meta.rootSequence, true);
  view.setBigUint64(48, meta.freelistPage === undefined ? ALL_ONES : BigInt(meta.freelistPage), true);
  view.setBigUint64(56, BigInt(meta.highWaterMark), true);
  view.setBigUint64(64, meta.transaction, true);
  view.setBigUint64(72, fnv1a64(bytes.subarray(PAGE_HEADER_SIZE, PAGE_HEADER_SIZE + 56)), true);
  return bytes;
}
