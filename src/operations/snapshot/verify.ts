/** `snapshot verify`: everything that can be wrong with a snapshot, found before it is needed. */

import { readEntries } from "../../bolt/bucket.ts";
import { checkFreePages, checkMetas } from "../../bolt/check.ts";
import { mapLeaves } from "../../bolt/leaf-map.ts";
import { defined } from "../../errors/defined.ts";
import type { Finding } from "../../errors/errors.ts";
import { reportTallies } from "../../errors/findings.ts";
import { type HashVerdict, startHash } from "../../snapshot/hash-snapshot.ts";
import { openSnapshot, readStoreInfo, type SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { sweepInParallel } from "../../snapshot/parallel-sweep.ts";
import type { EncryptionConfig } from "../../storage/encryption-config.ts";
import { findEtcdPrefixes } from "../../storage/etcd-prefix.ts";
import { reportHash } from "./status.ts";

export interface VerifySnapshotOptions extends SnapshotOptions {
  readonly encryption?: EncryptionConfig;
  readonly etcdPrefix?: string;
}

export interface SnapshotVerification {
  /** True where no finding is an error. */
  readonly ok: boolean;
  readonly sha256: HashVerdict;
  readonly pages: number;
  readonly revision: number;
  /** Versions of keys that were looked at, by what became of them. */
  readonly objects: number;
  readonly encrypted: number;
  readonly opaque: number;
  readonly unreadable: number;
  readonly tombstones: number;
  readonly prefixes: readonly string[];
  readonly findings: readonly Finding[];
}

/**
 * Checks the hash, every page, every revision and every object of a snapshot. Damage is in the findings; only what
 * cannot be read at all throws.
 */
export async function verifySnapshot(path: string, options: VerifySnapshotOptions = {}): Promise<SnapshotVerification> {
  using snapshot = await openSnapshot(path, options);
  const { file, bolt, buckets, findings, reached } = snapshot;
  const { report } = findings;
  const { encryption, etcdPrefix, signal, progress } = options;
  for (const finding of encryption?.findings ?? []) report(finding);
  const hashing = startHash(file);
  try {
    checkMetas(bolt, report);
    const map = mapLeaves(bolt, buckets, report, reached);
    const spec = {
      signs: true,
      verify: {
        ...(encryption === undefined ? {} : { encryption }),
        ...(etcdPrefix === undefined ? {} : { etcdPrefix }),
        reportsOpaque: true,
      },
    };
    const swept = await sweepInParallel(snapshot, map, spec, reached, report, {
      ...(signal === undefined ? {} : { signal }),
      onProgress: (done, total) => progress?.({ step: "verifying", done, total, unit: "bytes" }),
      besideHash: hashing.hasThread,
    });
    checkFreePages(bolt, reached, report);
    for (const bucket of buckets) {
      if (typeof bucket.root !== "number") for (const _ of readEntries(bolt, bucket, report));
    }
    const info = readStoreInfo(snapshot);
    const verified = defined(swept.verify);
    reportTallies(verified.tallies, report);
    const prefixes = findEtcdPrefixes(defined(swept.signs)).map((found) => found.prefix);
    if (prefixes.length === 0) {
      const text = "no Kubernetes cluster was found under any etcd prefix";
      report({ level: "warning", code: "not-kubernetes", where: path, text });
    }
    if (info.scheduledCompact > info.finishedCompact) {
      const text = `a compaction at revision ${info.scheduledCompact} was not finished; etcd finishes it when it starts`;
      report({ level: "info", code: "compaction-unfinished", where: 'bucket "meta"', text });
    }
    const sha256 = await hashing.verdict;
    reportHash(sha256, path, report);
    const { object, encrypted, opaque, unreadable } = verified.counts;
    return {
      ok: findings.count("error") === 0,
      sha256,
      pages: bolt.pageCount,
      revision: verified.lastRevision,
      objects: object,
      encrypted,
      opaque,
      unreadable,
      tombstones: verified.tombstones,
      prefixes,
      findings: findings.list(),
    };
  } finally {
    await hashing.stop();
  }
}
