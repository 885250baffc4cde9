/** What can be done with leaves while a file is swept. A specification is plain data, so that it can be sent to another thread. */

import type { LeafMap } from "../bolt/leaf-map.ts";
import type { LeafVisitor } from "../bolt/sweep.ts";
import type { Report } from "../bolt/tree.ts";
import { defined } from "../errors/defined.ts";
import { type HashKvTask, hashKvLeaf } from "../mvcc/hash-kv.ts";
import { hashLeaf, type LeafHashes } from "../mvcc/hash-task.ts";
import { createHistoryTask, mergeHistories, type RevisionPlace } from "../mvcc/history-task.ts";
import { createIndexTask, type IndexOptions, type IndexResult, mergeIndexResults } from "../mvcc/index-task.ts";
import { createKeySumsTask, type KeySumsSpec } from "../mvcc/key-sums.ts";
import { createLeafReader, type RevisionVisitor } from "../mvcc/leaf-revisions.ts";
import { createLiveCountTask, type LiveCount, mergeLiveCounts } from "../mvcc/live-count-task.ts";
import { createLiveKeysTask, type KeyVersions, type LiveKeysSpec, mergeKeyVersions } from "../mvcc/live-keys-task.ts";
import { createTimelineTask, type GatheredTimeline, mergeTimelines, type TimelineSpec } from "../mvcc/timeline-task.ts";
import type { ObjectChoice } from "../storage/choose-objects.ts";
import { mergeObjectCounts, type ObjectCounts } from "../storage/object-counts.ts";
import { createKindPeek } from "../storage/peek-kind.ts";
import { createSignTask } from "../storage/sign-task.ts";
import type { VerifyOptions, VerifyResult } from "../storage/verify-result.ts";
import { mergeVerifyResults } from "../storage/verify-result.ts";

export interface LeafTaskSpec {
  /** Index the keys of the `key` bucket. */
  readonly index?: IndexOptions;
  /** Index only the keys of these objects. */
  readonly objects?: ObjectChoice;
  /** Label each key with the kind of its value. */
  readonly labelKinds?: boolean;
  /** Count the live keys instead of indexing them, after a compaction that was finished at this revision. */
  readonly countLive?: { readonly compactRevision: number };
  /** Note the version of each key, to count the live ones. */
  readonly liveKeys?: LiveKeysSpec;
  /** Add every entry to the sums by which two keyspaces are compared. */
  readonly keySums?: KeySumsSpec;
  /** Hash every leaf. */
  readonly hash?: LeafHashes;
  /** Hash what etcd's HashKV does of the `key` bucket. */
  readonly hashKv?: HashKvTask;
  /** Decode every object. */
  readonly verify?: VerifyOptions;
  /** Gather the keys that every Kubernetes cluster has. */
  readonly signs?: boolean;
  /** Find every revision of this key. */
  readonly historyOf?: Uint8Array;
  /** Find every revision of every key. */
  readonly timeline?: TimelineSpec;
}

export interface LeafTaskResult {
  readonly index?: IndexResult;
  readonly others?: ObjectCounts;
  readonly liveCount?: LiveCount;
  readonly versions?: KeyVersions;
  readonly verify?: VerifyResult;
  readonly signs?: readonly Uint8Array[];
  readonly history?: readonly RevisionPlace[];
  readonly timeline?: GatheredTimeline;
}

export interface LeafTasks {
  readonly visit: LeafVisitor;
  finish(): LeafTaskResult;
}

/** About: more only costs memory until the sweep is over, less costs copies. */
const KEYS_PER_LEAF = 2;

/** The bucket that holds the keyspace. */
export const KEY_BUCKET = "key";

/** `threads` share the leaves. Decoding is loaded only where it is asked for: it is most of the code. */
export async function createLeafTasks(
  spec: LeafTaskSpec,
  map: LeafMap,
  report: Report,
  threads = 1,
): Promise<LeafTasks> {
  const [first, end] = keyLeaves(map);
  const labeller = spec.labelKinds === true ? createKindPeek() : undefined;
  const verify = spec.verify && (await import("../storage/verify-task.ts")).createVerifyTask(spec.verify, report);
  const expected = Math.ceil(((end - first) * KEYS_PER_LEAF) / threads);
  const chooser = spec.objects && (await import("../storage/choose-objects.ts")).createObjectChooser(spec.objects);
  const index = spec.index && createIndexTask(spec.index, expected, labeller, chooser?.choose);
  const count = spec.countLive && createLiveCountTask(spec.countLive.compactRevision);
  const live = spec.liveKeys && createLiveKeysTask(spec.liveKeys, expected);
  const sums = spec.keySums && createKeySumsTask(spec.keySums);
  const signs = spec.signs === true ? createSignTask() : undefined;
  const history = spec.historyOf && createHistoryTask(spec.historyOf);
  const timeline = spec.timeline && createTimelineTask(spec.timeline, expected);
  const visits = [index, count, live, sums, verify, signs, history, timeline].flatMap((task) =>
    task === undefined ? [] : [task.visit],
  );
  const readLeaf = visits.length === 0 ? undefined : createLeafReader(joinVisits(visits), report);
  const { hash, hashKv } = spec;
  return {
    visit(page, position) {
      if (position >= first && position < end) readLeaf?.(page);
      if (hash !== undefined) hashLeaf(hash, page, position);
      if (hashKv !== undefined && position >= first && position < end) hashKvLeaf(hashKv, page, position);
    },
    finish: () => ({
      ...(index === undefined ? {} : { index: index.finish() }),
      ...(chooser === undefined ? {} : { others: chooser.others }),
      ...(count === undefined ? {} : { liveCount: count.finish() }),
      ...(live === undefined ? {} : { versions: live.finish() }),
      ...(verify === undefined ? {} : { verify: verify.finish() }),
      ...(signs === undefined ? {} : { signs: signs.finish() }),
      ...(history === undefined ? {} : { history: history.finish() }),
      ...(timeline === undefined ? {} : { timeline: timeline.finish() }),
    }),
  };
}

function joinVisits(visits: readonly RevisionVisitor[]): RevisionVisitor {
  const [only, second] = visits;
  if (only !== undefined && second === undefined) return only;
  return (entry) => {
    for (const visit of visits) visit(entry);
  };
}

export function mergeLeafTaskResults(results: readonly LeafTaskResult[]): LeafTaskResult {
  const indexes = results.flatMap((result) => (result.index === undefined ? [] : [result.index]));
  const others = results.flatMap((result) => (result.others === undefined ? [] : [result.others]));
  const counts = results.flatMap((result) => (result.liveCount === undefined ? [] : [result.liveCount]));
  const versions = results.flatMap((result) => (result.versions === undefined ? [] : [result.versions]));
  const verified = results.flatMap((result) => (result.verify === undefined ? [] : [result.verify]));
  const signs = results.flatMap((result) => (result.signs === undefined ? [] : [result.signs]));
  const histories = results.flatMap((result) => (result.history === undefined ? [] : [result.history]));
  const timelines = results.flatMap((result) => (result.timeline === undefined ? [] : [result.timeline]));
  return {
    ...(indexes.length === 0 ? {} : { index: mergeIndexResults(indexes) }),
    ...(others.length === 0 ? {} : { others: mergeObjectCounts(others) }),
    ...(counts.length === 0 ? {} : { liveCount: mergeLiveCounts(counts) }),
    ...(versions.length === 0 ? {} : { versions: mergeKeyVersions(versions) }),
    ...(verified.length === 0 ? {} : { verify: mergeVerifyResults(verified) }),
    ...(signs.length === 0 ? {} : { signs: signs.flat() }),
    ...(histories.length === 0 ? {} : { history: mergeHistories(histories) }),
    ...(timelines.length === 0 ? {} : { timeline: mergeTimelines(timelines) }),
  };
}

function keyLeaves(map: LeafMap): readonly [number, number] {
  const bucket = map.buckets.indexOf(KEY_BUCKET);
  if (bucket < 0) return [0, 0];
  return [bucket === 0 ? 0 : defined(map.bucketEnds[bucket - 1]), defined(map.bucketEnds[bucket])];
}
