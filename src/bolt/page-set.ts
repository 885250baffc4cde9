/** A set of page ids as a bitmap: one bit a page, so that 100 GB of 4 KiB pages cost 3 MB. */
export interface PageSet {
  readonly size: number;
  readonly words: Uint32Array;
}

/** An empty set for page ids below `size`. */
export function createPageSet(size: number): PageSet {
  return { size, words: new Uint32Array((size + 31) >>> 5) };
}

export function hasPage(set: PageSet, id: number): boolean {
  return id < set.size && (set.words[id >>> 5]! & (1 << (id & 31))) !== 0;
}

/** Adds a page and says whether it is new. */
export function addPage(set: PageSet, id: number): boolean {
  const bit = 1 << (id & 31);
  const word = set.words[id >>> 5]!;
  if ((word & bit) !== 0) return false;
  set.words[id >>> 5] = word | bit;
  return true;
}

/** Adds every page of `other` and returns those that were in both. */
export function mergePages(set: PageSet, other: PageSet): number[] {
  const both: number[] = [];
  for (let i = 0; i < other.words.length; i++) {
    const common = set.words[i]! & other.words[i]!;
    if (common !== 0) for (let bit = 0; bit < 32; bit++) if ((common & (1 << bit)) !== 0) both.push(i * 32 + bit);
    set.words[i]! |= other.words[i]!;
  }
  return both;
}
