/**
 * Which blocks of objects may hold a text. Each block of neighbouring keys has a filter: bits for every two, three, four
 * and six bytes in a row that any revision of its objects holds (a Bloom filter of n-grams). A search passes over the
 * blocks whose filter lacks a bit of the wanted text and reads the others, so that a text that few objects hold is
 * found among gigabytes without reading them. A short text has few n-grams, which is why those of two and three bytes
 * have two bits each. The filters take 6 % of the values' size, 128 MB at most.
 */

/** Bytes of each filter. A power of two. */
export const FILTER_BYTES = 16 * 1024;
const FILTER_MASK = FILTER_BYTES * 8 - 1;
const MOST_BLOCKS = 8192;
/** Bytes of values in a block, unless that makes too many blocks. */
const BLOCK_BYTES = 256 * 1024;

export interface ContentIndex {
  /** Whether the object with this key may hold the text, at any revision. */
  mayHold(key: number, text: Uint8Array): boolean;
  /** The first key behind the block of this key. */
  blockEnd(key: number): number;
  /** How much of the index is there, up to 1; until then it excludes nothing. */
  progress(): number;
}

/** The first key behind each block. `sizeOf`: bytes of all revisions of a key. */
export function planBlocks(keyCount: number, sizeOf: (key: number) => number): Uint32Array {
  let total = 0;
  for (let key = 0; key < keyCount; key++) total += sizeOf(key);
  const target = Math.max(BLOCK_BYTES, total / (MOST_BLOCKS - 1));
  const ends: number[] = [];
  let size = 0;
  for (let key = 0; key < keyCount; key++) {
    size += sizeOf(key);
    if (size < target && key < keyCount - 1) continue;
    ends.push(key + 1);
    size = 0;
  }
  return Uint32Array.from(ends);
}

/** The block of a key. */
export function blockOf(ends: Uint32Array, key: number): number {
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ends[middle]! <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Sets the bits of what values hold in the filters of their blocks. */
export interface ContentAdder {
  /** `at`: where the filter of the block begins. It is quickest where values of one block follow each other. */
  add(at: number, bytes: Uint8Array): void;
}

/** Remembered six bytes of the block that is being filled: a power of two. */
const REMEMBERED = 1 << 15;

/** Values repeat each other: six bytes that were added to the block a moment ago are passed over, and all that they hold. */
export function createContentAdder(filters: Uint8Array): ContentAdder {
  const lastFour = new Int32Array(REMEMBERED);
  const firstTwo = new Int32Array(REMEMBERED);
  let block = -1;
  const set = (bit: number): void => {
    filters[block + (bit >>> 3)]! |= 1 << (bit & 7);
  };
  return {
    add(at, bytes) {
      if (at !== block) {
        firstTwo.fill(-1); // which no two bytes are
        block = at;
      }
      let four = 0;
      let before = 0;
      for (let i = 0; i < bytes.length; i++) {
        before = ((before << 8) | (four >>> 24)) & 0xffff;
        four = (four << 8) | bytes[i]!;
        if (i >= 5) {
          const six = sixHash(four, before);
          const place = six & (REMEMBERED - 1);
          if (lastFour[place] === four && firstTwo[place] === before) continue;
          lastFour[place] = four;
          firstTwo[place] = before;
          set(six & FILTER_MASK);
        }
        if (i >= 3) set(fourBit(four));
        if (i >= 2) {
          set(threeBit(four & 0xffffff));
          set(otherThreeBit(four & 0xffffff));
        }
        if (i >= 1) {
          set(twoBit(four & 0xffff));
          set(otherTwoBit(four & 0xffff));
        }
      }
    },
  };
}

/** Whether the filter that begins at `at` has every bit of the text. A text of one byte may be anywhere. */
export function mayContain(filters: Uint8Array, at: number, text: Uint8Array): boolean {
  const has = (bit: number): boolean => (filters[at + (bit >>> 3)]! & (1 << (bit & 7))) !== 0;
  let four = 0;
  let before = 0;
  for (let i = 0; i < text.length; i++) {
    before = ((before << 8) | (four >>> 24)) & 0xffff;
    four = (four << 8) | text[i]!;
    if (i >= 5 && !has(sixHash(four, before) & FILTER_MASK)) return false;
    if (i >= 3 && !has(fourBit(four))) return false;
    if (i >= 2 && !(has(threeBit(four & 0xffffff)) && has(otherThreeBit(four & 0xffffff)))) return false;
    if (i >= 1 && !(has(twoBit(four & 0xffff)) && has(otherTwoBit(four & 0xffff)))) return false;
  }
  return true;
}

const twoBit = (two: number): number => mixed(two, 0x85ebca6b, 17);
const otherTwoBit = (two: number): number => mixed(two, 0x27d4eb2f, 14);
const threeBit = (three: number): number => mixed(three, 0xc2b2ae3d, 15);
const otherThreeBit = (three: number): number => mixed(three, 0x165667b1, 13);
const fourBit = (four: number): number => mixed(four, 0x9e3779b1, 15);

function sixHash(four: number, before: number): number {
  const hash = Math.imul(four ^ Math.imul(before, 0x85ebca6b), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** Numbers of few bytes, spread over the bits of a filter. */
function mixed(value: number, factor: number, shift: number): number {
  const hash = Math.imul(value + 1, factor);
  return (hash ^ (hash >>> shift)) & FILTER_MASK;
}
