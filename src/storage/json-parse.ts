/** JSON as Go reads it: integers beyond 2^53 exactly, as bigint, and minus zero as zero. Nesting is limited. */
import type { JsonValue } from "../kube/object.ts";

/** Deeper than any object that the API server takes, shallow enough for a recursive walk. */
export const MAX_DEPTH = 500;
/** A text this short cannot be nested deeply enough to matter, and most are. */
const SHORT = 4000;

/** How integers outside int64 are read: Go's unstructured objects turn them into float64, raw JSON keeps them as they are. */
export type IntegerRange = "int64" | "any";

/** As {@link parseJson}, for a text that holds no numbers: metav1.FieldsV1 is nested objects with nothing in them. */
export function parseFields(text: string): JsonValue {
  if (text.length > SHORT) scan(text);
  return JSON.parse(text);
}

/** Throws a SyntaxError or RangeError where the text is not JSON or nested too deeply. */
export function parseJson(text: string, range: IntegerRange = "any"): JsonValue {
  // The exact way is slow, and seldom needed: an integer of 16 digits or more, or a minus zero. A short text is looked
  // through quickly, and is in doubt where a string has digits as the digest of an image may have them (`sha256:7777…`).
  const isInDoubt = text.length > SHORT ? scan(text) : /(?:"\s*:|[[,])\s*(?:-?\d{16}|-0(?![1-9]))|^\s*-?\d/.test(text);
  if (!isInDoubt) return JSON.parse(text);
  const exact = (_key: string, value: JsonValue, context: { readonly source?: string }): JsonValue => {
    if (typeof value !== "number") return value;
    if (value === 0) return 0;
    if (Number.isSafeInteger(value) || context.source === undefined || !/^-?\d+$/.test(context.source)) return value;
    const integer = BigInt(context.source);
    return range === "int64" && BigInt.asIntN(64, integer) !== integer ? value : integer;
  };
  return JSON.parse(text, exact as (key: string, value: unknown) => unknown);
}

/**
 * Whether some number may not be one of JavaScript's, or is a minus zero. Throws a RangeError for a text that is nested
 * too deeply; other faults are left to JSON.parse. Strings, which are most of a long text, are jumped over.
 */
function scan(text: string): boolean {
  let isInDoubt = false;
  let depth = 0;
  let digits = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code >= ZERO && code <= ZERO + 9) {
      if (++digits === LONG_NUMBER) isInDoubt = true;
      continue;
    }
    digits = 0;
    if (code === QUOTE) {
      at = endOfString(text, at);
      if (at < 0) break;
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (++depth > MAX_DEPTH) throw new RangeError(`nested deeper than ${MAX_DEPTH} levels`);
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--;
    else if (code === MINUS && text.charCodeAt(at + 1) === ZERO) isInDoubt = true;
  }
  return isInDoubt;
}

/** Where the quote is that ends the string which begins at `start`; -1 where there is none. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let slash = end;
    while (text.charCodeAt(slash - 1) === BACKSLASH) slash--;
    if ((end - slash) % 2 === 0) return end;
  }
  return -1;
}

const QUOTE = 0x22;
const MINUS = 0x2d;
const ZERO = 0x30;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
/** Fewer digits make a number that JavaScript has. */
const LONG_NUMBER = 16;
