/**
 * The two meta pages of a bbolt file (pages 0 and 1). bbolt writes them in turn, so that a crash leaves one valid; the valid one with the
 * higher transaction id counts. After the page header: `magic u32, version u32, pageSize u32, flags u32, root pgid u64, root sequence u64,
 * freelist pgid u64, high-water pgid u64, txid u64, checksum u64`; the checksum is FNV-1a 64 over the 56 bytes before it.
 */
import { encodePageHeader, PAGE_HEADER_SIZE, PageFlag, readU64 } from "./page.ts";

const BOLT_MAGIC = 0xed0cdaed;
const BOLT_VERSION = 2;
export const META_SIZE = 64;
/** In place of the freelist's page where there is none. */
const NO_FREELIST = 0xffff_ffff_ffff_ffffn;
export const MIN_PAGE_SIZE = 1024;
export const MAX_PAGE_SIZE = 65536;
/** Where the 64 bytes of a meta begin in its page. */
export const META_OFFSET = PAGE_HEADER_SIZE;

export interface Meta {
  /** Bytes. */
  readonly pageSize: number;
  readonly flags: number;
  /** Page id of the root bucket. */
  readonly root: number;
  readonly rootSequence: number;
  /** Page id of the freelist, or undefined where the writer keeps none on disk (etcd since 3.4). */
  readonly freelist: number | undefined;
  /** The high-water mark: one past the last page id in use. */
  readonly highWater: number;
  readonly transaction: number;
}

/** A meta, or why it does not count. */
export type MetaReading =
  | { readonly valid: true; readonly meta: Meta }
  | { readonly valid: false; readonly reason: string };

/** Decodes and judges one meta page, given at least its first 80 bytes. */
export function decodeMeta(page: Uint8Array): MetaReading {
  if (page.length < META_OFFSET + META_SIZE) return { valid: false, reason: `only ${page.length} bytes are there` };
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  const magic = view.getUint32(META_OFFSET, true);
  if (magic !== BOLT_MAGIC) {
    if (view.getUint32(META_OFFSET, false) === BOLT_MAGIC)
      return { valid: false, reason: "written on a big-endian machine" };
    return { valid: false, reason: `magic is 0x${hex(magic)} instead of 0x${hex(BOLT_MAGIC)}` };
  }
  const version = view.getUint32(META_OFFSET + 4, true);
  if (version !== BOLT_VERSION) return { valid: false, reason: `version is ${version} instead of ${BOLT_VERSION}` };
  const checksum = view.getBigUint64(META_OFFSET + 56, true);
  const expected = fnv1a64(page.subarray(META_OFFSET, META_OFFSET + 56));
  if (checksum !== expected) {
    return { valid: false, reason: `checksum is ${checksum.toString(16)}, its content gives ${expected.toString(16)}` };
  }
  const flags = view.getUint16(8, true);
  if (flags !== PageFlag.meta) return { valid: false, reason: `page flags are 0x${flags.toString(16)} instead of 0x4` };
  const freelist = view.getBigUint64(META_OFFSET + 32, true);
  const meta: Meta = {
    pageSize: view.getUint32(META_OFFSET + 8, true),
    flags: view.getUint32(META_OFFSET + 12, true),
    root: readU64(view, META_OFFSET + 16),
    rootSequence: readU64(view, META_OFFSET + 24),
    freelist: freelist === NO_FREELIST ? undefined : Number(freelist),
    highWater: readU64(view, META_OFFSET + 40),
    transaction: readU64(view, META_OFFSET + 48),
  };
  const { pageSize, root, highWater } = meta;
  if (pageSize < MIN_PAGE_SIZE || pageSize > MAX_PAGE_SIZE || (pageSize & (pageSize - 1)) !== 0) {
    return {
      valid: false,
      reason: `page size is ${pageSize}, not a power of two from ${MIN_PAGE_SIZE} to ${MAX_PAGE_SIZE}`,
    };
  }
  // Page ids are kept in 32 bits: 2^32 pages of the smallest size are 4 TiB.
  if (highWater > 0xffff_ffff) return { valid: false, reason: `high-water mark ${highWater} is beyond 2^32 pages` };
  if (root < 2 || root >= highWater)
    return { valid: false, reason: `root page ${root} is not below the high-water mark ${highWater}` };
  return { valid: true, meta };
}

/**
 * Encodes a whole meta page, `meta.pageSize` bytes: the inverse of {@link decodeMeta}. bbolt commits an even
 * transaction to page 0 and an odd one to page 1, but its backups (`Tx.WriteTo`) put the newest on page 0 whatever its
 * number.
 */
export function encodeMeta(page: 0 | 1, meta: Meta): Uint8Array {
  const bytes = new Uint8Array(meta.pageSize);
  const view = new DataView(bytes.buffer);
  encodePageHeader(view, 0, { id: page, flags: PageFlag.meta, count: 0, overflow: 0 });
  view.setUint32(META_OFFSET, BOLT_MAGIC, true);
  view.setUint32(META_OFFSET + 4, BOLT_VERSION, true);
  view.setUint32(META_OFFSET + 8, meta.pageSize, true);
  view.setUint32(META_OFFSET + 12, meta.flags, true);
  view.setBigUint64(META_OFFSET + 16, BigInt(meta.root), true);
  view.setBigUint64(META_OFFSET + 24, BigInt(meta.rootSequence), true);
  view.setBigUint64(META_OFFSET + 32, meta.freelist === undefined ? NO_FREELIST : BigInt(meta.freelist), true);
  view.setBigUint64(META_OFFSET + 40, BigInt(meta.highWater), true);
  view.setBigUint64(META_OFFSET + 48, BigInt(meta.transaction), true);
  view.setBigUint64(META_OFFSET + 56, fnv1a64(bytes.subarray(META_OFFSET, META_OFFSET + 56)), true);
  return bytes;
}

/** FNV-1a, 64 bits, as Go's hash/fnv New64a. */
export function fnv1a64(bytes: Uint8Array): bigint {
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (const byte of bytes) hash = ((hash ^ BigInt(byte)) * 0x100_0000_01b3n) & 0xffff_ffff_ffff_ffffn;
  return hash;
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}
