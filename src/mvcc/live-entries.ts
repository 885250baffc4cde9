/** Which entries of a database are the newest versions of keys that live: a bit for each, so that no key is held. */
import type { BoltFile } from "../bolt/bolt.ts";

export interface LiveEntries {
  readonly count: number;
  add(page: number, item: number): void;
  has(page: number, item: number): boolean;
}

/** bbolt's header of a page, and what an entry takes at least: its element, and a key of 17 bytes. */
const PAGE_HEADER = 16;
const LEAST_ENTRY = 16 + 17;

/** No entries. An entry's bit is among those of its page; a page that is continued has the bits of the pages behind it too. */
export function createLiveEntries({ pageCount, meta }: Pick<BoltFile, "pageCount" | "meta">): LiveEntries {
  const perPage = Math.ceil((meta.pageSize - PAGE_HEADER) / LEAST_ENTRY);
  const words = new Uint32Array(Math.ceil(((pageCount + 1) * perPage) / 32));
  let count = 0;
  return {
    get count() {
      return count;
    },
    add(page, item) {
      const bit = page * perPage + item;
      const word = Math.floor(bit / 32);
      words[word] = (words[word] ?? 0) | (1 << (bit % 32));
      count++;
    },
    has(page, item) {
      const bit = page * perPage + item;
      return ((words[Math.floor(bit / 32)] ?? 0) & (1 << (bit % 32))) !== 0;
    },
  };
}
