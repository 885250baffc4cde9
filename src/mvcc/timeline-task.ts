/**
 * Gathers every revision of every key from the leaves of the `key` bucket, in any order: where each lies, not what it
 * holds. Several threads each gather some, {@link mergeTimelines} joins them, and `timeline.ts` puts them in order.
 * About 25 bytes a revision, and the key once.
 */
import { defined } from "../errors/defined.ts";
import { addKeysOf, createKeyTable, findOrAdd, grown, type KeyTable } from "./key-table.ts";
import type { RevisionVisitor } from "./leaf-revisions.ts";

/** Revisions in the order in which they were found, as columns. */
export interface RevisionColumns {
  count: number;
  /** The entry of the index that holds the key. */
  key: Uint32Array;
  main: Float64Array;
  sub: Uint32Array;
  page: Uint32Array;
  item: Uint16Array;
  /** 1 for a deletion. */
  tombstone: Uint8Array;
  /** Bytes of the value. */
  size: Uint32Array;
}

export interface GatheredTimeline {
  readonly keys: KeyTable;
  readonly revisions: RevisionColumns;
  /** The newest revision among all entries, those without a key too. */
  readonly lastRevision: number;
}

export interface TimelineTask {
  readonly visit: RevisionVisitor;
  finish(): GatheredTimeline;
}

export interface TimelineSpec {
  /** Makes the hash of keys unpredictable to whoever made the file. */
  readonly seed: number;
}

/** `expected`: about how many keys there will be. */
export function createTimelineTask({ seed }: TimelineSpec, expected = 0): TimelineTask {
  const keys = createKeyTable(seed, expected);
  const revisions = createColumns(Math.max(1024, Math.min(expected, 1 << 20)));
  let lastRevision = 0;
  const visit: RevisionVisitor = ({ page, item, main, sub, tombstone, fields }) => {
    if (main > lastRevision) lastRevision = main;
    const { keyStart, keyEnd, valueStart, valueEnd } = fields;
    if (keyStart === keyEnd) return; // a bare revision
    const key = findOrAdd(keys, page.bytes, keyStart, keyEnd);
    const row = revisions.count;
    if (row === revisions.key.length) resize(revisions, row * 2);
    revisions.key[row] = key;
    revisions.main[row] = main;
    revisions.sub[row] = sub;
    revisions.page[row] = page.id;
    revisions.item[row] = item;
    revisions.tombstone[row] = tombstone ? 1 : 0;
    revisions.size[row] = valueEnd - valueStart;
    revisions.count = row + 1;
  };
  return { visit, finish: () => ({ keys, revisions, lastRevision }) };
}

/** Joins what several threads gathered. The first one's columns are filled up and returned. */
export function mergeTimelines(results: readonly GatheredTimeline[]): GatheredTimeline {
  const [first, ...others] = results;
  if (first === undefined) throw new RangeError("no results to merge");
  const { keys, revisions } = first;
  let { lastRevision } = first;
  const total = results.reduce((sum, each) => sum + each.revisions.count, 0);
  if (total > revisions.key.length) resize(revisions, total);
  for (const other of others) {
    const renumbered = addKeysOf(keys, other.keys);
    const { count } = other.revisions;
    const start = revisions.count;
    for (let row = 0; row < count; row++)
      revisions.key[start + row] = defined(renumbered[defined(other.revisions.key[row])]);
    revisions.main.set(other.revisions.main.subarray(0, count), start);
    revisions.sub.set(other.revisions.sub.subarray(0, count), start);
    revisions.page.set(other.revisions.page.subarray(0, count), start);
    revisions.item.set(other.revisions.item.subarray(0, count), start);
    revisions.tombstone.set(other.revisions.tombstone.subarray(0, count), start);
    revisions.size.set(other.revisions.size.subarray(0, count), start);
    revisions.count = start + count;
    lastRevision = Math.max(lastRevision, other.lastRevision);
  }
  return { keys, revisions, lastRevision };
}

function createColumns(capacity: number): RevisionColumns {
  return {
    count: 0,
    key: new Uint32Array(capacity),
    main: new Float64Array(capacity),
    sub: new Uint32Array(capacity),
    page: new Uint32Array(capacity),
    item: new Uint16Array(capacity),
    tombstone: new Uint8Array(capacity),
    size: new Uint32Array(capacity),
  };
}

function resize(columns: RevisionColumns, size: number): void {
  columns.key = grown(columns.key, new Uint32Array(size));
  columns.main = grown(columns.main, new Float64Array(size));
  columns.sub = grown(columns.sub, new Uint32Array(size));
  columns.page = grown(columns.page, new Uint32Array(size));
  columns.item = grown(columns.item, new Uint16Array(size));
  columns.tombstone = grown(columns.tombstone, new Uint8Array(size));
  columns.size = grown(columns.size, new Uint32Array(size));
}
