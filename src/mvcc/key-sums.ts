/**
 * Tells which keys of two keyspaces may differ, without an index of either, in any order of their leaves. Each key
 * belongs to one of some millions of buckets, by its fingerprint. To the bucket's sum, 64 bits, every entry of the one
 * keyspace adds a fingerprint of all its bytes (revision, deletion, key and value); every entry of the other takes it
 * away. A sum that ends as nothing is of keys whose entries are the same in both.
 */
import { elementAt } from "../bolt/page.ts";
import { createFingerprint, type FingerprintSeeds, fingerprintSeeds } from "./key-fingerprint.ts";
import type { RevisionVisitor } from "./leaf-revisions.ts";

/** Of eight bytes each. With 20 million keys one or two share a bucket. */
const MOST_BUCKETS = 1 << 24;
const LEAST_BUCKETS = 32;
/** A key with its value takes more, mostly. */
const BYTES_PER_BUCKET = 256;

/** The sums of a pair of keyspaces, in memory that threads share. */
export interface KeySums {
  readonly seeds: FingerprintSeeds;
  readonly words: Int32Array;
}

/** For keyspaces of about so many bytes. */
export function createKeySums(bytes: number): KeySums {
  const wanted = 2 ** Math.ceil(Math.log2(Math.max(1, bytes / BYTES_PER_BUCKET)));
  const buckets = Math.min(MOST_BUCKETS, Math.max(LEAST_BUCKETS, wanted));
  return { seeds: fingerprintSeeds(), words: new Int32Array(new SharedArrayBuffer(buckets * 8)) };
}

/** What a sweep adds to the sums. */
export interface KeySumsSpec {
  readonly sums: KeySums;
  /** Whether entries are taken away: for the second keyspace. */
  readonly isSecond: boolean;
  /** Only entries up to this revision count. */
  readonly atRevision?: number;
  /**
   * Keys with an entry after the first of these revisions and up to the second are to be taken for different ones: such
   * entries are added once more.
   */
  readonly doubtful?: readonly [after: number, upTo: number];
}

export function createKeySumsTask(spec: KeySumsSpec): { readonly visit: RevisionVisitor } {
  const { sums, isSecond, atRevision = Number.MAX_SAFE_INTEGER, doubtful: [after, upTo] = [0, 0] } = spec;
  const { words } = sums;
  const mask = words.length / 2 - 1;
  const { found, take } = createFingerprint(sums.seeds);
  return {
    visit({ page, item, main, fields }) {
      if (main > atRevision || fields.keyStart === fields.keyEnd) return;
      const { view } = page;
      take(view, fields.keyStart, fields.keyEnd);
      const at = (found.first & mask) * 2;
      const element = elementAt(page, item);
      const start = element + view.getUint32(element + 4, true);
      // The revision and the key-value lie one after the other.
      take(view, start, start + view.getUint32(element + 8, true) + view.getUint32(element + 12, true));
      const times = isSecond ? -1 : main > after && main <= upTo ? 2 : 1;
      Atomics.add(words, at, Math.imul(found.first, times));
      Atomics.add(words, at + 1, Math.imul(found.second, times));
    },
  };
}

/** Some keys, by their buckets. */
export interface KeyBuckets {
  readonly seeds: FingerprintSeeds;
  /** A bit for each bucket, in memory that threads share. */
  readonly bits: Uint32Array;
}

/** The keys whose entries may differ. */
export function differingBuckets({ seeds, words }: KeySums): KeyBuckets {
  const bits = new Uint32Array(new SharedArrayBuffer(Math.ceil(words.length / 64) * 4));
  for (let bucket = 0; bucket < words.length / 2; bucket++) {
    if (words[bucket * 2] !== 0 || words[bucket * 2 + 1] !== 0) bits[bucket >>> 5]! |= 1 << (bucket & 31);
  }
  return { seeds, bits };
}

/** Makes a function that says whether the key `view[start, end)` is in one of the buckets. */
export function createBucketCheck({
  seeds,
  bits,
}: KeyBuckets): (view: DataView, start: number, end: number) => boolean {
  const mask = bits.length * 32 - 1;
  const { found, take } = createFingerprint(seeds);
  return (view, start, end) => {
    take(view, start, end);
    const bucket = found.first & mask;
    return (bits[bucket >>> 5]! & (1 << (bucket & 31))) !== 0;
  };
}
