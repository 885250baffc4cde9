/**
 * Checks metav1.FieldsV1, half of the bytes of a pod, and mostly the same ones again: every version of an object and every pod of a set names the same fields.
 * So the texts that were seen last are kept, and compared before anything is read.
 */
import { isSurelyFields } from "./json-check.ts";

/** Longer texts are seldom; shorter ones are checked as fast as they are found. Bytes. */
const LONGEST = 4096;
const SHORTEST = 64;
const SLOTS = 512;

const kept = new Uint8Array(SLOTS * LONGEST);
/** Of each slot's text; 0 for none. */
const lengths = new Uint16Array(SLOTS);

const { compare } = Buffer.prototype as unknown as {
  compare(this: Uint8Array, other: Uint8Array, from: number, to: number, ownFrom: number, ownTo: number): number;
};

/** As {@link isSurelyFields}. */
export function areSurelyFields(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (length < SHORTEST || length > LONGEST) return isSurelyFields(bytes, start, end);
  const slot = sample(bytes, start, length);
  const at = slot * LONGEST;
  if (lengths[slot] === length && compare.call(bytes, kept, at, at + length, start, end) === 0) return true;
  if (!isSurelyFields(bytes, start, end)) return false;
  kept.set(bytes.subarray(start, end), at);
  lengths[slot] = length;
  return true;
}

/** A slot by the length and some bytes: ids such as a ReplicaSet's may be anywhere. */
function sample(bytes: Uint8Array, start: number, length: number): number {
  const stride = (length >>> 5) | 1;
  let hash = length;
  for (let at = start, end = start + length; at < end; at += stride) hash = (Math.imul(hash, 31) + bytes[at]!) | 0;
  return (hash ^ (hash >>> 15)) & (SLOTS - 1);
}
