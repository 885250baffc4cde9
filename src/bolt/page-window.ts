/**
 * Pages by their numbers in any order, read several at a time where the next ones that are wanted lie close behind.
 * Pages are views into memory that the next call uses again.
 */
import { type BoltFile, type PageResult, readPage } from "./bolt.ts";
import { decodePageHeader, PAGE_HEADER_SIZE, type Page } from "./page.ts";

const WINDOW_BYTES = 256 << 10;
/** A page with large values continues in the pages behind it, and is read in one with them. */
const LEAST_PAGES = 4;

/** A page; `until` is the last one that is wanted soon, if it lies behind this one. */
export type PageWindow = (id: number, until: number) => PageResult;

export function openPageWindow(bolt: BoltFile): PageWindow {
  const { source, meta } = bolt;
  const { pageSize, highWater } = meta;
  const bytes = new Uint8Array(Math.max(WINDOW_BYTES, LEAST_PAGES * pageSize));
  const view = new DataView(bytes.buffer);
  let first = 0;
  let size = 0;
  return (id, until) => {
    let start = (id - first) * pageSize;
    if (start < 0 || start + pageSize > size) {
      if (id < 2 || id >= highWater) return readPage(bolt, id); // says so
      const wanted = (Math.max(until - id, 0) + LEAST_PAGES) * pageSize;
      size = source.read(bytes.subarray(0, Math.min(wanted, bytes.length)), id * pageSize);
      first = id;
      start = 0;
    }
    if (start + PAGE_HEADER_SIZE > size) return readPage(bolt, id);
    const header = decodePageHeader(view, start);
    const end = start + (header.overflow + 1) * pageSize;
    if (header.id !== id || end > size || id + header.overflow >= highWater) return readPage(bolt, id);
    const page: Page = { id, bytes, view, start, end, count: header.count };
    return { page, flags: header.flags, overflow: header.overflow };
  };
}
