/** The keyspace of a snapshot at a revision: which keys are live, and their values on demand. */

import { readPage } from "../bolt/bolt.ts";
import { type LeafMap, mapLeaves } from "../bolt/leaf-map.ts";
import { checkLeaf, compareBytes, leafValue, type Page, PageFlag } from "../bolt/page.ts";
import { createPageSet } from "../bolt/page-set.ts";
import type { Report } from "../bolt/tree.ts";
import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import { hashSeed } from "../mvcc/hash-seed.ts";
import type { RevisionPlace } from "../mvcc/history-task.ts";
import { type IndexResult, type KeyBounds, type KeySelection, selectEntries } from "../mvcc/index-task.ts";
import { type KeyIndex, sortedEntries } from "../mvcc/key-index.ts";
import { findKey, keyOf } from "../mvcc/key-table.ts";
import { decodeKeyValue, type KeyValue } from "../mvcc/key-value.ts";
import { createTimeline } from "../mvcc/timeline.ts";
import type { ObjectChoice } from "../storage/choose-objects.ts";
import { findEtcdPrefixes } from "../storage/etcd-prefix.ts";
import type { ObjectCounts } from "../storage/object-counts.ts";
import { mayIndexAll } from "./index-size.ts";
import { KEY_BUCKET, type LeafTaskResult, type LeafTaskSpec } from "./leaf-tasks.ts";
import { readStoreInfo, type Snapshot, type SnapshotOptions } from "./open-snapshot.ts";
import { sweepInParallel } from "./parallel-sweep.ts";
import { createPlaceReader, placesOf } from "./place-reader.ts";
import { createTurns } from "./turns.ts";

export interface KeyspaceOptions extends SnapshotOptions {
  /** Prefixes or whole keys; none for every key. */
  readonly select?: readonly KeySelection[];
  /** Of these, the keys within bounds; all unless given. */
  readonly bounds?: KeyBounds;
  /** Of these, the keys of objects. */
  readonly objects?: ObjectChoice;
  /** As it was at this revision; the newest unless given. */
  readonly atRevision?: number;
  /** Label each key with the kind of its value. */
  readonly labelKinds?: boolean;
}

export interface Keyspace {
  /** The revision that is shown. */
  readonly revision: number;
  readonly compactRevision: number;
  readonly index: KeyIndex;
  readonly labels: readonly string[];
  /** Live objects that were counted instead of indexed. */
  readonly others: ObjectCounts;
  /** Live keys. */
  readonly size: number;
  /** The live entries of {@link index} in the order of their keys. */
  order(): Uint32Array;
  /** Live keys in byte order; views. */
  keys(): Iterable<Uint8Array>;
  /** The live key-values in the order of their keys, read one at a time. Damaged ones are reported and left out. */
  entries(): Generator<KeyValue>;
  get(key: string): KeyValue | undefined;
  /** The key-value of entry `i` of {@link index}. Whoever reads many of them does well to go by `index.page`: neighbours share a page. */
  read(i: number): KeyValue | undefined;
  /**
   * The key-values of some entries in turn, each with its entry, in memory that the next one uses again. Damaged ones
   * are reported and left out.
   */
  readInTurn(entries: Uint32Array): Generator<readonly [entry: number, keyValue: KeyValue]>;
}

/** `text` as a selection: all keys that begin with it, or the one that it is. */
export function selectKeys(text: string, exact = false): KeySelection {
  return { prefix: new TextEncoder().encode(text), exact };
}

/**
 * Finds the live keys of a snapshot. Throws `revision-compacted` and `revision-in-future` for a revision that the file
 * cannot show. `map`: the leaves, where they were found already.
 */
export async function readKeyspace(
  snapshot: Snapshot,
  options: KeyspaceOptions = {},
  map?: LeafMap,
): Promise<Keyspace> {
  return showKeyspace(snapshot, await indexKeys(snapshot, options, map), options.atRevision);
}

/** The keyspace of keys that were indexed. Throws what {@link readKeyspace} throws. */
export function showKeyspace(snapshot: Snapshot, indexed: IndexedKeys, atRevision?: number): Keyspace {
  const { findings, file } = snapshot;
  const { compactRevision, result, others = new Map(), isKept = false } = indexed;
  const { index, lastRevision } = result;
  if (atRevision !== undefined) checkRevision(atRevision, compactRevision, lastRevision, file.path);
  let sorted: Uint32Array | undefined;
  const order = (): Uint32Array => {
    sorted ??= sortedEntries(index);
    return sorted;
  };
  const read = createValueReader(snapshot);
  const entry = (i: number): KeyValue | undefined => {
    const found = agreed(i, read(defined(index.page[i]), defined(index.item[i])));
    return typeof found === "string" ? damaged(i, found) : found;
  };
  const agreed = (i: number, found: KeyValue | string): KeyValue | string => {
    if (!isKept || (typeof found !== "string" && isEntry(index, i, found))) return found;
    snapshot.keyIndex?.discard();
    return "the file changed while it was read";
  };
  const damaged = (i: number, found: string): undefined => {
    const where = `page ${index.page[i]} item ${index.item[i]} · ${new TextDecoder().decode(keyOf(index, i))}`;
    findings.report({ level: "error", code: "value-unreadable", where, text: found });
    return undefined;
  };
  return {
    revision: atRevision ?? lastRevision,
    compactRevision,
    index,
    labels: result.labels,
    others,
    order,
    get size() {
      return order().length;
    },
    *keys() {
      for (const i of order()) yield keyOf(index, i);
    },
    *entries() {
      for (const i of order()) {
        const found = entry(i);
        if (found !== undefined) yield found;
      }
    },
    get(key) {
      const i = findKey(index, new TextEncoder().encode(key));
      return i < 0 || index.tombstone[i] === 1 ? undefined : entry(i);
    },
    read: entry,
    *readInTurn(entries) {
      const root = snapshot.buckets.find((bucket) => bucket.path === KEY_BUCKET)?.root;
      const places = placesOf(index, entries);
      const readPlace = createPlaceReader(snapshot.bolt, places, typeof root === "object" ? root : undefined);
      for (let at = 0; at < entries.length; at++) {
        const found = agreed(defined(entries[at]), readPlace(at, entries.length));
        if (typeof found === "string") damaged(defined(entries[at]), found);
        else yield [defined(entries[at]), found];
      }
    },
  };
}

export interface IndexedKeys {
  readonly result: IndexResult;
  readonly compactRevision: number;
  readonly others?: ObjectCounts;
  /** Whether the index was kept by an earlier run, so that what is read by it is compared with it. */
  readonly isKept?: boolean;
}

async function indexKeys(
  snapshot: Snapshot,
  options: KeyspaceOptions,
  given: LeafMap | undefined,
): Promise<IndexedKeys> {
  const { select = [], bounds, objects, atRevision, labelKinds = false } = options;
  const { bolt, findings, keyIndex } = snapshot;
  const compactRevision = readCompactRevision(snapshot);
  const isPart = bounds !== undefined || objects !== undefined;
  const kept = !isPart ? findKept(snapshot, options) : undefined;
  if (kept !== undefined) return { result: kept, compactRevision, isKept: true };
  const countFindings = () => findings.count("error") + findings.count("warning") + findings.count("info");
  const before = countFindings();
  const map = given ?? mapKeyLeaves(snapshot);
  const keepAll = keyIndex !== undefined && atRevision === undefined && !isPart && mayIndexAll(bolt, map);
  const index = {
    select: keepAll ? [] : select,
    seed: hashSeed(),
    ...(atRevision === undefined ? {} : { atRevision }),
    ...(bounds === undefined ? {} : { bounds }),
  };
  const swept = await sweepLeaves(
    snapshot,
    map,
    { index, labelKinds: labelKinds || keepAll, ...(objects && { objects }) },
    options,
  );
  const result = defined(swept.index);
  if (!keepAll) return { result, compactRevision, ...(swept.others && { others: swept.others }) };
  // What is wrong with the file must be found again by the next run.
  if (countFindings() === before) keyIndex.keep(result);
  return { result: selectEntries(result, select, labelKinds), compactRevision };
}

/** The revision up to which a compaction was begun, if not finished. */
export function readCompactRevision(snapshot: Snapshot): number {
  const { finishedCompact, scheduledCompact } = readStoreInfo(snapshot);
  return Math.max(finishedCompact, scheduledCompact);
}

/** So many entries are compared with the file before any is shown; the others when they are read. */
const COMPARED = 64;

/** What an earlier run found, if it agrees with the file. */
function findKept(snapshot: Snapshot, options: KeyspaceOptions): IndexResult | undefined {
  const { keyIndex } = snapshot;
  const { select = [], atRevision = Number.MAX_SAFE_INTEGER, labelKinds = false } = options;
  if (keyIndex?.lastRevision === undefined || atRevision < keyIndex.lastRevision) return undefined;
  const result = keyIndex.find(select, labelKinds);
  if (result === undefined) return undefined;
  const { index } = result;
  const read = createValueReader(snapshot);
  const step = Math.max(1, Math.floor(index.count / COMPARED));
  for (let i = 0; i < index.count; i += step) {
    const found = read(defined(index.page[i]), defined(index.item[i]));
    if (typeof found !== "string" && isEntry(index, i, found)) continue;
    keyIndex.discard();
    return undefined;
  }
  return result;
}

/** Whether a key-value is the one that entry `i` says. A deletion's has no revision. */
function isEntry(index: KeyIndex, i: number, { key, modRevision }: KeyValue): boolean {
  return compareBytes(key, keyOf(index, i)) === 0 && (index.tombstone[i] === 1 || modRevision === index.main[i]);
}

/** A database of fewer bytes has fewer entries than fit into an index. */
const SURELY_INDEXED_BYTES = 128 << 20;

/** Whether an index of all keys surely fits into memory: the file is small, or an earlier run kept its index. */
export function surelyHasIndexSize({ bolt, keyIndex }: Snapshot): boolean {
  return bolt.source.size < SURELY_INDEXED_BYTES || keyIndex?.found === true;
}

/** The prefixes under which the snapshot holds clusters, the likeliest first. */
export async function findPrefixes(
  snapshot: Snapshot,
  options: SnapshotOptions = {},
  map: LeafMap = mapKeyLeaves(snapshot),
): Promise<string[]> {
  const { signs } = await sweepLeaves(snapshot, map, { signs: true }, options);
  return findEtcdPrefixes(defined(signs)).map((found) => found.prefix);
}

function sweepKeys(snapshot: Snapshot, spec: LeafTaskSpec, options: SnapshotOptions): Promise<LeafTaskResult> {
  return sweepLeaves(snapshot, mapKeyLeaves(snapshot), spec, options);
}

/** The leaves of the keyspace; what is wrong on the way to them is reported. `comparesKeys`: as of a `LeafList`. */
export function mapKeyLeaves(
  { bolt, buckets, findings }: Snapshot,
  report: Report = findings.report,
  comparesKeys = true,
): LeafMap {
  const keyBuckets = buckets.filter((bucket) => bucket.path === KEY_BUCKET);
  return mapLeaves(bolt, keyBuckets, report, createPageSet(bolt.pageCount), comparesKeys);
}

/** Sweeps the leaves of the keyspace for `spec`. */
export function sweepLeaves(
  snapshot: Snapshot,
  map: LeafMap,
  spec: LeafTaskSpec,
  { signal, progress }: SnapshotOptions,
): Promise<LeafTaskResult> {
  const { bolt, findings } = snapshot;
  return sweepInParallel(snapshot, map, spec, createPageSet(bolt.pageCount), findings.report, {
    ...(signal === undefined ? {} : { signal }),
    onProgress: (done, total) => progress?.({ step: "reading", done, total, unit: "bytes" }),
  });
}

/** One revision of a key; a deletion has no value. */
export interface KeyRevision {
  readonly revision: Pick<RevisionPlace, "main" | "sub">;
  readonly keyValue: KeyValue | undefined;
}

/**
 * Every revision of a key that the file still holds, the oldest first. A deletion ends a life of the key: what follows
 * it is a new object of the same name. Damaged revisions are reported and left out.
 */
export async function readKeyHistory(
  snapshot: Snapshot,
  key: string,
  options: SnapshotOptions = {},
): Promise<readonly KeyRevision[]> {
  const swept = await sweepKeys(snapshot, { historyOf: new TextEncoder().encode(key) }, options);
  const read = createValueReader(snapshot);
  return defined(swept.history).flatMap(({ main, sub, tombstone, page, item }): KeyRevision[] => {
    if (tombstone) return [{ revision: { main, sub }, keyValue: undefined }];
    const found = read(page, item);
    if (typeof found !== "string") return [{ revision: { main, sub }, keyValue: found }];
    const where = `page ${page} item ${item} · revision ${main}/${sub} · ${key}`;
    snapshot.findings.report({ level: "error", code: "value-unreadable", where, text: found });
    return [];
  });
}

/** A revision of some key. */
export interface KeyChange {
  readonly key: string;
  readonly main: number;
  readonly tombstone: boolean;
  /** The key-value; undefined for a deletion, and where it is damaged, which is reported. */
  read(): KeyValue | undefined;
  /** The key-value that it replaced or deleted; undefined where there was none, or it was compacted away. */
  readBefore(): KeyValue | undefined;
}

/** Every revision of every key that the file still holds in full, up to `upTo`, the oldest first: those after the compaction. */
export async function readChanges(
  snapshot: Snapshot,
  range: { readonly compactRevision: number; readonly upTo: number },
  options: SnapshotOptions = {},
): Promise<readonly KeyChange[]> {
  const { timeline: gathered } = await sweepKeys(snapshot, { timeline: { seed: hashSeed() } }, options);
  const timeline = createTimeline(defined(gathered), range.compactRevision);
  const { rows, byRevision } = timeline;
  const read = createValueReader(snapshot);
  const decoder = new TextDecoder();
  const changes: KeyChange[] = [];
  const turn = createTurns(options.signal);
  for (let at = timeline.firstAfter(range.compactRevision); at < timeline.firstAfter(range.upTo); at++) {
    await turn();
    const row = defined(byRevision[at]);
    const number = timeline.keyOfRow(row);
    const key = decoder.decode(timeline.keyBytes(number));
    const main = defined(rows.main[row]);
    const value = (from: number): KeyValue | undefined => {
      if (from < 0 || rows.tombstone[from] === 1) return undefined;
      const found = read(defined(rows.page[from]), defined(rows.item[from]));
      if (typeof found !== "string") return found;
      const where = `page ${rows.page[from]} item ${rows.item[from]} · revision ${rows.main[from]}/${rows.sub[from]} · ${key}`;
      snapshot.findings.report({ level: "error", code: "value-unreadable", where, text: found });
      return undefined;
    };
    changes.push({
      key,
      main,
      tombstone: rows.tombstone[row] === 1,
      read: () => value(row),
      readBefore: () => value(timeline.rowAt(number, main - 1)),
    });
  }
  return changes;
}

function checkRevision(at: number, compacted: number, last: number, path: string): void {
  const range = `the snapshot holds revisions ${Math.max(compacted, 1)} to ${Math.max(last, compacted)}`;
  if (at > Math.max(last, compacted)) {
    throw new MendError("revision-in-future", `revision ${at} is not in the snapshot yet`, {
      where: path,
      hint: range,
    });
  }
  if (at < compacted) {
    throw new MendError("revision-compacted", `revision ${at} was compacted away`, { where: path, hint: range });
  }
}

/** Reads key-values by page and item, keeping the last page at hand: neighbours in key order often share one. */
export function createValueReader({
  bolt,
  buckets,
}: Pick<Snapshot, "bolt" | "buckets">): (pageId: number, item: number) => KeyValue | string {
  const keyRoot = buckets.find((bucket) => bucket.path === KEY_BUCKET)?.root;
  let last: Page | undefined = typeof keyRoot === "object" ? keyRoot : undefined; // inline: its id is 0, which no other leaf has
  return (pageId, item) => {
    if (last?.id !== pageId) {
      const result = readPage(bolt, pageId);
      if ("fault" in result) return result.fault;
      if (result.flags !== PageFlag.leaf || item >= result.page.count) return "the page changed while it was read";
      const fault = checkLeaf(result.page);
      if (fault?.code === "page-out-of-bounds") return fault.text;
      last = result.page;
    }
    return decodeKeyValue(leafValue(last, item));
  };
}
