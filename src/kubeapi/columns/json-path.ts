/**
 * The JSONPath that printer columns may use: `.spec.replicas`, `.metadata.labels['a.b/c']`, `.metadata.labels.a\.b`, `.items[0]`, `[-1]`, `[0:2]`, `[*]`,
 * `.status.conditions[?(@.type=="Ready")].status`. What is not understood finds nothing. Source: k8s.io/client-go/util/jsonpath.
 */
import type { JsonValue } from "../../kube/object.ts";
import { field, isObject } from "./field.ts";

type Step =
  | { readonly kind: "field"; readonly name: string }
  | { readonly kind: "index"; readonly index: number }
  | { readonly kind: "slice"; readonly start: number; readonly end: number | undefined }
  | { readonly kind: "all" }
  | {
      readonly kind: "filter";
      readonly path: readonly Step[];
      readonly operator: string;
      readonly value: JsonValue | undefined;
    };

export type JsonPath = readonly Step[];

const TOKEN =
  /\.?\[\s*'((?:[^'\\]|\\.)*)'\s*\]|\.?\[\s*"((?:[^"\\]|\\.)*)"\s*\]|\.?\[\s*(-?\d+)\s*\]|\.?\[\s*(-?\d*:-?\d*)\s*\]|(\.?\[\s*\*\s*\]|\.\*)|\[\?\(\s*@(.*?)\s*(?:(==|!=|<=|>=|<|>)\s*('[^']*'|"[^"]*"|[^'")\s]+)\s*)?\)\]|\.((?:[^.[\]\\]|\\.)+)/sy;

/** A path longer than any real one is not parsed. */
const LONGEST = 4096;

/** Undefined for a path that is not understood. */
export function parseJsonPath(text: string): JsonPath | undefined {
  if (text.length > LONGEST) return undefined;
  const path = text.trim().replace(/^\{(.*)\}$/s, "$1");
  const steps: Step[] = [];
  TOKEN.lastIndex = 0;
  let position = 0;
  while (position < path.length) {
    TOKEN.lastIndex = position;
    const match = TOKEN.exec(path);
    if (match === null) return undefined;
    position = TOKEN.lastIndex;
    const [, single, double, index, slice, all, filter, operator, value, name] = match;
    const quoted = single ?? double;
    if (quoted !== undefined) steps.push({ kind: "field", name: withoutBackslashes(quoted) });
    else if (index !== undefined) steps.push({ kind: "index", index: Number(index) });
    else if (slice !== undefined) {
      const [start, end] = slice.split(":");
      steps.push({ kind: "slice", start: Number(start), end: end === "" ? undefined : Number(end) });
    } else if (all !== undefined) steps.push({ kind: "all" });
    else if (name !== undefined) steps.push({ kind: "field", name: withoutBackslashes(name) });
    else {
      const inner = parseJsonPath(filter ?? "");
      if (inner === undefined) return undefined;
      const literal = value === undefined ? undefined : parseLiteral(value);
      steps.push({ kind: "filter", path: inner, operator: operator ?? "exists", value: literal });
    }
  }
  return steps;
}

const withoutBackslashes = (name: string): string => name.replace(/\\(.)/gs, "$1");

function parseLiteral(text: string): JsonValue {
  if (/^['"]/.test(text)) return text.slice(1, -1);
  if (text === "true" || text === "false") return text === "true";
  return Number.isNaN(Number(text)) ? text : Number(text);
}

/** Everything that the path finds, in order. */
export function findJsonPath(path: JsonPath, value: JsonValue): readonly JsonValue[] {
  let found: readonly JsonValue[] = [value];
  for (const step of path) found = found.flatMap((each) => apply(step, each));
  return found;
}

function apply(step: Step, value: JsonValue): readonly JsonValue[] {
  switch (step.kind) {
    case "field": {
      const next = field(value, step.name);
      return next === undefined ? [] : [next];
    }
    case "index": {
      const next = Array.isArray(value) ? (value as readonly JsonValue[]).at(step.index) : undefined;
      return next === undefined || next === null ? [] : [next];
    }
    case "slice":
      return Array.isArray(value) ? (value as readonly JsonValue[]).slice(step.start, step.end) : [];
    case "all":
      if (Array.isArray(value)) return value as readonly JsonValue[];
      return isObject(value) ? (Object.values(value) as JsonValue[]) : [];
    case "filter":
      if (!Array.isArray(value)) return [];
      return (value as readonly JsonValue[]).filter((each) => passes(step, each));
  }
}

function passes(step: Extract<Step, { kind: "filter" }>, value: JsonValue): boolean {
  const [left] = findJsonPath(step.path, value);
  const right = step.value;
  if (left === undefined || left === null || right === undefined || right === null) {
    return left !== undefined && step.operator === "exists";
  }
  switch (step.operator) {
    case "==":
      return left === right;
    case "!=":
      return left !== right;
    case "<":
      return left < right;
    case ">":
      return left > right;
    case "<=":
      return left <= right;
    default:
      return left >= right;
  }
}
