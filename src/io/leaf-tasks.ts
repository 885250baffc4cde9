/** What can be done with leaves while a file is swept. A specification is plain data, so that it can be sent to another thread. */
import type { LeafMap } from "../bolt/leaf-map.ts";
import type { LeafVisitor } from "../bolt/sweep.ts";
import type { Report } from "../bolt/tree.ts";
import { hashLeaf, type LeafHashes } from "../mvcc/hash-task.ts";
import { createIndexTask, type IndexOptions, type IndexResult, mergeIndexResults } from "../mvcc/index-task.ts";

export interface LeafTaskSpec {
  /** Index the keys of the `key` bucket. */
  readonly index?: IndexOptions;
  /** Hash every leaf. */
  readonly hash?: LeafHashes;
}

export interface LeafTaskResult {
  readonly index?: IndexResult;
}

export interface LeafTasks {
  readonly visit: LeafVisitor;
  finish(): LeafTaskResult;
}

/** The bucket that holds the keyspace. */
export const KEY_BUCKET = "key";

export function createLeafTasks(spec: LeafTaskSpec, map: LeafMap, report: Report): LeafTasks {
  const [first, end] = keyLeaves(map);
  const index = spec.index === undefined ? undefined : createIndexTask(spec.index, report, end - first);
  const { hash } = spec;
  return {
    visit(page, position) {
      if (index !== undefined && position >= first && position < end) index.visit(page);
      if (hash !== undefined) hashLeaf(hash, page, position);
    },
    finish: () => (index === undefined ? {} : { index: index.finish() }),
  };
}

export function mergeLeafTaskResults(results: readonly LeafTaskResult[]): LeafTaskResult {
  const indexes = results.flatMap((result) => (result.index === undefined ? [] : [result.index]));
  return indexes.length === 0 ? {} : { index: mergeIndexResults(indexes) };
}

function keyLeaves(map: LeafMap): readonly [number, number] {
  const bucket = map.buckets.indexOf(KEY_BUCKET);
  if (bucket < 0) return [0, 0];
  return [bucket === 0 ? 0 : map.bucketEnds[bucket - 1]!, map.bucketEnds[bucket]!];
}
