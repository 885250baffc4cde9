/** A snapshot that is in memory as a whole, such as a file that was dropped on a page: its live keys, with no thread and no file. */
import { readBolt } from "../bolt/bolt.ts";
import { readBuckets, readEntries } from "../bolt/bucket.ts";
import { memorySource } from "../bolt/byte-source.ts";
import { type Finding, MendError } from "../errors/errors.ts";
import { decodeKeyValue, type KeyValue } from "../mvcc/key-value.ts";
import { decodeRevision, type Revision } from "../mvcc/revision.ts";

export interface SnapshotInMemory {
  /** The revision that is shown. */
  readonly revision: number;
  /** The live key-values in the byte order of their keys; views into the snapshot. */
  readonly entries: readonly KeyValue[];
  /** What is damaged, and left out. */
  readonly findings: readonly Finding[];
}

export interface ReadOptions {
  /** As it was at this revision; the newest unless given. */
  readonly atRevision?: number;
}

/**
 * `bytes` are those of an unpacked snapshot file. Its SHA-256 is not compared, and what was compacted is not known: a
 * revision before the last compaction shows less than there was. Throws a `MendError` where it is no snapshot of etcd.
 */
export function readSnapshot(bytes: Uint8Array, { atRevision }: ReadOptions = {}): SnapshotInMemory {
  const findings: Finding[] = [];
  const report = (finding: Finding): void => void findings.push(finding);
  const bolt = readBolt(memorySource(bytes));
  const bucket = readBuckets(bolt, report).find(({ path }) => path === "key");
  if (bucket === undefined)
    throw new MendError("not-a-snapshot", "this is a bbolt database, and not etcd's: it has no bucket of keys");
  const newest = new Map<string, { readonly revision: Revision; readonly keyValue: KeyValue }>();
  let last = 0;
  for (const { key, value, page, index } of readEntries(bolt, bucket, report)) {
    const where = `page ${page.id} item ${index}`;
    const revision = decodeRevision(key);
    if (revision === undefined) {
      report({ level: "error", code: "revision-invalid", where, text: "its key is no revision" });
      continue;
    }
    last = Math.max(last, revision.main);
    if (atRevision !== undefined && revision.main > atRevision) continue;
    const keyValue = decodeKeyValue(value);
    if (typeof keyValue === "string") report({ level: "error", code: "value-unreadable", where, text: keyValue });
    else newest.set(nameOf(keyValue.key), { revision, keyValue }); // entries come in the order of their revisions
  }
  if (atRevision !== undefined && atRevision > last)
    throw new MendError("revision-in-future", `the snapshot ends at revision ${last}`);
  const live = [...newest].filter(([, { revision }]) => !revision.tombstone);
  live.sort(([a], [b]) => (a < b ? -1 : 1));
  return { revision: atRevision ?? last, entries: live.map(([, { keyValue }]) => keyValue), findings };
}

/** A string that sorts and compares as the bytes do. */
function nameOf(key: Uint8Array): string {
  let name = "";
  for (const byte of key) name += String.fromCharCode(byte);
  return name;
}
