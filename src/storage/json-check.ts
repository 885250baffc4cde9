/**
 * Whether bytes are JSON, without making anything of them: several times as fast as parsing, for whoever only wants to
 * know that parsing would work.
 */

/** Deeper texts are not judged. Below the limits of the parsers in `json-parse.ts`. */
const MAX_DEPTH = 200;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;

/** What a byte of a string is: 1 ends the plain run, either the string or an escape; 2 is a control character, which JSON forbids there. */
const IN_STRING: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < 0x20 ? 2 : byte === QUOTE || byte === BACKSLASH ? 1 : 0,
);

/**
 * True only where `bytes[start, end)` is one JSON value that `JSON.parse` takes, once its UTF-8 is decoded (what is no
 * UTF-8 becomes U+FFFD). False where it is not, or where this cannot tell.
 */
export function isSurelyJson(bytes: Uint8Array, start: number, end: number): boolean {
  const at = skipValue(bytes, skipSpace(bytes, start, end), end, 0);
  return at >= 0 && skipSpace(bytes, at, end) === end;
}

/** As {@link isSurelyJson}, and the value is an object with an `apiVersion` and a `kind` that are strings. */
export function isSurelyTypedJson(bytes: Uint8Array, start: number, end: number): boolean {
  let at = skipSpace(bytes, start, end);
  if (bytes[at] !== OPEN_OBJECT || at >= end) return false;
  let typed = 0;
  for (let separator = OPEN_OBJECT; separator !== CLOSE_OBJECT; ) {
    at = skipSpace(bytes, at + 1, end);
    const key = at;
    at = skipString(bytes, at, end);
    if (at < 0 || bytes.subarray(key, at).includes(BACKSLASH)) return false; // an escaped name may be any
    const isType = nameIs(bytes, key, at, "apiVersion") || nameIs(bytes, key, at, "kind");
    at = skipSpace(bytes, at, end);
    if (at >= end || bytes[at] !== COLON) return false;
    at = skipSpace(bytes, at + 1, end);
    if (isType && (at >= end || bytes[at] !== QUOTE)) return false;
    if (isType) typed += 1;
    at = skipValue(bytes, at, end, 1);
    if (at < 0) return false;
    at = skipSpace(bytes, at, end);
    if (at >= end) return false;
    separator = bytes[at]!;
    if (separator !== COMMA && separator !== CLOSE_OBJECT) return false;
  }
  return typed === 2 && skipSpace(bytes, at + 1, end) === end;
}

/**
 * As {@link isSurelyJson}, for objects of nothing but objects, without spaces, as the API server writes
 * metav1.FieldsV1: half of what there is to check in a pod, so this has a loop of its own.
 */
export function isSurelyFields(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  let depth = 0;
  for (;;) {
    if (at + 1 >= end || bytes[at] !== OPEN_OBJECT || ++depth > MAX_DEPTH) return isSurelyJson(bytes, start, end);
    at++;
    if (bytes[at] === CLOSE_OBJECT) {
      do {
        at++;
        if (--depth === 0) return at === end || isSurelyJson(bytes, start, end);
        if (at >= end) return false;
      } while (bytes[at] === CLOSE_OBJECT);
      if (bytes[at] !== COMMA) return isSurelyJson(bytes, start, end);
      at++;
    }
    // A name, and the object that belongs to it.
    if (at >= end || bytes[at] !== QUOTE) return isSurelyJson(bytes, start, end);
    for (at++; ; at++) {
      if (at >= end) return false;
      const byte = bytes[at]!;
      if (IN_STRING[byte] === 0) continue;
      if (byte === QUOTE) break;
      at = byte === BACKSLASH ? skipEscape(bytes, at + 1, end) : -1;
      if (at < 0) return false;
    }
    at++;
    if (at >= end || bytes[at] !== COLON) return isSurelyJson(bytes, start, end);
    at++;
  }
}

function nameIs(bytes: Uint8Array, start: number, end: number, name: string): boolean {
  if (end - start !== name.length + 2) return false;
  for (let i = 0; i < name.length; i++) if (bytes[start + 1 + i] !== name.charCodeAt(i)) return false;
  return true;
}

function skipSpace(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end) {
    const byte = bytes[at]!;
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break;
    at++;
  }
  return at;
}

/** Where the value that begins at `at` ends, or -1. */
function skipValue(bytes: Uint8Array, at: number, end: number, depth: number): number {
  if (at >= end) return -1;
  const first = bytes[at]!;
  if (first === QUOTE) return skipString(bytes, at, end);
  if (first === OPEN_OBJECT) return depth < MAX_DEPTH ? skipObject(bytes, at + 1, end, depth + 1) : -1;
  if (first === OPEN_ARRAY) return depth < MAX_DEPTH ? skipArray(bytes, at + 1, end, depth + 1) : -1;
  if (first === 0x74) return skipWord(bytes, at, end, "true");
  if (first === 0x66) return skipWord(bytes, at, end, "false");
  if (first === 0x6e) return skipWord(bytes, at, end, "null");
  return skipNumber(bytes, at, end);
}

function skipObject(bytes: Uint8Array, from: number, end: number, depth: number): number {
  let at = skipSpace(bytes, from, end);
  if (at < end && bytes[at] === CLOSE_OBJECT) return at + 1;
  for (;;) {
    at = skipString(bytes, at, end);
    if (at < 0) return -1;
    at = skipSpace(bytes, at, end);
    if (at >= end || bytes[at] !== COLON) return -1;
    at = skipValue(bytes, skipSpace(bytes, at + 1, end), end, depth);
    if (at < 0) return -1;
    at = skipSpace(bytes, at, end);
    if (at >= end) return -1;
    const byte = bytes[at]!;
    if (byte === CLOSE_OBJECT) return at + 1;
    if (byte !== COMMA) return -1;
    at = skipSpace(bytes, at + 1, end);
  }
}

function skipArray(bytes: Uint8Array, from: number, end: number, depth: number): number {
  let at = skipSpace(bytes, from, end);
  if (at < end && bytes[at] === CLOSE_ARRAY) return at + 1;
  for (;;) {
    at = skipValue(bytes, at, end, depth);
    if (at < 0) return -1;
    at = skipSpace(bytes, at, end);
    if (at >= end) return -1;
    const byte = bytes[at]!;
    if (byte === CLOSE_ARRAY) return at + 1;
    if (byte !== COMMA) return -1;
    at = skipSpace(bytes, at + 1, end);
  }
}

function skipString(bytes: Uint8Array, from: number, end: number): number {
  if (from >= end || bytes[from] !== QUOTE) return -1;
  for (let at = from + 1; at < end; at++) {
    const byte = bytes[at]!;
    const kind = IN_STRING[byte]!;
    if (kind === 0) continue;
    if (byte === QUOTE) return at + 1;
    if (kind === 2) return -1;
    at = skipEscape(bytes, at + 1, end);
    if (at < 0) return -1;
  }
  return -1;
}

/** The last byte of the escape whose letter is at `at`, or -1. */
function skipEscape(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return -1;
  switch (bytes[at]) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return at;
    case 0x75: // u
      for (let digit = at + 1; digit <= at + 4; digit++) if (digit >= end || !isHex(bytes[digit]!)) return -1;
      return at + 4;
    default:
      return -1;
  }
}

function isHex(byte: number): boolean {
  const letter = byte | 0x20;
  return (byte >= 0x30 && byte <= 0x39) || (letter >= 0x61 && letter <= 0x66);
}

function skipWord(bytes: Uint8Array, at: number, end: number, word: string): number {
  if (end - at < word.length) return -1;
  for (let i = 1; i < word.length; i++) if (bytes[at + i] !== word.charCodeAt(i)) return -1;
  return at + word.length;
}

function skipNumber(bytes: Uint8Array, from: number, end: number): number {
  let at = bytes[from] === 0x2d ? from + 1 : from;
  const whole = at;
  at = skipDigits(bytes, at, end);
  if (at === whole || (bytes[whole] === 0x30 && at > whole + 1)) return -1;
  if (at < end && bytes[at] === 0x2e) {
    const fraction = at + 1;
    at = skipDigits(bytes, fraction, end);
    if (at === fraction) return -1;
  }
  if (at < end && (bytes[at]! | 0x20) === 0x65) {
    at++;
    if (at < end && (bytes[at] === 0x2b || bytes[at] === 0x2d)) at++;
    const exponent = at;
    at = skipDigits(bytes, exponent, end);
    if (at === exponent) return -1;
  }
  return at;
}

function skipDigits(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++;
  return at;
}
