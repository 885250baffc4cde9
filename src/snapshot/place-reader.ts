/** Reads values that lie anywhere in a file, in turn: several pages at once where the next ones lie close behind. */

import type { BoltFile } from "../bolt/bolt.ts";
import { checkLeaf, leafValue, type Page, PageFlag } from "../bolt/page.ts";
import { openPageWindow } from "../bolt/page-window.ts";
import { defined } from "../errors/defined.ts";
import type { KeyIndex } from "../mvcc/key-index.ts";
import { decodeKeyValue, type KeyValue } from "../mvcc/key-value.ts";

/** Where some values lie, in the order in which they are read. */
export interface ValuePlaces {
  readonly page: Uint32Array;
  readonly item: Uint16Array;
}

/** The places of some entries of an index, in memory that threads can share. */
export function placesOf(index: Pick<KeyIndex, "page" | "item">, entries: Uint32Array): ValuePlaces {
  const page = new Uint32Array(new SharedArrayBuffer(4 * entries.length));
  const item = new Uint16Array(new SharedArrayBuffer(2 * entries.length));
  for (let i = 0; i < entries.length; i++) {
    page[i] = defined(index.page[defined(entries[i])]);
    item[i] = defined(index.item[defined(entries[i])]);
  }
  return { page, item };
}

/** How many of the next values are looked at to find out how much is read at once. */
const LOOK_AHEAD = 24;
const FAR_PAGES = 60;

/**
 * Reads the values of some places, by their position among them; `end` is where those that are read next end. A value
 * lies in memory that the next call uses again. Returns what is wrong as a string. `inline` is the page of a keyspace
 * of hardly any keys.
 */
export function createPlaceReader(
  bolt: BoltFile,
  { page, item }: ValuePlaces,
  inline: Page | undefined,
): (at: number, end: number) => KeyValue | string {
  const pages = openPageWindow(bolt);
  let current = inline;
  return (at, end) => {
    const id = defined(page[at]);
    if (current?.id !== id) {
      let until = id;
      for (let i = at + 1; i < end && i < at + LOOK_AHEAD; i++) {
        if (defined(page[i]) > until && defined(page[i]) < id + FAR_PAGES) until = defined(page[i]);
      }
      const result = pages(id, until);
      current = undefined;
      if ("fault" in result) return result.fault;
      if (result.flags !== PageFlag.leaf || defined(item[at]) >= result.page.count)
        return "the page changed while it was read";
      const fault = checkLeaf(result.page);
      if (fault?.code === "page-out-of-bounds") return fault.text;
      current = result.page;
    }
    return decodeKeyValue(leafValue(defined(current), defined(item[at])));
  };
}
