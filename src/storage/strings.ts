/**
 * Strings out of bytes, fast: objects repeat a few hundred short strings (label keys, images, reasons) thousands of
 * times, and what repeats is found in a table instead of being made again. Go keeps any bytes in a string and its JSON
 * encoder replaces what is not UTF-8 by U+FFFD; so does this.
 */

/** Longer strings rarely repeat. */
const LONGEST_KEPT = 48;
const TABLE_SIZE = 1 << 13;
const kept: string[] = new Array(TABLE_SIZE).fill("");

const { latin1Slice, utf8Slice } = Buffer.prototype as unknown as {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
  utf8Slice(this: Uint8Array, start: number, end: number): string;
};

/** The text between two offsets, which the caller has checked. */
export function readText(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start;
  if (length > LONGEST_KEPT) return utf8Slice.call(bytes, start, end);
  let hash = length;
  let seen = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    hash = (Math.imul(hash, 31) + byte) | 0;
    seen |= byte;
  }
  if (seen > 0x7f) return utf8Slice.call(bytes, start, end);
  const index = (hash ^ (hash >>> 13)) & (TABLE_SIZE - 1);
  const candidate = kept[index]!;
  if (candidate.length === length) {
    let at = 0;
    while (at < length && candidate.charCodeAt(at) === bytes[start + at]) at++;
    if (at === length) return candidate;
  }
  const text = latin1Slice.call(bytes, start, end);
  kept[index] = text;
  return text;
}
