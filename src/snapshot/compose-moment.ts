/**
 * A database as it was at a revision, put together from a full and the deltas after it: the full as etcd streamed it,
 * their changes behind its last one, and the leases that they name. It lies where whoever asks for it wants to have it
 * in the end, such as in a new data dir, or else in a file without a name, as an unpacked archive does.
 */

import { createHash } from "node:crypto";
import { readBolt } from "../bolt/bolt.ts";
import { readBuckets, readEntries } from "../bolt/bucket.ts";
import { readSmallBucket, resumeBucket } from "../bolt/edit.ts";
import { createBoltWriter } from "../bolt/writer.ts";
import { defined } from "../errors/defined.ts";
import { type Finding, MendError } from "../errors/errors.ts";
import { createUnnamedFile, type DatabaseFile } from "../io/files/durable/unnamed-file.ts";
import { descriptorSource, type FileSource } from "../io/files/file-source.ts";
import { readDeltas } from "../io/repository/read-deltas.ts";
import { type Link, type Repository, streamContent, whereOf } from "../io/repository/repository.ts";
import { newestRevision } from "../mvcc/newest-revision.ts";
import { revisionPlaceholder } from "../mvcc/placeholder.ts";
import { decodeRevision, encodeRevision } from "../mvcc/revision.ts";
import { createStoreInfo } from "../mvcc/store-info.ts";
import { createLeaseTracker, encodeStoredLease, SHORT_TTL } from "../repository/leases.ts";
import type { Pieces } from "../repository/pieces.ts";
import type { ProgressSink } from "./progress.ts";

export interface ComposedMoment {
  readonly file: DatabaseFile;
  /** Of the database, in bytes. */
  readonly size: number;
  readonly revision: number;
  /** Leases whose TTL nobody knew: they end a minute after etcd starts. */
  readonly guessedLeases: readonly bigint[];
}

export interface ComposeOptions {
  readonly signal?: AbortSignal;
  readonly progress?: ProgressSink;
  /** Where databases of moments go; into files without names unless given. */
  readonly composeInto?: ComposeTarget;
}

/** An empty file for about so many bytes. Called again where what was written first turns out to be damaged. */
export type ComposeTarget = (bytes: number) => Promise<DatabaseFile>;

const intoUnnamed: ComposeTarget = async (bytes) => createUnnamedFile(bytes);

const HASH_SIZE = 32;
const SECTOR = 512;

/** Throws `repository-damaged` where a piece is not what it was, and `identity-missing`. */
export async function composeMoment(
  repository: Repository,
  links: readonly Link[],
  pieces: Pieces,
  options: ComposeOptions = {},
): Promise<ComposedMoment> {
  const { full, deltas, revision } = pieces;
  const linkOf = (sequence: number): Link => defined(links.find((link) => link.sequence === sequence));
  const fullLink = linkOf(full.sequence);
  const { composeInto = intoUnnamed } = options;
  const isCut = revision < full.revisions.to;
  const expected = [full, ...deltas].reduce((sum, { content }) => sum + content.plainSize, 0);
  const file = isCut ? createUnnamedFile(expected) : await composeInto(expected);
  try {
    let size = await writeFull(repository, fullLink, file, options);
    const where = whereOf(repository, fullLink);
    const bolt = readBolt(descriptorSource(file.descriptor, where, size));
    const newest = newestRevision(bolt);
    if (newest !== full.revisions.to) throw wrongRevision(where, newest, full.revisions.to);
    if (isCut) {
      const cut = await cutOff(descriptorSource(file.descriptor, where, size), revision, composeInto);
      file.close();
      return { ...cut, revision };
    }
    let guessedLeases: readonly bigint[] = [];
    if (deltas.length > 0) {
      ({ size, guessedLeases } = await applyDeltas(
        repository,
        deltas.map(({ sequence }) => linkOf(sequence)),
        {
          file,
          size,
          where,
          from: newest,
          to: revision,
          options,
        },
      ));
    }
    return { file, size, revision, guessedLeases };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** The database that the full holds, checked against the SHA-256 that etcd put behind it. Returns its size. */
async function writeFull(
  repository: Repository,
  link: Link,
  file: DatabaseFile,
  { signal, progress }: ComposeOptions,
): Promise<number> {
  const { plainSize } = link.signed.head.content;
  const hasHash = plainSize % SECTOR === HASH_SIZE;
  const size = hasHash ? plainSize - HASH_SIZE : plainSize;
  const hash = createHash("sha256");
  const stored: Uint8Array[] = [];
  let position = 0;
  for await (const chunk of streamContent(repository, link)) {
    signal?.throwIfAborted();
    const own = chunk.subarray(0, Math.max(0, size - position));
    if (own.length < chunk.length) stored.push(Buffer.from(chunk.subarray(own.length)));
    hash.update(own);
    file.write(own, position);
    position += own.length;
    progress?.({ step: "fetching", done: position, total: size, unit: "bytes" });
  }
  if (hasHash && !hash.digest().equals(Buffer.concat(stored))) {
    throw new MendError(
      "snapshot-hash-mismatch",
      `the snapshot in "${whereOf(repository, link)}" does not match its SHA-256`,
      {
        where: whereOf(repository, link),
        hint: "restore to a revision before or after it, from another full",
      },
    );
  }
  return size;
}

interface Target {
  readonly file: DatabaseFile;
  readonly size: number;
  readonly where: string;
  /** The newest revision that is there, and the one to reach. */
  readonly from: number;
  readonly to: number;
  readonly options: ComposeOptions;
}

async function applyDeltas(
  repository: Repository,
  links: readonly Link[],
  { file, size, where, from, to, options }: Target,
): Promise<{ size: number; guessedLeases: readonly bigint[] }> {
  const bolt = readBolt(descriptorSource(file.descriptor, where, size));
  const keys = resumeBucket(bolt, file, "key");
  const tracker = createLeaseTracker();
  let reached = from;
  let done = 0;
  for await (const walk of readDeltas(repository, links)) {
    options.signal?.throwIfAborted();
    const before = reached;
    const { leases } = walk((change) => {
      const { revision: main, sub, deletion: tombstone, keyValue } = change;
      if (main <= before || main > to) return;
      keys.put(encodeRevision({ main, sub, tombstone }), keyValue);
      tracker.change(change);
      reached = main;
    });
    tracker.grants(leases);
    options.progress?.({ step: "applying changes", done: ++done, total: links.length, unit: "objects" });
  }
  if (reached !== to) throw wrongRevision(where, reached, to);
  const { leases, guessed } = tracker.finish();
  const all = new Map((readSmallBucket(bolt, "lease") ?? []).map((entry) => [hexOf(entry[0]), entry]));
  for (const [id, ttl] of leases) {
    const entry = encodeStoredLease(id, ttl);
    all.set(hexOf(entry[0]), entry);
  }
  const replace = [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
  const grown = keys.finish(new Map([["lease", { replace }]]));
  file.truncate(grown);
  return { size: grown, guessedLeases: guessed };
}

export interface CutOff {
  readonly file: DatabaseFile;
  readonly size: number;
  readonly guessedLeases: readonly bigint[];
}

/** The same database without what came after a revision that it still shows, in another file. Throws `revision-compacted`. */
export async function cutOff(
  source: FileSource,
  revision: number,
  composeInto: ComposeTarget = intoUnnamed,
): Promise<CutOff> {
  const refuse = (finding: Finding): void => {
    if (finding.level !== "error") return;
    throw new MendError("snapshot-damaged", `the database is damaged: ${finding.text}`, { where: finding.where });
  };
  const bolt = readBolt(source);
  const info = createStoreInfo((where, text) => refuse({ level: "error", code: "store-info-invalid", where, text }));
  const buckets = readBuckets(bolt, refuse);
  for (const bucket of buckets.filter(({ path }) => path === "meta")) {
    for (const entry of readEntries(bolt, bucket, refuse)) info.add("meta", entry);
  }
  const { finishedCompact, scheduledCompact } = info.finish();
  const compacted = Math.max(finishedCompact, scheduledCompact);
  if (revision < compacted) {
    throw new MendError("revision-compacted", `revision ${revision} was compacted away`, {
      where: source.name,
      hint: `the oldest revision that it can show is ${compacted}`,
    });
  }
  const file = await composeInto(source.size);
  try {
    const writer = createBoltWriter(file, { pageSize: bolt.meta.pageSize });
    // A lease that has ended since is no longer in the file: its keys would never end.
    const tracker = createLeaseTracker();
    let guessed: readonly bigint[] = [];
    for (const bucket of buckets) {
      writer.openBucket(bucket.name, BigInt(bucket.sequence));
      let last = 0;
      for (const { key, value } of readEntries(bolt, bucket, refuse)) {
        const main = bucket.path === "key" ? (decodeRevision(key)?.main ?? 0) : 0;
        if (main > revision) break;
        if (bucket.path === "key") {
          const { sub, tombstone: deletion } = decodeRevision(key) ?? { sub: 0, tombstone: false };
          tracker.change({ revision: main, sub, deletion, keyValue: value });
        }
        if (bucket.path !== "lease") writer.put(key, value);
        last = main;
      }
      if (bucket.path === "lease") {
        const stored = new Map<string, readonly [Uint8Array, Uint8Array]>(
          [...readEntries(bolt, bucket, refuse)].map(({ key, value }) => [
            hexOf(key),
            [Uint8Array.from(key), Uint8Array.from(value)] as const,
          ]),
        );
        tracker.grants([...stored.keys()].map((id) => ({ id: BigInt.asIntN(64, BigInt(`0x${id}`)), ttl: SHORT_TTL })));
        ({ guessed } = tracker.finish());
        for (const id of guessed) {
          const entry = encodeStoredLease(id, SHORT_TTL);
          stored.set(hexOf(entry[0]), entry);
        }
        for (const [, [key, value]] of [...stored].sort(([a], [b]) => (a < b ? -1 : 1))) writer.put(key, value);
      }
      if (bucket.path === "key" && last < revision) {
        const [key, value] = revisionPlaceholder(revision);
        writer.put(key, value);
      }
      writer.closeBucket();
    }
    return { file, size: writer.finish(), guessedLeases: guessed };
  } catch (error) {
    file.close();
    throw error;
  }
}

function hexOf(key: Uint8Array): string {
  return Buffer.from(key).toString("hex");
}

function wrongRevision(where: string, found: number, expected: number): MendError {
  return new MendError("repository-damaged", `"${where}" leads to revision ${found}, expected ${expected}`, {
    where,
    hint: "see all damage with kubemend backup verify",
  });
}
