/** Where to cut the objects of several snapshots so that no part has more entries than may be indexed at once. */
import type { BoltFile } from "../bolt/bolt.ts";
import type { LeafMap } from "../bolt/leaf-map.ts";
import { defined } from "../errors/defined.ts";
import { createBucketCheck } from "../mvcc/key-sums.ts";
import type { ObjectChoice } from "../storage/choose-objects.ts";
import { createObjectMatcher } from "../storage/object-matcher.ts";
import { comparePlaces, type ObjectBounds, type ObjectPlace } from "../storage/object-order.ts";
import { sampleKeys } from "./keyspace-parts.ts";

export interface ChosenObjects {
  readonly bolt: BoltFile;
  readonly map: LeafMap;
  readonly choice: Pick<ObjectChoice, "prefix" | "scope" | "among">;
}

interface Sample {
  readonly place: ObjectPlace;
  /** How many entries it stands for. */
  readonly entries: number;
}

/** Bounds that follow one another in the order in which objects are listed, with about `most` entries each, of all files together. */
export function objectParts(files: readonly ChosenObjects[], most: number): readonly ObjectBounds[] {
  const samples = files.flatMap(samplesOf).sort((a, b) => comparePlaces(a.place, b.place));
  const entries = samples.reduce((sum, each) => sum + each.entries, 0);
  const size = entries / Math.ceil(entries / Math.max(1, most));
  const parts: ObjectBounds[] = [];
  let from: ObjectPlace | undefined;
  let count = 0;
  let cut = size;
  for (const { place, entries: some } of samples) {
    if (count >= cut && (from === undefined || comparePlaces(place, from) > 0)) {
      parts.push({ ...(from && { from }), to: place });
      from = place;
      while (cut <= count) cut += size;
    }
    count += some;
  }
  return [...parts, from === undefined ? {} : { from }];
}

function samplesOf({ bolt, map, choice: { prefix, scope, among } }: ChosenObjects): Sample[] {
  const match = createObjectMatcher(prefix, scope);
  const isAmong = among && createBucketCheck(among);
  const { keys, entries } = sampleKeys(
    bolt,
    map,
    ({ bytes, view }, start, end) =>
      (isAmong === undefined || isAmong(view, start, end)) && match(bytes, start, end) !== undefined,
  );
  return keys.map((key) => {
    const { path, rest } = defined(match(key, 0, key.length));
    return { place: { path, rest: key.subarray(rest) }, entries: entries / keys.length };
  });
}
