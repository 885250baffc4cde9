/** Checks a database before it is taken over. */

import { checkFreePages, checkMetas } from "../bolt/check.ts";
import { mapLeaves } from "../bolt/leaf-map.ts";
import { invariant } from "../errors/errors.ts";
import { reportTallies } from "../errors/findings.ts";
import { hashSeed } from "../mvcc/hash-seed.ts";
import type { IndexResult, KeySelection } from "../mvcc/index-task.ts";
import type { EncryptionConfig } from "../storage/encryption-config.ts";
import { findEtcdPrefixes } from "../storage/etcd-prefix.ts";
import type { Snapshot, SnapshotOptions } from "./open-snapshot.ts";
import { sweepInParallel } from "./parallel-sweep.ts";

export interface CheckOptions extends SnapshotOptions {
  /** Decode every object too, as `snapshot verify` does. */
  readonly objects?: boolean;
  /** With its keys, values that are encrypted are decoded too. */
  readonly encryption?: EncryptionConfig;
  /** Where encrypted values were in etcd is part of some providers' encryption. */
  readonly etcdPrefix?: string;
  /** The selected keys as they were at this revision; the newest unless given. */
  readonly atRevision?: number;
  /** The file is hashed meanwhile, in a thread of its own. */
  readonly besideHash?: boolean;
}

export interface CheckedStructure {
  /** The selected keys. */
  readonly index: IndexResult;
  /** The prefixes under which there are Kubernetes clusters, the likeliest first. */
  readonly prefixes: readonly string[];
}

/**
 * Every page and every key-value, in parallel; what is wrong is among the findings of the snapshot afterwards. Made to
 * run beside a copy of the file.
 */
export async function checkStructure(
  snapshot: Snapshot,
  options: CheckOptions,
  select: readonly KeySelection[] = [],
): Promise<CheckedStructure> {
  const { bolt, buckets, findings, reached } = snapshot;
  checkMetas(bolt, findings.report);
  const map = mapLeaves(bolt, buckets, findings.report, reached);
  const { encryption, etcdPrefix } = options;
  const given = {
    ...(encryption === undefined ? {} : { encryption }),
    ...(etcdPrefix === undefined ? {} : { etcdPrefix }),
  };
  // Selecting the key that cannot exist has every entry read and none indexed.
  const spec = {
    index: {
      select: [{ prefix: new Uint8Array(0), exact: true }, ...select],
      seed: hashSeed(),
      ...(options.atRevision === undefined ? {} : { atRevision: options.atRevision }),
    },
    signs: true,
    ...(options.objects === true ? { verify: given } : {}),
  };
  const { index, verify, signs } = await sweepInParallel(snapshot, map, spec, reached, findings.report, {
    onProgress: (done, total) => options.progress?.({ step: "copying and checking", done, total, unit: "bytes" }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    besideHash: options.besideHash === true,
  });
  checkFreePages(bolt, reached, findings.report);
  if (verify !== undefined) reportTallies(verify.tallies, findings.report);
  invariant(index !== undefined && signs !== undefined, "index and signs were asked for");
  return { index, prefixes: findEtcdPrefixes(signs).map((found) => found.prefix) };
}
