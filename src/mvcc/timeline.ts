/**
 * All revisions of a keyspace in order: by key, so that the state at any moment is one search a key, and by revision,
 * so that what happened can be replayed. Keys are numbered in byte order; rows are revisions. It holds places, not
 * values: those stay in the file.
 */
import { sortByKey } from "./key-order.ts";
import { type KeyTable, keyOf } from "./key-table.ts";
import type { GatheredTimeline, RevisionColumns } from "./timeline-task.ts";

export interface Timeline {
  /** Keys that any revision touches, deleted ones too. */
  readonly keyCount: number;
  readonly rowCount: number;
  /** The oldest revision that can be shown: the compaction, or 1. */
  readonly firstRevision: number;
  readonly lastRevision: number;
  /** Key number `key`, as bytes: a view. */
  keyBytes(key: number): Uint8Array;
  /** The key numbers [from, to) of the keys that begin with `prefix`. */
  range(prefix: Uint8Array): readonly [from: number, to: number];
  /** The number of exactly this key, or -1. */
  find(key: Uint8Array): number;
  /** The row that shows a key at a revision, or -1 where it was not there. */
  rowAt(key: number, revision: number): number;
  /** The rows [from, to) of {@link byKey} that belong to a key, the oldest first. */
  readonly starts: Uint32Array;
  /** Rows by key, then by revision. */
  readonly byKey: Uint32Array;
  /** Rows by revision. */
  readonly byRevision: Uint32Array;
  /** The position in {@link byRevision} of the first row after `revision`. */
  firstAfter(revision: number): number;
  keyOfRow(row: number): number;
  readonly rows: Readonly<RevisionColumns>;
}

/** Puts what was gathered in order. `compactRevision` is what etcd's meta bucket says; what is older cannot be shown truly. */
export function createTimeline(gathered: GatheredTimeline, compactRevision: number): Timeline {
  const { keys, revisions } = gathered;
  const order = sortByKey(keys, firstNumbers(keys.count));
  const rank = new Uint32Array(keys.count);
  for (let i = 0; i < order.length; i++) rank[order[i]!] = i;
  const byRevision = sortByRevision(revisions);
  const { starts, byKey } = groupByKey(revisions, byRevision, rank, order.length);
  const lastRevision = Math.max(gathered.lastRevision, compactRevision);
  const { main, tombstone } = revisions;
  return {
    keyCount: order.length,
    rowCount: revisions.count,
    firstRevision: Math.max(compactRevision, 1),
    lastRevision,
    starts,
    byKey,
    byRevision,
    rows: revisions,
    keyBytes: (key) => keyOf(keys, order[key]!),
    range(prefix) {
      const from = lowerBound(keys, order, prefix, false);
      return [from, lowerBound(keys, order, prefix, true)];
    },
    find(key) {
      const at = lowerBound(keys, order, key, false);
      if (at === order.length) return -1;
      const found = keyOf(keys, order[at]!);
      return found.length === key.length && comparePrefix(found, key) === 0 ? at : -1;
    },
    rowAt(key, revision) {
      let low = starts[key]!;
      let high = starts[key + 1]!;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (main[byKey[middle]!]! <= revision) low = middle + 1;
        else high = middle;
      }
      if (low === starts[key]) return -1;
      const row = byKey[low - 1]!;
      return tombstone[row] === 1 ? -1 : row;
    },
    firstAfter(revision) {
      let low = 0;
      let high = byRevision.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (main[byRevision[middle]!]! <= revision) low = middle + 1;
        else high = middle;
      }
      return low;
    },
    keyOfRow: (row) => rank[revisions.key[row]!]!,
  };
}

/** 0 and up. */
function firstNumbers(count: number): Uint32Array {
  const numbers = new Uint32Array(count);
  for (let i = 0; i < count; i++) numbers[i] = i;
  return numbers;
}

/** The first entry whose key is not below `prefix`; with `after`, the first that is beyond all keys that begin with it. */
function lowerBound(keys: KeyTable, order: Uint32Array, prefix: Uint8Array, after: boolean): number {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const difference = comparePrefix(keyOf(keys, order[middle]!), prefix);
    if (difference < 0 || (after && difference === 0)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Below 0 where `key` sorts before `prefix`, 0 where it begins with it, above 0 where it sorts behind all that do. */
function comparePrefix(key: Uint8Array, prefix: Uint8Array): number {
  const size = Math.min(key.length, prefix.length);
  for (let i = 0; i < size; i++) if (key[i] !== prefix[i]) return key[i]! - prefix[i]!;
  return key.length < prefix.length ? -1 : 0;
}

function sortByRevision({ count, main, sub }: RevisionColumns): Uint32Array {
  const rows = firstNumbers(count);
  if (isSorted(rows, main, sub)) return rows;
  return rows.sort((a, b) => main[a]! - main[b]! || sub[a]! - sub[b]!);
}

function isSorted(rows: Uint32Array, main: Float64Array, sub: Uint32Array): boolean {
  for (let i = 1; i < rows.length; i++) {
    if (main[i]! < main[i - 1]! || (main[i] === main[i - 1] && sub[i]! < sub[i - 1]!)) return false;
  }
  return true;
}

/** Rows by key: those of one key stay in the order of their revisions. */
function groupByKey(revisions: RevisionColumns, byRevision: Uint32Array, rank: Uint32Array, keyCount: number) {
  const starts = new Uint32Array(keyCount + 1);
  for (let row = 0; row < revisions.count; row++) starts[rank[revisions.key[row]!]! + 1]! += 1;
  for (let key = 0; key < keyCount; key++) starts[key + 1]! += starts[key]!;
  const next = starts.slice(0, keyCount);
  const byKey = new Uint32Array(revisions.count);
  for (const row of byRevision) {
    const key = rank[revisions.key[row]!]!;
    byKey[next[key]!++] = row;
  }
  return { starts, byKey };
}
