/** Values of a snapshot, read in the order of the file into one buffer that moves along: a fraction of the reads and no garbage. */
import { type BoltFile, MAX_PAGE_BYTES } from "../bolt/bolt.ts";
import { checkLeaf, leafValue, makePage, type Page, PageFlag } from "../bolt/page.ts";
import { createKeyValueFields, locateKeyValue } from "../mvcc/key-value.ts";

/** What is read at once where reads follow each other in the file. */
const AHEAD_BYTES = 256 << 10;
/** What is read at once elsewhere: an object with its page. */
const SINGLE_BYTES = 16 << 10;
/** A read that is so little further on belongs to the one before. */
const NEAR_PAGES = 16;

export interface ValueWindow {
  /**
   * The value at an item of a leaf, a view that is valid until the next call; undefined where it is damaged: whoever
   * reads it alone learns how.
   */
  read(pageId: number, item: number): Uint8Array | undefined;
}

export function openValueWindow({ source, meta }: BoltFile): ValueWindow {
  const { pageSize, highWater } = meta;
  let bytes = new Uint8Array(AHEAD_BYTES);
  let view = new DataView(bytes.buffer);
  let first = 0;
  let pages = 0;
  let last: Page | undefined;
  const fields = createKeyValueFields();

  const load = (id: number, wanted: number): void => {
    if (wanted > bytes.length) {
      bytes = new Uint8Array(wanted);
      view = new DataView(bytes.buffer);
    }
    last = undefined;
    first = id;
    pages = Math.floor(source.read(bytes.subarray(0, wanted), id * pageSize) / pageSize);
  };
  const pageAt = (id: number): Page | undefined => {
    if (id < 2 || id >= highWater) return undefined;
    if (id < first || id >= first + pages) {
      const isNear = id >= first + pages && id < first + pages + NEAR_PAGES;
      load(id, Math.max(isNear ? AHEAD_BYTES : SINGLE_BYTES, pageSize));
      if (pages === 0) return undefined;
    }
    const overflow = view.getUint32((id - first) * pageSize + 12, true);
    const size = (overflow + 1) * pageSize;
    if (size > MAX_PAGE_BYTES) return undefined;
    if (id + overflow >= first + pages) {
      load(id, Math.max(size, Math.min(bytes.length, AHEAD_BYTES)));
      if (pages <= overflow) return undefined;
    }
    const start = (id - first) * pageSize;
    const isThis = view.getUint32(start, true) + view.getUint32(start + 4, true) * 0x1_0000_0000 === id;
    if (!isThis || view.getUint16(start + 8, true) !== PageFlag.leaf) return undefined;
    const page = makePage(id, bytes, start, start + size, view.getUint16(start + 10, true));
    return checkLeaf(page)?.code === "page-out-of-bounds" ? undefined : page;
  };
  return {
    read(pageId, item) {
      if (last?.id !== pageId) last = pageAt(pageId);
      if (last === undefined || item >= last.count) return undefined;
      const found = leafValue(last, item);
      if (locateKeyValue(found, 0, found.length, fields) !== undefined) return undefined;
      return found.subarray(fields.valueStart, fields.valueEnd);
    },
  };
}
