/**
 * Checks metav1.FieldsV1, half of the bytes of a pod, and mostly the same ones again: every version of an object and
 * every pod of a set names the same fields. So the texts that were seen last are kept, and compared before anything is
 * read.
 */
import { isSurelyFields, isSurelyJson } from "./json-check.ts";

/** Longer texts are seldom; shorter ones are checked as fast as they are found. Bytes. */
const LONGEST = 4096;
const SHORTEST = 64;
const SLOTS = 512;

const kept = new Uint8Array(SLOTS * LONGEST);
/** Of each slot's text; 0 for none. */
const lengths = new Uint16Array(SLOTS);
/** Whether the slot's text is printed as it is stored: found out for who prints. */
const Plain = { Unknown: 0, No: 1, Yes: 2 } as const;
const plain = new Uint8Array(SLOTS);

const { compare } = Buffer.prototype as unknown as {
  compare(this: Uint8Array, other: Uint8Array, from: number, to: number, ownFrom: number, ownTo: number): number;
};

/** As {@link isSurelyFields}. */
export function areSurelyFields(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (length < SHORTEST || length > LONGEST) return isSurelyFields(bytes, start, end);
  return keep(bytes, start, end) >= 0;
}

/** Whether bytes are surely fields, and Go prints them as they are stored. */
export function arePlainFields(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (length < SHORTEST || length > LONGEST) return isPlain(bytes, start, end) && isSurelyFields(bytes, start, end);
  const slot = keep(bytes, start, end);
  if (slot < 0) return false;
  if (plain[slot] === Plain.Unknown) plain[slot] = isPlain(bytes, start, end) ? Plain.Yes : Plain.No;
  return plain[slot] === Plain.Yes;
}

/** As {@link arePlainFields}, for any JSON. */
export function isPlainJson(bytes: Uint8Array, start: number, end: number): boolean {
  return isPlain(bytes, start, end) && isSurelyJson(bytes, start, end);
}

/** The slot that has the text, or -1 where it is not surely what it should be. */
function keep(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  const slot = sample(bytes, start, length);
  const at = slot * LONGEST;
  if (lengths[slot] === length && compare.call(bytes, kept, at, at + length, start, end) === 0) return slot;
  if (!isSurelyFields(bytes, start, end)) return -1;
  kept.set(bytes.subarray(start, end), at);
  lengths[slot] = length;
  plain[slot] = Plain.Unknown;
  return slot;
}

/** A byte that may be printed otherwise than it is stored: white space, what Go escapes, what may be no UTF-8. */
const DOUBTFUL: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte <= 0x20 || byte >= 0x7f || "<>&".includes(String.fromCharCode(byte)) ? 1 : byte === 0x5c ? 2 : 0,
);

/** Whether JSON, if that is what these bytes are, has no byte that the API server would print otherwise. */
function isPlain(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const doubt = DOUBTFUL[bytes[at]!]!;
    if (doubt === 0) continue;
    // Of escapes, only those of quotes and backslashes have no other form.
    if (doubt === 1 || at + 1 >= end || (bytes[at + 1] !== 0x22 && bytes[at + 1] !== 0x5c)) return false;
    at++;
  }
  return true;
}

/** A slot by the length and some bytes: ids such as a ReplicaSet's may be anywhere. */
function sample(bytes: Uint8Array, start: number, length: number): number {
  const stride = (length >>> 5) | 1;
  let hash = length;
  for (let at = start, end = start + length; at < end; at += stride) hash = (Math.imul(hash, 31) + bytes[at]!) | 0;
  return (hash ^ (hash >>> 15)) & (SLOTS - 1);
}
