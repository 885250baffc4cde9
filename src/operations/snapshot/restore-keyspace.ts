/**
 * The keyspace of a snapshot, rewritten: as it was at a revision, without some keys, or without history. Every entry that stays keeps its
 * revision, so the order of the file is the order of the new one.
 */
import { readEntries } from "../../bolt/bucket.ts";
import type { KeyAndValue } from "../../bolt/edit.ts";
import type { ByteSink } from "../../bolt/page-output.ts";
import { createBoltWriter } from "../../bolt/writer.ts";
import { invariant } from "../../errors/errors.ts";
import { findKey, type KeyIndex } from "../../mvcc/key-index.ts";
import { createKeyValueFields, encodeKeyValue, locateKeyValue } from "../../mvcc/key-value.ts";
import { decodeRevision, encodeRevision, type Revision } from "../../mvcc/revision.ts";
import type { Snapshot, SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { readKeyspace } from "../../snapshot/read-keyspace.ts";

export interface RewriteOptions extends SnapshotOptions {
  /** The keyspace as it was at this revision; the newest unless given. */
  readonly atRevision?: number;
  /** Keys that begin with one of these are left out, with all their versions. */
  readonly exclude: readonly string[];
  /** These keys are left out, with all their versions. */
  readonly excludeKeys?: readonly string[];
  /** Only the live version of each key stays. */
  readonly compact: boolean;
}

export interface Rewritten {
  /** Bytes of the new database. */
  readonly size: number;
  /** The newest revision in it: that of the source, or the one asked for. */
  readonly revision: number;
  /** Entries of the `key` bucket that were written, and that were left out. */
  readonly kept: number;
  readonly dropped: number;
}

/**
 * Writes the database anew, all buckets but `key` as they are. An entry marks the newest revision even where its key was left out, so that
 * the revision does not go back.
 */
export async function rewriteDatabase(snapshot: Snapshot, sink: ByteSink, options: RewriteOptions): Promise<Rewritten> {
  const { bolt, buckets, findings } = snapshot;
  const { exclude, excludeKeys = [], compact, atRevision, signal, progress } = options;
  const keyspace = await readKeyspace(snapshot, options);
  const { revision } = keyspace;
  const prefixes = exclude.map((prefix) => Buffer.from(prefix));
  const keys = new Set(excludeKeys.map((key) => Buffer.from(key).toString("latin1")));
  const newest = atRevision ?? Number.MAX_SAFE_INTEGER;
  const keeps = createFilter(newest, prefixes, keys, compact ? keyspace.index : undefined);
  const writer = createBoltWriter(sink, { pageSize: bolt.meta.pageSize });
  let kept = 0;
  let dropped = 0;
  for (const bucket of buckets) {
    writer.openBucket(bucket.name, BigInt(bucket.sequence));
    if (bucket.path === "key") {
      let last: Revision = { main: 0, sub: 0, tombstone: false };
      for (const { key, value } of readEntries(bolt, bucket, findings.report)) {
        const found = decodeRevision(key);
        if (found === undefined || !keeps(found, value)) {
          dropped++;
          continue;
        }
        writer.put(key, value);
        last = found;
        kept++;
        if (kept % 4096 !== 0) continue;
        signal?.throwIfAborted();
        progress?.({ step: "rewriting", done: kept, total: kept + keyspace.index.count, unit: "keys" });
      }
      if (last.main < revision) {
        // A deletion of a key that never was: etcd takes its revision and nothing else.
        writer.put(...placeholder(revision));
        kept++;
      }
    } else {
      for (const { key, value } of sortedMeta(
        bucket.path,
        readEntries(bolt, bucket, findings.report),
        compact ? revision : 0,
      )) {
        writer.put(key, value);
      }
    }
    writer.closeBucket();
  }
  return { size: writer.finish(), revision, kept, dropped };
}

/** A tombstone of a key that nobody has. */
export function placeholder(revision: number): KeyAndValue {
  const nobody = { value: new Uint8Array(0), createRevision: 0, modRevision: 0, version: 0, lease: 0n };
  const key = encodeRevision({ main: revision, sub: 0, tombstone: true });
  return [key, encodeKeyValue({ ...nobody, key: Buffer.from("\0kubemend/revision") })];
}

function createFilter(
  atRevision: number,
  exclude: readonly Uint8Array[],
  excludeKeys: ReadonlySet<string>,
  live: KeyIndex | undefined,
): (revision: Revision, value: Uint8Array) => boolean {
  const fields = createKeyValueFields();
  return (revision, value) => {
    if (revision.main > atRevision) return false;
    if (exclude.length === 0 && excludeKeys.size === 0 && live === undefined) return true;
    if (locateKeyValue(value, 0, value.length, fields) !== undefined) return live === undefined;
    const key = value.subarray(fields.keyStart, fields.keyEnd);
    if (exclude.some((prefix) => startsWith(key, prefix))) return false;
    if (excludeKeys.size > 0 && excludeKeys.has(Buffer.from(key).toString("latin1"))) return false;
    if (live === undefined) return true;
    const i = findKey(live, key);
    invariant(i >= 0, "every key of the file is in its index");
    return live.tombstone[i] === 0 && live.main[i] === revision.main && live.sub[i] === revision.sub;
  };
}

function startsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  return key.length >= prefix.length && Buffer.compare(key.subarray(0, prefix.length), prefix) === 0;
}

/** A bucket's entries; in `meta`, what says that everything before `compacted` is gone. */
function* sortedMeta(
  bucket: string,
  entries: Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }>,
  compacted: number,
): Generator<{ readonly key: Uint8Array; readonly value: Uint8Array }> {
  const set = bucket === "meta" && compacted > 0 ? ["finishedCompactRev", "scheduledCompactRev"] : [];
  const value = encodeRevision({ main: compacted, sub: 0, tombstone: false });
  for (const entry of entries) {
    const name = Buffer.from(entry.key).toString("latin1");
    while (set.length > 0 && set[0]! < name) yield { key: Buffer.from(set.shift()!), value };
    if (set[0] === name) yield { key: Buffer.from(set.shift()!), value };
    else yield entry;
  }
  for (const name of set) yield { key: Buffer.from(name), value };
}
