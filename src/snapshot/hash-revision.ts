/** etcd's HashKV of a snapshot at one of its revisions, computed as etcd does. */

import type { Bucket } from "../bolt/bucket.ts";
import { mapLeaves } from "../bolt/leaf-map.ts";
import { createPageSet } from "../bolt/page-set.ts";
import type { Report } from "../bolt/tree.ts";
import { defined } from "../errors/defined.ts";
import { createHashKvTask, hashKvLeaf, joinHashKv } from "../mvcc/hash-kv.ts";
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
  const task = createHashKvTask(defined(result).index, revision, compactRevision, map.list.count + map.inline.length);
  // What is damaged was reported by the sweep before.
  await sweepInParallel(file, map, { hashKv: task }, createPageSet(bolt.pageCount), () => {}, options);
  for (const [i, { page }] of map.inline.entries()) hashKvLeaf(task, page, map.list.count + i);
  return joinHashKv(task);
}
