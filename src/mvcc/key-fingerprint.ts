/**
 * 64 bits that stand for a key, as two words: for whoever must tell many keys apart and need not know them. The
 * constants are chosen by each run, so that nobody can make a file whose keys have the same fingerprint.
 */

/** Plain data, so that all threads of a run use the same. */
export interface FingerprintSeeds {
  readonly words: readonly number[];
}

const SEEDS = 6;

export function fingerprintSeeds(): FingerprintSeeds {
  return { words: Array.from({ length: SEEDS }, () => Math.floor(Math.random() * 2 ** 32) | 1) };
}

/** Where {@link createFingerprint} puts the two words, so that nothing is allocated for a key. */
export interface Fingerprint {
  first: number;
  second: number;
}

/** Makes a function that takes the fingerprint of the bytes of `view` from `start` to `end`. */
export function createFingerprint({ words }: FingerprintSeeds): {
  readonly found: Fingerprint;
  readonly take: (view: DataView, start: number, end: number) => void;
} {
  const [seedA = 0, seedB = 0, a1 = 0, a2 = 0, b1 = 0, b2 = 0] = words;
  const found: Fingerprint = { first: 0, second: 0 };
  const take = (view: DataView, start: number, end: number): void => {
    let a = seedA ^ (end - start);
    let b = seedB ^ (end - start);
    let at = start;
    for (; at + 4 <= end; at += 4) {
      const word = view.getInt32(at, true);
      const x = Math.imul(word, a1);
      const y = Math.imul(word, b1);
      a ^= Math.imul((x << 15) | (x >>> 17), a2);
      b ^= Math.imul((y << 16) | (y >>> 16), b2);
      a = (Math.imul((a << 13) | (a >>> 19), 5) + 0x561ccd1b) | 0;
      b = (Math.imul((b << 15) | (b >>> 17), 5) + 0x0bcaa747) | 0;
    }
    let word = 0;
    for (; at < end; at++) word = (word << 8) | view.getUint8(at);
    const x = Math.imul(word, a1);
    const y = Math.imul(word, b1);
    found.first = mixed(a ^ Math.imul((x << 15) | (x >>> 17), a2));
    found.second = mixed(b ^ Math.imul((y << 16) | (y >>> 16), b2));
  };
  return { found, take };
}

function mixed(word: number): number {
  let bits = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
