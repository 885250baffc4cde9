/** Opens a bbolt file: both metas judged, the newest valid one used, pages read on demand with their bounds checked first. */
import { MendError } from "../errors/errors.ts";
import type { ByteSource } from "./byte-source.ts";
import { foreignFile } from "./foreign-file.ts";
import {
  decodeMeta,
  MAX_PAGE_SIZE,
  META_OFFSET,
  META_SIZE,
  type Meta,
  type MetaReading,
  MIN_PAGE_SIZE,
} from "./meta.ts";
import { decodePageHeader, makePage, PAGE_HEADER_SIZE, type Page, PageFlag, pageTypeName } from "./page.ts";

/** A page that claims more bytes than this is damage: etcd's largest value is a few megabytes, bbolt's largest page a few values. */
export const MAX_PAGE_BYTES = 256 * 1024 * 1024;

/** 256 GiB of 4 KiB pages. What is kept a page is allocated up front, and a sparse file claims any number at no cost. */
const MOST_PAGES = 1 << 26;

export interface BoltFile {
  readonly source: ByteSource;
  /** The meta that counts. */
  readonly meta: Meta;
  /** What was found in page 0 and page 1. */
  readonly metas: readonly [MetaReading, MetaReading];
  /**
   * How many pages can be read: the high-water mark, or fewer where the file is cut off. What is allocated per page is
   * allocated for these.
   */
  readonly pageCount: number;
}

/**
 * Reads the metas of a bbolt file. Throws `not-a-snapshot` when neither is valid, saying for each why, and for a file
 * that is plainly something else, what.
 */
export function readBolt(source: ByteSource): BoltFile {
  const first = readMeta(source, 0);
  const second = readSecondMeta(source, first);
  const candidates = [first, second].filter((verdict) => verdict.valid).map((verdict) => verdict.meta);
  const newest = candidates.sort((a, b) => b.transaction - a.transaction)[0];
  if (newest === undefined) throw notABolt(source, first, second);
  const pageCount = Math.min(newest.highWater, Math.ceil(source.size / newest.pageSize));
  if (pageCount > MOST_PAGES) {
    throw new MendError(
      "unsupported",
      `the database has ${pageCount} pages, more than the ${MOST_PAGES} that are read`,
      {
        where: source.name,
        hint: "defragment it in a copy first: etcd itself is not made for such sizes",
      },
    );
  }
  return { source, meta: newest, metas: [first, second], pageCount };
}

function readMeta(source: ByteSource, position: number): MetaReading {
  const bytes = new Uint8Array(META_OFFSET + META_SIZE);
  return decodeMeta(bytes.subarray(0, source.read(bytes, position)));
}

/** The second meta is one page on. With a broken first one the page size is unknown, and every possible one is tried, as bbolt does. */
function readSecondMeta(source: ByteSource, first: MetaReading): MetaReading {
  if (first.valid) return readMeta(source, first.meta.pageSize);
  let unread: MetaReading = { valid: false, reason: "no meta at any page size" };
  for (let pageSize = MIN_PAGE_SIZE; pageSize <= MAX_PAGE_SIZE; pageSize *= 2) {
    const verdict = readMeta(source, pageSize);
    if (verdict.valid && verdict.meta.pageSize === pageSize) return verdict;
    if (!verdict.valid && !verdict.reason.startsWith("magic") && !verdict.reason.startsWith("only")) unread = verdict;
  }
  return unread;
}

function notABolt(source: ByteSource, first: MetaReading, second: MetaReading): MendError {
  const where = source.name;
  if (source.size === 0)
    return new MendError("not-a-snapshot", "the file is empty", {
      where,
      hint: "take another snapshot, or check that the copy finished",
    });
  const head = new Uint8Array(4096);
  const got = head.subarray(0, source.read(head, 0));
  const foreign = foreignFile(got);
  if (foreign !== undefined)
    return new MendError("not-a-snapshot", `it is ${foreign.what}, expected an etcd snapshot or database`, {
      where,
      hint: foreign.hint,
    });
  if (source.size < 2 * MIN_PAGE_SIZE) {
    return new MendError("not-a-snapshot", `${source.size} bytes are too few for an etcd snapshot`, {
      where,
      hint: "check that the copy finished",
    });
  }
  const reasons = [first, second]
    .map((verdict, i) => `meta ${i}: ${verdict.valid ? "valid" : verdict.reason}`)
    .join("; ");
  if (got.every((byte) => byte === 0)) {
    return new MendError("not-a-snapshot", "the file begins with zeros instead of an etcd database", {
      where,
      hint: "the disk or the copy lost the file's first pages: use another snapshot",
    });
  }
  if (reasons.includes("big-endian")) {
    return new MendError("not-a-snapshot", `the database was written on a big-endian machine (${reasons})`, {
      where,
      hint: "read it with etcdutl on a machine of that kind",
    });
  }
  return new MendError("not-a-snapshot", `not an etcd snapshot or database: neither meta page is valid (${reasons})`, {
    where,
    hint: "give the file that `etcdctl snapshot save` wrote, or a copy of member/snap/db",
  });
}

/** A page, or what is wrong with it. */
export type PageResult =
  | { readonly page: Page; readonly flags: number; readonly overflow: number }
  | { readonly fault: string; readonly code: "page-out-of-range" | "page-id" | "page-truncated" | "page-too-large" };

/**
 * Reads one page with its overflow, into memory of its own where `memory` gives none for so many bytes. Used for branches
 * and single pages; leaves in bulk are `sweep.ts`'s.
 */
export function readPage(bolt: BoltFile, id: number, memory?: (size: number) => Uint8Array): PageResult {
  const { source, meta } = bolt;
  const { pageSize, highWater } = meta;
  if (id < 2 || id >= highWater)
    return { code: "page-out-of-range", fault: `page ${id} is not below the high-water mark ${highWater}` };
  const first = new Uint8Array(pageSize);
  const got = source.read(first, id * pageSize);
  if (got < PAGE_HEADER_SIZE) return { code: "page-truncated", fault: `page ${id} is beyond the end of the file` };
  const header = decodePageHeader(new DataView(first.buffer), 0);
  if (header.id !== id) return { code: "page-id", fault: `page ${id} calls itself page ${header.id}` };
  if (id + header.overflow >= highWater)
    return {
      code: "page-out-of-range",
      fault: `page ${id} claims ${header.overflow} overflow pages, beyond the high-water mark ${highWater}`,
    };
  const size = (header.overflow + 1) * pageSize;
  if (size > MAX_PAGE_BYTES) return { code: "page-too-large", fault: `page ${id} claims ${size} bytes` };
  if (id * pageSize + size > source.size)
    return { code: "page-truncated", fault: `page ${id} ends beyond the end of the file` };
  let bytes: Uint8Array = first;
  if (header.overflow > 0) {
    bytes = memory?.(size) ?? new Uint8Array(size);
    if (source.read(bytes.subarray(0, size), id * pageSize) < size)
      return { code: "page-truncated", fault: `page ${id} became shorter while it was read` };
  }
  return { page: makePage(id, bytes, 0, size, header.count), flags: header.flags, overflow: header.overflow };
}

/** The word for what a page is where a branch or leaf was expected. */
export function wrongType(id: number, flags: number): string {
  return `page ${id} is a ${pageTypeName(flags)} page where a branch or leaf belongs`;
}

export function isTreePage(flags: number): boolean {
  return flags === PageFlag.branch || flags === PageFlag.leaf;
}
