/** A model of etcd's history: puts and deletions of keys, what a compaction leaves of them, and the snapshot of that. */
import { createBoltWriter } from "../src/bolt/writer.ts";
import { encodeKeyValue } from "../src/mvcc/key-value.ts";
import { encodeRevision } from "../src/mvcc/revision.ts";
import { withHash } from "./damage/sample-snapshot.ts";

/** Without a value: a deletion. */
export interface Change {
  readonly key: string;
  readonly value?: string;
}

interface Entry {
  readonly key: string;
  readonly main: number;
  readonly sub: number;
  readonly create: number;
  readonly version: number;
  readonly value: string | undefined;
}

/** Each inner list is a transaction, a revision of its own. A key that is not there is not deleted. */
export function historyOf(transactions: readonly (readonly Change[])[]): Entry[] {
  const live = new Map<string, Entry>();
  const history: Entry[] = [];
  let main = 1;
  for (const changes of transactions) {
    main++;
    const keys = new Set<string>();
    for (const { key, value } of changes) {
      const old = live.get(key);
      if (keys.has(key) || (value === undefined && old === undefined)) continue;
      const version = value === undefined ? 0 : (old?.version ?? 0) + 1;
      const entry = { key, main, sub: keys.size, create: version === 0 ? 0 : (old?.create ?? main), version, value };
      keys.add(key);
      history.push(entry);
      if (value === undefined) live.delete(key);
      else live.set(key, entry);
    }
  }
  return history;
}

export interface Compaction {
  readonly scheduled: number;
  /** The one before it, which was finished; equal to `scheduled` where that one was. */
  readonly finished: number;
  /** How many entries of those that are to go are gone, the oldest first. */
  readonly removed: number;
}

/** Of each key the newest up to the revision, unless that is a deletion, and all after it. */
function compacted(history: readonly Entry[], at: number): Entry[] {
  const newest = new Map<string, Entry>();
  for (const each of history) if (each.main <= at) newest.set(each.key, each);
  return history.filter((each) => each.main > at || (newest.get(each.key) === each && each.value !== undefined));
}

/** A snapshot of the history after a compaction, which may be unfinished. */
export function historySnapshot(all: readonly Entry[], { scheduled, finished, removed }: Compaction): Uint8Array {
  const before = compacted(all, finished);
  const kept = new Set(compacted(before, scheduled));
  const going = new Set(before.filter((each) => !kept.has(each)).slice(0, scheduled === finished ? Infinity : removed));
  const parts: { bytes: Uint8Array; at: number }[] = [];
  const writer = createBoltWriter(
    { write: (bytes, at) => void parts.push({ bytes: bytes.slice(), at }) },
    { pageSize: 1024, inlineBuckets: false },
  );
  writer.openBucket(Buffer.from("key"));
  for (const each of before) {
    if (going.has(each)) continue;
    const { key, main, sub, create, version, value } = each;
    const tombstone = value === undefined;
    writer.put(
      encodeRevision({ main, sub, tombstone }),
      encodeKeyValue({
        key: Buffer.from(key),
        value: Buffer.from(value ?? ""),
        createRevision: create,
        modRevision: tombstone ? 0 : main,
        version,
        lease: 0n,
      }),
    );
  }
  writer.closeBucket();
  writer.openBucket(Buffer.from("meta"));
  const at = (main: number) => encodeRevision({ main, sub: 0, tombstone: false });
  if (finished > 0) writer.put(Buffer.from("finishedCompactRev"), at(finished));
  if (scheduled > 0) writer.put(Buffer.from("scheduledCompactRev"), at(scheduled));
  writer.closeBucket();
  const database = new Uint8Array(writer.finish());
  for (const part of parts) database.set(part.bytes, part.at);
  return withHash(database);
}
