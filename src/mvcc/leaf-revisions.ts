/** Reads the revisions off a leaf page of the `key` bucket without allocating: the innermost loop of every scan. */
import { elementAt, type Page } from "../bolt/page.ts";
import type { Report } from "../bolt/tree.ts";
import { createKeyValueFields, type KeyValueFields, locateKeyValue } from "./key-value.ts";
import { REVISION_SIZE, readBigEndian, TOMBSTONE_SIZE } from "./revision.ts";

/** One entry of the `key` bucket; reused for the next one, so whoever keeps something copies it. */
export interface RevisionEntry {
  page: Page;
  item: number;
  main: number;
  sub: number;
  tombstone: boolean;
  /** Positions in `page.bytes`. */
  readonly fields: KeyValueFields;
}

/** What happens to each entry. */
export type RevisionVisitor = (entry: RevisionEntry) => void;

/**
 * Makes a function that shows every entry of a leaf to `visit`, skipping what a cheap look at the revision excludes (`maxRevision`).
 * Entries that cannot be read are reported and passed over.
 */
export function createLeafReader(
  visit: RevisionVisitor,
  report: Report,
  maxRevision = Number.MAX_SAFE_INTEGER,
): (page: Page) => void {
  const fields = createKeyValueFields();
  let entry: RevisionEntry | undefined;
  return (page) => {
    entry ??= { page, item: 0, main: 0, sub: 0, tombstone: false, fields };
    entry.page = page;
    const { view, bytes, count } = page;
    for (let item = 0; item < count; item++) {
      const at = elementAt(page, item);
      const key = at + view.getUint32(at + 4, true);
      const keySize = view.getUint32(at + 8, true);
      const value = key + keySize;
      const tombstone = keySize === TOMBSTONE_SIZE;
      if (
        (keySize !== REVISION_SIZE && !tombstone) ||
        bytes[key + 8] !== 0x5f ||
        (tombstone && bytes[key + REVISION_SIZE] !== 0x74)
      ) {
        report({
          level: "error",
          code: "revision-invalid",
          where: place(page, item),
          text: "the key is not a revision",
        });
        continue;
      }
      const main = readBigEndian(view, key);
      if (main > maxRevision) {
        if (main <= Number.MAX_SAFE_INTEGER) continue;
        report({
          level: "error",
          code: "revision-invalid",
          where: place(page, item),
          text: "the revision is beyond 2^53",
        });
        continue;
      }
      const valueSize = view.getUint32(at + 12, true);
      const fault = locateKeyValue(bytes, value, value + valueSize, fields);
      // A revision without a key is how a restore raises the revision (etcdutl's --bump-revision, and ours): it is shown with an empty key.
      if (fault !== undefined && (valueSize > 0 || tombstone)) {
        const where = `${place(page, item)} · revision ${main}/${readBigEndian(view, key + 9)}`;
        report({ level: "error", code: "key-value-invalid", where, text: fault });
        continue;
      }
      entry.item = item;
      entry.main = main;
      entry.sub = readBigEndian(view, key + 9);
      entry.tombstone = tombstone;
      visit(entry);
    }
  };
}

/** How findings name an entry. */
function place(page: Page, item: number): string {
  return `page ${page.id} item ${item}`;
}

/** How findings name an entry that could be read: `page 214 item 3 · revision 9812/0 · /registry/pods/default/web`. */
export function entryPlace(entry: RevisionEntry): string {
  const key = new TextDecoder().decode(entry.page.bytes.subarray(entry.fields.keyStart, entry.fields.keyEnd));
  return `${place(entry.page, entry.item)} · revision ${entry.main}/${entry.sub} · ${key}`;
}
