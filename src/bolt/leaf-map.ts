/** Where the leaves of a set of buckets are: what a sweep needs to know before it starts, and what threads share. */

import { defined } from "../errors/defined.ts";
import type { FindingCode } from "../errors/finding-codes.ts";
import type { BoltFile } from "./bolt.ts";
import type { Bucket } from "./bucket.ts";
import type { Page } from "./page.ts";
import { createPageSet, type PageSet } from "./page-set.ts";
import { collectLeaves, createLeafList, type LeafList, type Report } from "./tree.ts";

/** Every leaf of the given buckets, by key order and by page id. */
export interface LeafMap {
  /** Paths of the buckets, in the order of their leaves. */
  readonly buckets: readonly string[];
  readonly list: LeafList;
  /** Where the leaves of bucket `i` end in `list`; they begin where those of the one before end. */
  readonly bucketEnds: readonly number[];
  /** The pages of buckets that are inline, with the buckets' paths. They are in no leaf of the file of their own. */
  readonly inline: readonly { readonly bucket: string; readonly page: Page }[];
  /** For each page id, 0 or 1 + the position of that leaf in `list`. Shared memory. */
  readonly slots: Uint32Array;
}

/**
 * Finds the leaves of `buckets`; an inline bucket has a page in {@link LeafMap.inline} instead. Branch pages are marked
 * in `seen`; damage on the way is reported. `comparesKeys`: as of a {@link LeafList}.
 */
export function mapLeaves(
  bolt: BoltFile,
  buckets: readonly Bucket[],
  report: Report,
  seen: PageSet = createPageSet(bolt.pageCount),
  comparesKeys = true,
): LeafMap {
  const list = createLeafList(bolt.pageCount, comparesKeys);
  const bucketEnds: number[] = [];
  const inline: { bucket: string; page: Page }[] = [];
  for (const bucket of buckets) {
    if (typeof bucket.root === "number") collectLeaves(bolt, bucket.root, bucket.path, list, seen, report);
    else inline.push({ bucket: bucket.path, page: bucket.root });
    bucketEnds.push(list.count);
  }
  const slots = new Uint32Array(new SharedArrayBuffer(bolt.pageCount * 4));
  const map: LeafMap = { buckets: buckets.map((bucket) => bucket.path), list, bucketEnds, inline, slots };
  for (let i = 0; i < list.count; i++) {
    const id = defined(list.ids[i]);
    const fault = leafFault(bolt, slots, id);
    if (fault === undefined) slots[id] = i + 1;
    else report({ level: "error", where: leafPlace(map, id, i), ...fault });
  }
  return map;
}

function leafFault(bolt: BoltFile, slots: Uint32Array, id: number): { code: FindingCode; text: string } | undefined {
  if (id < 2 || id >= bolt.meta.highWater) {
    return { code: "page-out-of-range", text: `page ${id} is not below the high-water mark ${bolt.meta.highWater}` };
  }
  if (id >= bolt.pageCount) return { code: "page-truncated", text: `page ${id} is beyond the end of the file` };
  if (slots[id] !== 0) return { code: "page-double-referenced", text: `page ${id} is referenced more than once` };
  return undefined;
}

/** The bucket that the leaf at `position` of the list belongs to. */
function bucketOfLeaf(map: LeafMap, position: number): number {
  let bucket = 0;
  while (position >= defined(map.bucketEnds[bucket])) bucket += 1;
  return bucket;
}

/** How findings name a leaf. */
export function leafPlace(map: LeafMap, id: number, position: number): string {
  return `page ${id} · bucket "${map.buckets[bucketOfLeaf(map, position)]}"`;
}
