/** `snapshot status`: what a snapshot is, in one look. */

import { readEntries } from "../../bolt/bucket.ts";
import { checkFreePages, checkMetas } from "../../bolt/check.ts";
import { type LeafMap, mapLeaves } from "../../bolt/leaf-map.ts";
import { createPageSet } from "../../bolt/page-set.ts";
import { defined } from "../../errors/defined.ts";
import type { Finding } from "../../errors/errors.ts";
import { hashSeed } from "../../mvcc/hash-seed.ts";
import { appendBytes, appendEntry, appendLeaves, createLeafHashes, type RunningHash } from "../../mvcc/hash-task.ts";
import { findKey } from "../../mvcc/key-table.ts";
import { type LiveKeys, liveKeysOf, liveKeysSpec } from "../../mvcc/live-keys-task.ts";
import type { Member } from "../../mvcc/store-info.ts";
import { type HashVerdict, startHash } from "../../snapshot/hash-snapshot.ts";
import { mayIndexAll } from "../../snapshot/index-size.ts";
import { openSnapshot, readStoreInfo, type Snapshot, type SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { type SweepOptions, sweepInParallel } from "../../snapshot/parallel-sweep.ts";
import { findEtcdPrefixes } from "../../storage/etcd-prefix.ts";

/** The first four are etcdutl's own, by name and value. */
export interface SnapshotStatus {
  /** CRC-32C over all buckets, keys and values. */
  readonly hash: number;
  /** The newest revision in the file. */
  readonly revision: number;
  /** Entries of all buckets: versions and tombstones, members, leases and the rest. */
  readonly totalKey: number;
  /** Bytes of the database's pages, up to the high-water mark. */
  readonly totalSize: number;
  readonly sha256: HashVerdict | "skipped";
  /** Versions before this one may be gone; 0 where nothing was compacted. */
  readonly compactRevision: number;
  /** Keys that exist at `revision`. */
  readonly liveKeys: number;
  /** Raft's index and term of the last entry applied; null where the etcd that wrote it recorded none. */
  readonly consistentIndex: number | null;
  readonly term: number | null;
  readonly storageVersion: string | null;
  readonly clusterVersion: string | null;
  /** etcd prefixes below which a Kubernetes cluster lives. */
  readonly prefixes: readonly string[];
  readonly members: readonly Member[];
  readonly leases: number;
  readonly alarms: readonly string[];
  readonly archive: string | null;
  readonly pageSize: number;
  readonly findings: readonly Finding[];
}

export interface StatusOptions extends SnapshotOptions {
  /** Leave the SHA-256 unverified: faster by what hashing the file takes. */
  readonly skipHashCheck?: boolean;
  /** Where there may be more entries than this, live keys are counted without an index of them. */
  readonly mostIndexed?: number;
}

export async function readSnapshotStatus(path: string, options: StatusOptions = {}): Promise<SnapshotStatus> {
  using snapshot = await openSnapshot(path, options);
  const { file, bolt, buckets, findings, reached } = snapshot;
  const { report } = findings;
  const hashing = options.skipHashCheck === true ? undefined : startHash(file);
  try {
    checkMetas(bolt, report);
    const map = mapLeaves(bolt, buckets, report, reached);
    const hashes = createLeafHashes(map.list.count);
    const info = readStoreInfo(snapshot);
    const compactRevision = Math.max(info.finishedCompact, info.scheduledCompact);
    const counts = info.finishedCompact === compactRevision && !mayIndexAll(bolt, map, options.mostIndexed);
    const liveKeys = liveKeysSpec();
    const keysTask = counts ? { countLive: { compactRevision } } : { liveKeys };
    const spec = { hash: hashes, signs: true, ...keysTask };
    const sweepOptions: SweepOptions = {
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      onProgress: (done, total) => options.progress?.({ step: "reading", done, total, unit: "bytes" }),
      besideHash: hashing?.hasThread === true,
    };
    const { versions, liveCount, signs } = await sweepInParallel(snapshot, map, spec, reached, report, sweepOptions);
    const keys =
      liveCount === undefined
        ? (liveKeysOf(defined(versions), liveKeys) ?? (await indexLiveKeys(snapshot, map, sweepOptions)))
        : undefined;
    checkFreePages(bolt, reached, report);

    const hash: RunningHash = { crc: 0 };
    let totalKey = 0;
    buckets.forEach((bucket, i) => {
      appendBytes(hash, bucket.name);
      const first = i === 0 ? 0 : defined(map.bucketEnds[i - 1]);
      appendLeaves(hash, hashes, first, defined(map.bucketEnds[i]));
      for (let leaf = first; leaf < defined(map.bucketEnds[i]); leaf++) totalKey += defined(hashes.entries[leaf]);
      if (typeof bucket.root === "number") return;
      for (const entry of readEntries(bolt, bucket, report)) {
        appendEntry(hash, entry);
        totalKey += 1;
      }
    });

    const sha256 = hashing === undefined ? "skipped" : await hashing.verdict;
    reportHash(sha256, path, report);
    return {
      hash: hash.crc,
      revision: defined(versions ?? liveCount).lastRevision,
      totalKey,
      totalSize: bolt.meta.highWater * bolt.meta.pageSize,
      sha256,
      compactRevision,
      liveKeys: keys?.count ?? defined(liveCount).live,
      consistentIndex: info.consistentIndex ?? null,
      term: info.term ?? null,
      storageVersion: info.storageVersion ?? null,
      clusterVersion: info.clusterVersion ?? null,
      prefixes: findEtcdPrefixes(defined(signs).filter((key) => keys?.has(key) ?? true)).map((found) => found.prefix),
      members: info.members,
      leases: info.leases.length,
      alarms: info.alarms.map((alarm) => `${alarm.type} on member ${alarm.member}`),
      archive: file.archive ?? null,
      pageSize: bolt.meta.pageSize,
      findings: findings.list(),
    };
  } finally {
    await hashing?.stop();
  }
}

/** What a hash verdict means for whoever wants to restore from the file. */
export function reportHash(verdict: HashVerdict | "skipped", path: string, report: (finding: Finding) => void): void {
  if (verdict === "mismatch") {
    const text = "the file does not match the SHA-256 at its end: it was changed or damaged after it was taken";
    report({ level: "error", code: "snapshot-hash-mismatch", where: path, text });
  } else if (verdict === "absent") {
    const text =
      "no SHA-256 at its end: a raw copy of a database; if etcd was running when it was copied, pages " +
      "may be torn or the last writes missing";
    report({ level: "warning", code: "snapshot-hash-absent", where: path, text });
  }
}

/** The live keys of a file whose versions do not follow one another: with an index of them all. */
async function indexLiveKeys(snapshot: Snapshot, map: LeafMap, options: SweepOptions): Promise<LiveKeys> {
  const spec = { index: { select: [], seed: hashSeed() } };
  const seen = createPageSet(snapshot.bolt.pageCount);
  const nothingNew = (): void => {}; // the first sweep reported what is wrong
  const { index } = defined((await sweepInParallel(snapshot, map, spec, seen, nothingNew, options)).index);
  let count = 0;
  for (let i = 0; i < index.count; i++) if (index.tombstone[i] === 0) count += 1;
  const has = (key: Uint8Array): boolean => {
    const i = findKey(index, key);
    return i >= 0 && index.tombstone[i] === 0;
  };
  return { count, has };
}
