/**
 * The keyspace of a snapshot, rewritten: as it was at a revision, without some keys, or without history. Every entry that stays keeps its
 * revision, so the order of the file is the order of the new one.
 */

import { type Bucket, type Entry, readEntries } from "../../bolt/bucket.ts";
import type { KeyAndValue } from "../../bolt/edit.ts";
import { compareBytes } from "../../bolt/page.ts";
import type { ByteSink } from "../../bolt/page-output.ts";
import { createBoltWriter } from "../../bolt/writer.ts";
import { defined } from "../../errors/defined.ts";
import type { Finding } from "../../errors/errors.ts";
import { collectFindings } from "../../errors/findings.ts";
import type { KeySelection } from "../../mvcc/index-task.ts";
import type { KeyIndex } from "../../mvcc/key-index.ts";
import { findKey } from "../../mvcc/key-table.ts";
import { createKeyValueFields, encodeKeyValue, locateKeyValue } from "../../mvcc/key-value.ts";
import { createLiveEntries } from "../../mvcc/live-entries.ts";
import { revisionPlaceholder } from "../../mvcc/placeholder.ts";
import { decodeRevision, encodeRevision, type Revision } from "../../mvcc/revision.ts";
import { readKeyspaceParts } from "../../snapshot/keyspace-parts.ts";
import { readStoreInfo, type Snapshot, type SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { type Keyspace, readKeyspace } from "../../snapshot/read-keyspace.ts";
import { createTurns } from "../../snapshot/turns.ts";
import { findKeysOfEndedLeases } from "./ended-leases.ts";

export interface RewriteOptions extends SnapshotOptions {
  /** The keyspace as it was at this revision; the newest unless given. */
  readonly atRevision?: number;
  /** Keys that begin with one of these are left out, with all their versions. */
  readonly exclude: readonly string[];
  /** These keys are left out, with all their versions. */
  readonly excludeKeys?: readonly Uint8Array[];
  /** Only the live version of each key stays. */
  readonly compact: boolean;
  /** Changes that make one more revision, behind all others. */
  readonly edits?: readonly KeyEdit[];
  /** Where there may be more entries than this, keys are read in parts of about so many. */
  readonly mostIndexed?: number;
}

/** A key that is set, or, without a value, deleted. */
export interface KeyEdit {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

export interface Rewritten {
  /** Bytes of the new database. */
  readonly size: number;
  /** The newest revision in it: that of the source, or the one asked for. */
  readonly revision: number;
  /** Entries of the `key` bucket that were written, and that were left out. */
  readonly kept: number;
  readonly dropped: number;
  /** Left out, because at the revision asked for they were attached to a lease that has ended since. */
  readonly keysOfEndedLeases: readonly Uint8Array[];
}

/**
 * Writes the database again, all buckets but `key` as they are. An entry marks the newest revision even where its key was left out, so that
 * the revision does not go back.
 */
export async function rewriteDatabase(snapshot: Snapshot, sink: ByteSink, options: RewriteOptions): Promise<Rewritten> {
  const { bolt, buckets, findings } = snapshot;
  const reported = { ...snapshot, findings: collectFindings() }; // damage is the check's to report, and it has
  const { exclude, excludeKeys = [], compact, atRevision, signal, progress, edits = [] } = options;
  const isDamaged = findings.count("error") > 0;
  const found = await chooseEntries(reported, options, isDamaged);
  const edited = edits.length === 0 ? undefined : await readKeyspace(reported, { ...options, select: keysOf(edits) });
  // An empty keyspace is at revision 1, as etcd counts.
  const revision = Math.max(1, found.revision) + (edits.length > 0 ? 1 : 0);
  const prefixes = exclude.map((prefix) => Buffer.from(prefix));
  const keys = new Set([...excludeKeys, ...found.ended].map((key) => Buffer.from(key).toString("latin1")));
  const entriesOf = (bucket: Bucket): Iterable<RewrittenEntry> => {
    const entries = places(readEntries(bolt, bucket, reported.findings.report, undefined, isDamaged));
    return isDamaged ? sorted(entries, bucket.path, findings.report) : entries;
  };
  const newest = atRevision ?? Number.MAX_SAFE_INTEGER;
  const keeps = createFilter(newest, prefixes, keys, found.isLive);
  const writer = createBoltWriter(sink, { pageSize: bolt.meta.pageSize });
  const turn = createTurns(signal);
  let kept = 0;
  let dropped = 0;
  for (const bucket of isDamaged ? distinct(buckets) : buckets) {
    writer.openBucket(bucket.name, BigInt(bucket.sequence));
    if (bucket.path === "key") {
      let last: Revision = { main: 0, sub: 0, tombstone: false };
      for (const entry of entriesOf(bucket)) {
        await turn();
        const { key, value } = entry;
        const at = decodeRevision(key);
        if (at === undefined || !keeps(at, entry)) {
          dropped++;
          continue;
        }
        writer.put(key, value);
        last = at;
        kept++;
        if (kept % 4096 === 0) progress?.({ step: "rewriting", done: kept, ...found.total, unit: "keys" });
      }
      for (const [sub, edit] of edits.entries()) {
        writer.put(...editEntry(edit, revision, sub, edited));
        last = { main: revision, sub, tombstone: false };
        kept++;
      }
      if (last.main < revision) {
        // A deletion of a key that never was: etcd takes its revision and nothing else.
        writer.put(...revisionPlaceholder(revision));
        kept++;
      }
    } else {
      for (const [key, value] of withCompaction(bucket.path, entriesOf(bucket), compact ? revision : 0)) {
        await turn();
        writer.put(key, value);
      }
    }
    writer.closeBucket();
  }
  return { size: writer.finish(), revision, kept, dropped, keysOfEndedLeases: found.ended };
}

interface ChosenEntries {
  readonly revision: number;
  /** Keys whose lease has ended after the revision asked for. */
  readonly ended: readonly Uint8Array[];
  /** Undefined where every version stays. */
  readonly isLive: ((at: Revision, entry: RewrittenEntry, key: Uint8Array) => boolean) | undefined;
  /** How many entries will stay, if that is known. */
  readonly total: { readonly total?: number };
}

/** No key is empty. */
const NO_KEY: KeySelection = { prefix: new Uint8Array(0), exact: true };

/** What has to be known of all keys. However many there are, no more than some are held at once, unless the file is damaged. */
async function chooseEntries(snapshot: Snapshot, options: RewriteOptions, isDamaged: boolean): Promise<ChosenEntries> {
  const { compact, atRevision, signal } = options;
  if (!compact && atRevision === undefined) {
    const { revision } = await readKeyspace(snapshot, { ...options, select: [NO_KEY] });
    return { revision, ended: [], isLive: undefined, total: {} };
  }
  const { leases } = readStoreInfo(snapshot);
  const endedIn = (keyspace: Keyspace): Promise<Uint8Array[]> | Uint8Array[] =>
    atRevision === undefined ? [] : findKeysOfEndedLeases(keyspace, leases, signal);
  if (isDamaged) {
    const keyspace = await readKeyspace(snapshot, options);
    const isLive = compact ? liveByKey(keyspace.index) : undefined;
    return { revision: keyspace.revision, ended: await endedIn(keyspace), isLive, total: {} };
  }
  const live = createLiveEntries(snapshot.bolt);
  const ended: Uint8Array[] = [];
  let revision = 0;
  for await (const { keyspace } of readKeyspaceParts(snapshot, { ...options, isCompared: true })) {
    revision = keyspace.revision;
    ended.push(...(await endedIn(keyspace)));
    if (!compact) continue;
    const { index } = keyspace;
    for (let i = 0; i < index.count; i++) {
      if (index.tombstone[i] === 0) live.add(defined(index.page[i]), defined(index.item[i]));
    }
  }
  if (!compact) return { revision, ended, isLive: undefined, total: {} };
  // An entry without a key raises the revision and says nothing.
  const isLive: ChosenEntries["isLive"] = (_, { page, item }, key) => key.length === 0 || live.has(page, item);
  return { revision, ended, isLive, total: { total: live.count } };
}

/** As a damaged tree is read: what is on a page that it reaches twice, or not where it should, stays. */
function liveByKey(index: KeyIndex): ChosenEntries["isLive"] {
  return (at, _, key) => {
    const i = findKey(index, key);
    return i < 0 || (index.tombstone[i] === 0 && index.main[i] === at.main && index.sub[i] === at.sub);
  };
}

function keysOf(edits: readonly KeyEdit[]): KeySelection[] {
  return edits.map(({ key }) => ({ prefix: key, exact: true }));
}

/** As etcd would have written it. */
function editEntry({ key, value }: KeyEdit, main: number, sub: number, keyspace: Keyspace | undefined): KeyAndValue {
  const revision = encodeRevision({ main, sub, tombstone: value === undefined });
  if (value === undefined) {
    const nothing = { value: new Uint8Array(0), createRevision: 0, modRevision: 0, version: 0, lease: 0n };
    return [revision, encodeKeyValue({ ...nothing, key })];
  }
  const before = keyspace?.get(new TextDecoder().decode(key));
  const { createRevision, version, lease } = before ?? { createRevision: main, version: 0, lease: 0n };
  return [revision, encodeKeyValue({ key, value, createRevision, modRevision: main, version: version + 1, lease })];
}

function createFilter(
  atRevision: number,
  exclude: readonly Uint8Array[],
  excludeKeys: ReadonlySet<string>,
  isLive: ChosenEntries["isLive"],
): (revision: Revision, entry: RewrittenEntry) => boolean {
  const fields = createKeyValueFields();
  return (revision, entry) => {
    if (revision.main > atRevision) return false;
    if (exclude.length === 0 && excludeKeys.size === 0 && isLive === undefined) return true;
    const { value } = entry;
    if (locateKeyValue(value, 0, value.length, fields) !== undefined) return isLive === undefined;
    const key = value.subarray(fields.keyStart, fields.keyEnd);
    if (exclude.some((prefix) => startsWith(key, prefix))) return false;
    if (excludeKeys.size > 0 && excludeKeys.has(Buffer.from(key).toString("latin1"))) return false;
    return isLive === undefined || isLive(revision, entry, key);
  };
}

function startsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  return key.length >= prefix.length && Buffer.compare(key.subarray(0, prefix.length), prefix) === 0;
}

/** In the order of their names; of two with one name the first. */
function distinct(buckets: readonly Bucket[]): Bucket[] {
  const ordered = [...buckets].sort((a, b) => compareBytes(a.name, b.name));
  return ordered.filter(({ name }, i) => i === 0 || compareBytes(defined(ordered[i - 1]).name, name) !== 0);
}

/** An entry, and where it lies in the source. */
interface RewrittenEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly page: number;
  readonly item: number;
}

function* places(entries: Iterable<Entry>): Generator<RewrittenEntry> {
  for (const { key, value, page, index } of entries) yield { key, value, page: page.id, item: index };
}

/** A damaged tree has keys out of order, or twice. All are in memory at once. The first of two with one key stays. */
function sorted(
  entries: Iterable<RewrittenEntry>,
  bucket: string,
  report: (finding: Finding) => void,
): RewrittenEntry[] {
  const all = Array.from(entries, ({ key, value, ...place }) => ({ key: key.slice(), value: value.slice(), ...place }));
  all.sort((a, b) => compareBytes(a.key, b.key));
  return all.filter(({ key, value }, i) => {
    const before = all[i - 1];
    if (before === undefined || compareBytes(before.key, key) !== 0) return true;
    if (compareBytes(before.value, value) !== 0) {
      const where = `bucket "${bucket}" · key ${Buffer.from(key).toString("hex")}`;
      const text = "the key is there twice with two values: one of them was left out";
      report({ level: "warning", code: "key-twice", where, text });
    }
    return false;
  });
}

/** A bucket's entries; in `meta`, with what says that everything before `compacted` is gone. */
function* withCompaction(bucket: string, entries: Iterable<RewrittenEntry>, compacted: number): Generator<KeyAndValue> {
  const set = bucket === "meta" && compacted > 0 ? ["finishedCompactRev", "scheduledCompactRev"] : [];
  const value = encodeRevision({ main: compacted, sub: 0, tombstone: false });
  for (const { key, value: own } of entries) {
    const name = Buffer.from(key).toString("latin1");
    while (set.length > 0 && defined(set[0]) < name) yield [Buffer.from(defined(set.shift())), value];
    if (set[0] === name) yield [Buffer.from(defined(set.shift())), value];
    else yield [key, own];
  }
  for (const name of set) yield [Buffer.from(name), value];
}
