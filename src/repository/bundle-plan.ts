/**
 * Which bundles the links of a chain are joined to. Blocks of 64 links, and of 64 such blocks: so a restore that needs
 * n links reads about n/4096 + 64 + 64 objects, however long ago its full was taken.
 */
import type { SequenceRange } from "./names.ts";

/** How many links the bundles of each level hold, ascending. */
export const BUNDLE_LEVELS: readonly number[] = [64, 64 ** 2];
/** A bundle of larger links would save nobody a request that matters, and would have to be held in memory. */
export const MOST_BUNDLE_BYTES = 32 << 20;

/**
 * The blocks whose links are all there and that are no bundles yet, those of the lower level first. `first` and `last`
 * are the numbers of the oldest link that is left and of the newest.
 */
export function missingBundles(
  first: number,
  last: number,
  isThere: (range: SequenceRange) => boolean,
  levels = BUNDLE_LEVELS,
): SequenceRange[] {
  const missing: SequenceRange[] = [];
  for (const size of levels) {
    for (let from = Math.ceil((first - 1) / size) * size + 1; from + size - 1 <= last; from += size) {
      const range = { from, to: from + size - 1 };
      if (!isThere(range)) missing.push(range);
    }
  }
  return missing;
}

export function isWithin(inner: SequenceRange, outer: SequenceRange): boolean {
  return outer.from <= inner.from && inner.to <= outer.to;
}
