/** etcd's HashKV of a snapshot at one of its revisions, computed as etcd does. */

import { type Bucket, readEntries } from "../bolt/bucket.ts";
import { mapLeaves } from "../bolt/leaf-map.ts";
import { createPageSet } from "../bolt/page-set.ts";
import type { Report } from "../bolt/tree.ts";
import { defined } from "../errors/defined.ts";
import { createHashKv } from "../mvcc/hash-kv.ts";
import { hashSeed } from "../mvcc/hash-seed.ts";
import { KEY_BUCKET } from "./leaf-tasks.ts";
import { type SweptFile, sweepInParallel } from "./parallel-sweep.ts";

export interface HashedFile extends SweptFile {
  readonly buckets: readonly Bucket[];
}

/** `compactRevision`: the newest compacted one when etcd was asked. The file must hold every revision after it. */
export async function hashRevision(
  file: HashedFile,
  revision: number,
  compactRevision: number,
  report: Report,
  signal?: AbortSignal,
): Promise<number> {
  const { bolt } = file;
  const buckets = file.buckets.filter(({ path }) => path === KEY_BUCKET);
  const map = mapLeaves(bolt, buckets, report);
  const spec = { index: { select: [], seed: hashSeed(), atRevision: revision } };
  const options = signal === undefined ? {} : { signal };
  const { index: result } = await sweepInParallel(file, map, spec, createPageSet(bolt.pageCount), report, options);
  const index = defined(result).index;
  const kept = new Set<string>();
  for (let i = 0; i < index.count; i++) {
    if (index.tombstone[i] === 0 && defined(index.main[i]) <= compactRevision)
      kept.add(`${index.main[i]}/${index.sub[i]}`);
  }
  const hash = createHashKv(revision, compactRevision, (main, sub) => kept.has(`${main}/${sub}`));
  let count = 0;
  for (const bucket of buckets) {
    for (const { key, value } of readEntries(bolt, bucket, report)) {
      hash.add(key, value);
      if (++count % 65536 === 0) signal?.throwIfAborted();
    }
  }
  return hash.hash;
}
