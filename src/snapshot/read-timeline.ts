/** Every revision of every key of a snapshot, and their values on demand: what a server needs that shows any moment. */

import { mapLeaves } from "../bolt/leaf-map.ts";
import { createPageSet } from "../bolt/page-set.ts";
import { defined } from "../errors/defined.ts";
import { hashSeed } from "../mvcc/hash-seed.ts";
import type { KeyValue } from "../mvcc/key-value.ts";
import { createTimeline, type Timeline } from "../mvcc/timeline.ts";
import { findEtcdPrefixes } from "../storage/etcd-prefix.ts";
import { KEY_BUCKET } from "./leaf-tasks.ts";
import { readStoreInfo, type Snapshot, type SnapshotOptions } from "./open-snapshot.ts";
import { sweepInParallel } from "./parallel-sweep.ts";
import { createValueReader } from "./read-keyspace.ts";

export interface SnapshotTimeline {
  readonly timeline: Timeline;
  /** The prefixes under which there are clusters, the likeliest first. */
  readonly prefixes: readonly string[];
  /** The key-value of a row, or what is wrong with it. */
  read(row: number): KeyValue | string;
}

/** Sweeps the whole file once. */
export async function readTimeline(snapshot: Snapshot, options: SnapshotOptions = {}): Promise<SnapshotTimeline> {
  const { bolt, buckets, findings } = snapshot;
  const { signal, progress } = options;
  const info = readStoreInfo(snapshot);
  const map = mapLeaves(
    bolt,
    buckets.filter((bucket) => bucket.path === KEY_BUCKET),
    findings.report,
  );
  const spec = { timeline: { seed: hashSeed() }, signs: true };
  const swept = await sweepInParallel(snapshot, map, spec, createPageSet(bolt.pageCount), findings.report, {
    ...(signal === undefined ? {} : { signal }),
    onProgress: (done, total) => progress?.({ step: "reading", done, total, unit: "bytes" }),
  });
  const timeline = createTimeline(defined(swept.timeline), Math.max(info.finishedCompact, info.scheduledCompact));
  const read = createValueReader(snapshot);
  const { page, item } = timeline.rows;
  return {
    timeline,
    prefixes: findEtcdPrefixes(defined(swept.signs)).map((found) => found.prefix),
    read: (row) => read(defined(page[row]), defined(item[row])),
  };
}
