/** Damage by seed: the same seed always damages the same bytes. */

export interface Random {
  /** A whole number from 0 to `below` - 1. */
  next(below: number): number;
}

/** A small generator (mulberry32): quality does not matter, repeatability does. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    next(below) {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
    },
  };
}

const EXTREMES = [0, 1, 2, 0x7f, 0x80, 0xff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff];

type Mutation = (bytes: Uint8Array, random: Random, pageSize: number) => Uint8Array;

const MUTATIONS: readonly Mutation[] = [
  function flipBits(bytes, random) {
    for (let i = random.next(8); i >= 0; i--) bytes[random.next(bytes.length)]! ^= 1 << random.next(8);
    return bytes;
  },
  function setNumber(bytes, random) {
    const at = random.next((bytes.length - 4) >> 2) << 2;
    new DataView(bytes.buffer).setUint32(at, EXTREMES[random.next(EXTREMES.length)]!, true);
    return bytes;
  },
  function setHeaderField(bytes, random, pageSize) {
    const at = random.next(Math.floor(bytes.length / pageSize)) * pageSize + 4 * random.next(12);
    new DataView(bytes.buffer).setUint32(at, EXTREMES[random.next(EXTREMES.length)]!, true);
    return bytes;
  },
  function zeroRange(bytes, random, pageSize) {
    const at = random.next(bytes.length);
    bytes.fill(0, at, at + random.next(4 * pageSize));
    return bytes;
  },
  function copyPage(bytes, random, pageSize) {
    const pages = Math.floor(bytes.length / pageSize);
    const from = random.next(pages) * pageSize;
    bytes.copyWithin(random.next(pages) * pageSize, from, from + pageSize);
    return bytes;
  },
  function pointElsewhere(bytes, random, pageSize) {
    // The low half of a child's page id, where a branch element would have it.
    const page = random.next(Math.floor(bytes.length / pageSize)) * pageSize;
    const at = page + 16 + 16 * random.next(20) + 8;
    if (at + 4 <= bytes.length)
      new DataView(bytes.buffer).setUint32(at, random.next(Math.floor(bytes.length / pageSize)), true);
    return bytes;
  },
  function truncate(bytes, random) {
    return bytes.slice(0, random.next(bytes.length));
  },
];

/** A damaged copy. */
export function mutate(bytes: Uint8Array, seed: number, pageSize: number): Uint8Array {
  const random = seededRandom(seed);
  let damaged: Uint8Array = bytes.slice();
  for (let i = random.next(3); i >= 0 && damaged.length > pageSize; i--) {
    damaged = MUTATIONS[random.next(MUTATIONS.length)]!(damaged, random, pageSize);
  }
  return damaged;
}
