/**
 * YAML as `kubectl -o yaml` prints it: the JSON of an object with its keys sorted, by the rules of Go's yaml.v2 (which strings are
 * quoted and how, lists not indented below their key), so that a diff against kubectl's output is empty.
 */

import { defined } from "../errors/defined.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { isObject } from "./arrange.ts";
import { printYamlString } from "./yaml-string.ts";

const MAX_PRINT_DEPTH = 2000;
/** A longer key is written as `? key` and `: value`. */
const LONGEST_SIMPLE_KEY = 128;

/** The text of a value, with a line break at its end. */
export function printYaml(value: JsonValue): string {
  const lines: string[] = [];
  if (isObject(value) && Object.keys(value).length > 0) printMap(value, "", "", lines, 0);
  else if (Array.isArray(value) && value.length > 0) printList(value, "", "", lines, 0);
  else lines.push(scalar(value, "", 0));
  return `${lines.join("\n")}\n`;
}

/** `first` begins the first line: the indent, or the indent with the dash of a list's item. */
function printMap(map: JsonObject, first: string, indent: string, lines: string[], depth: number): void {
  if (depth > MAX_PRINT_DEPTH) throw new RangeError("YAML is nested too deeply to print");
  let start = first;
  for (const key of Object.keys(map)
    .filter((name) => map[name] !== undefined)
    .sort(compareKeys)) {
    const value = map[key] as JsonValue;
    const name = printYamlString(key, { context: "key", indent, column: 0 });
    const isSimple = name.length <= LONGEST_SIMPLE_KEY;
    if (isSimple) printAfter(value, `${start}${name}:`, indent, lines, depth);
    else {
      lines.push(`${start}? ${name}`);
      printAfter(value, `${indent}:`, indent, lines, depth, true);
    }
    start = indent;
  }
}

function printList(list: readonly JsonValue[], first: string, indent: string, lines: string[], depth: number): void {
  if (depth > MAX_PRINT_DEPTH) throw new RangeError("YAML is nested too deeply to print");
  let start = first;
  for (const item of list) {
    printInline(item, `${start}-`, `${indent}  `, lines, depth);
    start = indent;
  }
}

/** A key's value: collections on lines of their own, everything else behind the colon. */
function printAfter(
  value: JsonValue,
  start: string,
  indent: string,
  lines: string[],
  depth: number,
  isComplex = false,
): void {
  if (isComplex) printInline(value, start, `${indent}  `, lines, depth);
  else if (Array.isArray(value) && value.length > 0) {
    lines.push(start);
    printList(value, indent, indent, lines, depth + 1);
  } else if (isObject(value) && Object.keys(value).length > 0) {
    lines.push(start);
    printMap(value, `${indent}  `, `${indent}  `, lines, depth + 1);
  } else lines.push(`${start} ${scalar(value, indent, start.length + 1)}`);
}

/** A value whose first line continues behind a dash. */
function printInline(value: JsonValue, start: string, indent: string, lines: string[], depth: number): void {
  if (Array.isArray(value) && value.length > 0) printList(value, `${start} `, indent, lines, depth + 1);
  else if (isObject(value) && Object.keys(value).length > 0) printMap(value, `${start} `, indent, lines, depth + 1);
  else lines.push(`${start} ${scalar(value, indent.slice(2), start.length + 1)}`);
}

function scalar(value: JsonValue, indent: string, column: number): string {
  if (typeof value === "string") return printYamlString(value, { context: "value", indent, column });
  if (value === null) return "null";
  if (Array.isArray(value)) return "[]";
  if (typeof value === "object") return "{}";
  return typeof value === "number" && !Number.isSafeInteger(value)
    ? printFloat(value)
    : value === 0
      ? "0"
      : String(value);
}

/** Go's `strconv.FormatFloat(value, 'g', -1, 64)`: with a power of ten below 1e-4 and from 1e6 on. */
function printFloat(value: number): string {
  const [digits, power] = value.toExponential().split("e") as [string, string];
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 6) return String(value);
  return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

const LETTER = /\p{L}/u;
const DIGIT = /\p{Nd}/u;

/** yaml.v2's order of keys: letters behind other characters, runs of digits by their number. */
function compareKeys(left: string, right: string): number {
  const a = Array.from(left);
  const b = Array.from(right);
  let inDigits = false;
  for (let i = 0; i < a.length && i < b.length; i++) {
    const x = defined(a[i]);
    const y = defined(b[i]);
    if (x === y) {
      inDigits = DIGIT.test(x);
      continue;
    }
    const xIsLetter = LETTER.test(x);
    const yIsLetter = LETTER.test(y);
    if (xIsLetter && yIsLetter) return defined(x.codePointAt(0)) - defined(y.codePointAt(0));
    if (xIsLetter || yIsLetter) return (inDigits ? xIsLetter : yIsLetter) ? -1 : 1;
    return compareNumbers(a, b, i);
  }
  return a.length - b.length;
}

function compareNumbers(a: readonly string[], b: readonly string[], at: number): number {
  let significant = 0n;
  if (a[at] === "0" || b[at] === "0") {
    for (let j = at - 1; j >= 0 && DIGIT.test(defined(a[j])); j--) if (a[j] !== "0") significant = 1n;
  }
  const run = (text: readonly string[]) => {
    let end = at;
    let value = significant;
    for (; end < text.length && /[0-9]/.test(defined(text[end])); end++)
      value = value * 10n + BigInt(defined(text[end]));
    return { value, end };
  };
  const x = run(a);
  const y = run(b);
  if (x.value !== y.value) return x.value < y.value ? -1 : 1;
  if (x.end !== y.end) return x.end - y.end;
  return defined(defined(a[at]).codePointAt(0)) - defined(defined(b[at]).codePointAt(0));
}
