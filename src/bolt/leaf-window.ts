/** A window on the file that moves forward over the wanted leaves: so much a read that it stays in the cache of a core. */

import type { FindingCode } from "../errors/finding-codes.ts";
import { type BoltFile, MAX_PAGE_BYTES, readPage } from "./bolt.ts";
import { type Page, PageFlag, pageTypeName } from "./page.ts";

/** What is read fits into the second-level cache of a core, so that what looks at it next need not fetch it from memory. */
const WINDOW_BYTES = 256 << 10;
/** A value has at most a few megabytes. */
const MOST_KEPT_BYTES = 16 << 20;
/** Pages that nobody asked for are read along when there are at most so many in a row: copying them costs less than another read. */
const MAX_GAP_PAGES = 16;

/** A leaf whose elements were not looked at yet, or what is wrong with its header. */
type LeafRead =
  | { readonly page: Page; readonly overflow: number }
  | { readonly code: FindingCode; readonly text: string };

export interface LeafWindow {
  /** The leaf `id`, valid until the next call. Ids must ascend for windows to serve more than one leaf. */
  read(id: number): LeafRead;
  /** Bytes read so far. */
  bytesRead(): number;
}

/** Opens a window on the pages that `slots` marks as leaves. */
export function openLeafWindow(bolt: BoltFile, slots: Uint32Array): LeafWindow {
  const { pageSize, highWater } = bolt.meta;
  const windowPages = Math.max(1, Math.floor(WINDOW_BYTES / pageSize));
  const bytes = new Uint8Array(windowPages * pageSize);
  const view = new DataView(bytes.buffer);
  let first = 0;
  let pages = 0;
  let total = 0;
  let large = new Uint8Array();
  /** For leaves that are larger than the window, one after the other: memory of their own would fill up faster than it is collected. */
  const memory = (size: number): Uint8Array => {
    if (size > MOST_KEPT_BYTES) return new Uint8Array(size);
    if (size > large.length) large = new Uint8Array(size);
    return large;
  };

  const load = (id: number, wanted: number): void => {
    first = id;
    const got = bolt.source.read(bytes.subarray(0, wanted * pageSize), id * pageSize);
    pages = Math.floor(got / pageSize);
    total += got;
  };
  const extent = (id: number): number => {
    const limit = Math.min(id + windowPages, slots.length);
    let last = id;
    let end = id + 1;
    for (; end < limit && end - last <= MAX_GAP_PAGES; end++) if (slots[end] !== 0) last = end;
    return Math.min(end, limit) - id;
  };

  return {
    bytesRead: () => total,
    read(id) {
      if (id < first || id >= first + pages) load(id, extent(id));
      if (pages === 0) return { code: "page-truncated", text: `page ${id} is beyond the end of the file` };
      let start = (id - first) * pageSize;
      const count = view.getUint16(start + 10, true);
      const overflow = view.getUint32(start + 12, true);
      const fault = headerFault(view, start, id);
      if (fault !== undefined) return fault;
      if (id + overflow >= highWater || (overflow + 1) * pageSize > MAX_PAGE_BYTES) {
        const text = `it claims ${overflow} overflow pages, the high-water mark is ${highWater}`;
        return { code: "page-out-of-range", text };
      }
      if (id + overflow >= first + pages) {
        if (overflow >= windowPages) {
          const result = readPage(bolt, id, memory);
          if ("fault" in result) return { code: result.code, text: result.fault };
          total += (overflow + 1) * pageSize;
          return { page: result.page, overflow };
        }
        load(id, Math.max(overflow + 1, extent(id)));
        if (pages <= overflow) {
          pages = 0;
          return { code: "page-truncated", text: `page ${id} ends beyond the end of the file` };
        }
        start = 0;
      }
      return { page: { id, bytes, view, start, end: start + (overflow + 1) * pageSize, count }, overflow };
    },
  };
}

function headerFault(view: DataView, start: number, id: number): { code: FindingCode; text: string } | undefined {
  const headerId = view.getUint32(start + 4, true) * 0x1_0000_0000 + view.getUint32(start, true);
  if (headerId !== id) return { code: "page-id", text: `page ${id} calls itself page ${headerId}` };
  const flags = view.getUint16(start + 8, true);
  if (flags !== PageFlag.leaf)
    return { code: "page-flags", text: `a ${pageTypeName(flags)} page where a leaf belongs` };
  return undefined;
}
