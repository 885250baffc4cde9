/**
 * JSON text as Go's encoding/json prints it: the API server's answers, `kubectl -o json`, and what is stored. Unlike `JSON.stringify` it
 * prints integers beyond 2^53 exactly, keeps maps with integer-like keys sorted, and escapes <, > and &.
 */

import type { JsonValue } from "../kube/object.ts";
import { compareStrings } from "./arrange.ts";

/** Deeper than anything that is decoded. */
const MAX_PRINT_DEPTH = 2000;
/** Anything but the characters that stand for themselves: not a control, quote, backslash, <, >, &, U+2028, U+2029 or surrogate. */
const NEEDS_ESCAPE = /[^ !#-%'-;=?-[\]-\u2027\u202a-\ud7ff\ue000-\uffff]/;
const SPECIAL = /[<>&\u2028\u2029]/g;
const SPECIAL_ONE = /[<>&\u2028\u2029]/;

export interface JsonTextOptions {
  /** Spaces a level, and line breaks; none prints on one line without any space. */
  readonly indent?: number;
}

/** The text of a value, without a line break at the end. */
export function printJson(value: JsonValue, { indent = 0 }: JsonTextOptions = {}): string {
  if (typeof value === "string") return quote(value);
  return printNatively(value, indent) ?? print(value, indent === 0 ? "" : "\n", " ".repeat(indent), 0);
}

/** A key that JavaScript may have moved to the front, or half of a surrogate pair, which Go replaces. */
const NOT_AS_GO = /[{,\n] *"\d[^"]*":|\\ud[89a-f]/;

/** By JSON.stringify, several times as fast, where that gives what Go prints; undefined where it does not. */
function printNatively(value: JsonValue, indent: number): string | undefined {
  let text: string;
  try {
    text = JSON.stringify(value, undefined, indent);
  } catch {
    return undefined; // a bigint, or nested more deeply than JSON.stringify likes: print says which
  }
  if (NOT_AS_GO.test(text)) return undefined;
  return SPECIAL_ONE.test(text) ? text.replace(SPECIAL, escapeSpecial) : text;
}

function escapeSpecial(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function print(value: JsonValue, lineBreak: string, step: string, depth: number): string {
  if (typeof value === "string") return quote(value);
  if (value === null) return "null";
  if (typeof value !== "object") return value === 0 ? "0" : String(value);
  if (depth > MAX_PRINT_DEPTH) throw new RangeError("JSON is nested too deeply to print");
  const inner = lineBreak === "" ? "" : lineBreak + step;
  const parts: string[] = [];
  if (Array.isArray(value)) {
    for (const item of value) parts.push(print(item, inner, step, depth + 1));
    return parts.length === 0 ? "[]" : `[${inner}${parts.join(`,${inner}`)}${lineBreak}]`;
  }
  const colon = lineBreak === "" ? ":" : ": ";
  for (const [key, item] of fieldsInOrder(value as { readonly [field: string]: JsonValue | undefined })) {
    parts.push(quote(key) + colon + print(item, inner, step, depth + 1));
  }
  return parts.length === 0 ? "{}" : `{${inner}${parts.join(`,${inner}`)}${lineBreak}}`;
}

/**
 * The fields that have a value, in Go's order. JavaScript moves integer-like keys to the front, in numeric order; an object that has any is
 * a map, whose keys Go sorts.
 */
function fieldsInOrder(object: { readonly [field: string]: JsonValue | undefined }): [string, JsonValue][] {
  const entries = Object.entries(object).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined);
  const first = entries[0]?.[0].charCodeAt(0) ?? 0;
  return first >= 0x30 && first <= 0x39 ? entries.sort(([a], [b]) => compareStrings(a, b)) : entries;
}

/** A JSON string as Go escapes it. */
function quote(text: string): string {
  if (!NEEDS_ESCAPE.test(text)) return `"${text}"`;
  const escaped = JSON.stringify(text.toWellFormed());
  return escaped.replace(SPECIAL, escapeSpecial);
}
