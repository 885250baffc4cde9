/**
 * Chooses which entries of a sweep are indexed by the objects that they are of, and counts the live objects that are not
 * indexed because they are known to be the same elsewhere.
 */
import { defined } from "../errors/defined.ts";
import { compare } from "../kube/compare-text.ts";
import type { EntryChooser } from "../mvcc/index-task.ts";
import { createBucketCheck, type KeyBuckets } from "../mvcc/key-sums.ts";
import { liveChange } from "../mvcc/live-count-task.ts";
import type { ObjectCounts } from "./object-counts.ts";
import { createObjectMatcher, type MatchedKey } from "./object-matcher.ts";
import { type ObjectBounds, restOrderOf } from "./object-order.ts";
import type { ObjectScope } from "./object-scope.ts";

/** Plain data and shared memory, so that it can be sent to a thread. */
export interface ObjectChoice {
  /** Etcd's prefix, without a slash at its end. */
  readonly prefix: string;
  readonly scope: ObjectScope;
  /** Of these, the objects within bounds; all unless given. */
  readonly bounds?: ObjectBounds;
  /** Of these, the keys in buckets; all unless given. */
  readonly among?: KeyBuckets;
  /**
   * The live objects of the scope that are not `among` are counted, whatever the bounds. The revision: of the last
   * compaction that was finished.
   */
  readonly countOthers?: { readonly compactRevision: number };
}

export interface ObjectChooser {
  readonly choose: EntryChooser;
  readonly others: ObjectCounts;
}

export function createObjectChooser({ prefix, scope, bounds, among, countOthers }: ObjectChoice): ObjectChooser {
  const match = createObjectMatcher(prefix, scope);
  const isAmong = among && createBucketCheck(among);
  const isWithin = bounds && createBoundsCheck(bounds);
  const others = new Map<string, number>();
  return {
    others,
    choose(entry) {
      const { keyStart, keyEnd } = entry.fields;
      const { bytes, view } = entry.page;
      const chosen = isAmong === undefined || isAmong(view, keyStart, keyEnd);
      if (!chosen && countOthers === undefined) return false;
      const found = match(bytes, keyStart, keyEnd);
      if (found === undefined) return false;
      if (chosen) return isWithin === undefined || isWithin(found, bytes, keyEnd);
      const change = liveChange(entry, defined(countOthers).compactRevision);
      if (change !== 0) others.set(found.path, (others.get(found.path) ?? 0) + change);
      return false;
    },
  };
}

function createBoundsCheck({ from, to }: ObjectBounds): (key: MatchedKey, bytes: Uint8Array, end: number) => boolean {
  const [fromOrder, toOrder] = [restOrderOf(from?.path ?? ""), restOrderOf(to?.path ?? "")];
  return ({ path, rest }, bytes, end) => {
    if (from !== undefined) {
      const order = compare(path, from.path) || fromOrder(bytes, rest, end, from.rest, 0, from.rest.length);
      if (order < 0) return false;
    }
    if (to === undefined) return true;
    return (compare(path, to.path) || toOrder(bytes, rest, end, to.rest, 0, to.rest.length)) < 0;
  };
}
