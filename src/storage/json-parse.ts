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
  if (text.length > SHORT) checkDepth(text);
  return JSON.parse(text);
}

/** Throws a SyntaxError or RangeError where the text is not JSON or nested too deeply. */
export function parseJson(text: string, range: IntegerRange = "any"): JsonValue {
  if (text.length > SHORT) checkDepth(text);
  // The exact way is slow, and seldom needed: an integer of 16 digits or more, or a minus zero, outside of what is surely a string.
  if (!/[[:,\s](?:-?\d{16}|-0(?![1-9]))|^-?\d/.test(text)) return JSON.parse(text);
  const exact = (_key: string, value: JsonValue, context: { readonly source?: string }): JsonValue => {
    if (typeof value !== "number") return value;
    if (value === 0) return 0;
    if (Number.isSafeInteger(value) || context.source === undefined || !/^-?\d+$/.test(context.source)) return value;
    const integer = BigInt(context.source);
    return range === "int64" && BigInt.asIntN(64, integer) !== integer ? value : integer;
  };
  return JSON.parse(text, exact as (key: string, value: unknown) => unknown);
}

function checkDepth(text: string): void {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) quoted = !quoted;
    else if (quoted) {
      if (code === 0x5c) at++;
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > MAX_DEPTH) throw new RangeError(`nested deeper than ${MAX_DEPTH} levels`);
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
}
