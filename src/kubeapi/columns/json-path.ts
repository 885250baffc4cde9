/**
 * The JSONPath of printer columns and of kubectl's output formats: `.spec.replicas`, `.metadata.labels['a.b/c']`, `.metadata.labels.a\.b`,
 * `.items[0]`, `[-1]`, `[0:2]`, `[0:9:3]`, `[0,2]`, `['a','b']`, `[*]`, `..image`, `.status.conditions[?(@.type=="Ready")].status`.
 * What is not understood finds nothing. Source: k8s.io/client-go/util/jsonpath.
 */
import type { JsonObject, JsonValue } from "../../kube/object.ts";
import { field, isObject, sortedEntries } from "./field.ts";
import { type JsonPathFilter, parseFilter, passesFilter } from "./json-path-filter.ts";

type Step =
  | { readonly kind: "field"; readonly name: string }
  /** In quotes: a field of this name, or where there is none, a path. */
  | { readonly kind: "quoted"; readonly name: string; readonly path: readonly Step[] }
  | { readonly kind: "index"; readonly index: number }
  | { readonly kind: "slice"; readonly start: number; readonly end: number | undefined; readonly step: number }
  | { readonly kind: "all" }
  /** The value itself and everything in it, outermost first. */
  | { readonly kind: "descend" }
  | { readonly kind: "union"; readonly steps: readonly Step[] }
  | { readonly kind: "filter"; readonly filter: JsonPathFilter<readonly Step[]> };

export type JsonPath = readonly Step[];

const TOKEN =
  /(\.\.)(?=[^.])|\.?\[\s*((?:'[^']*'|"[^"]*"|-?\d+)(?:\s*,\s*(?:'[^']*'|"[^"]*"|-?\d+))+)\s*\]|\.?\[\s*'((?:[^'\\]|\\.)*)'\s*\]|\.?\[\s*"((?:[^"\\]|\\.)*)"\s*\]|\.?\[\s*(-?\d+)\s*\]|\.?\[\s*(-?\d*:-?\d*(?::\d+)?)\s*\]|(\.?\[\s*\*\s*\]|\.\*)|\[\?\(((?:'[^']*'|"[^"]*"|[^'"])*?)\)\]|\.((?:[^.[\]\\\s]|\\.)+)/sy;

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
    const [, descend, union, single, double, index, slice, all, filter, name] = match;
    const quoted = single ?? double;
    if (descend !== undefined) {
      steps.push({ kind: "descend" });
      if (path[position] !== "[") position--; // the name after it begins with its last dot
    } else if (union !== undefined) steps.push({ kind: "union", steps: readUnion(union) });
    else if (quoted !== undefined) steps.push(quotedStep(quoted));
    else if (index !== undefined) steps.push({ kind: "index", index: Number(index) });
    else if (slice !== undefined) {
      const [start, end, step = "1"] = slice.split(":");
      const until = end === "" ? undefined : Number(end);
      if (Number(step) < 1) return undefined;
      steps.push({ kind: "slice", start: Number(start), end: until, step: Number(step) });
    } else if (all !== undefined) steps.push({ kind: "all" });
    else if (name !== undefined) steps.push({ kind: "field", name: withoutBackslashes(name) });
    else {
      const parsed = parseFilter(filter ?? "", parseJsonPath);
      if (parsed === undefined) return undefined;
      steps.push({ kind: "filter", filter: parsed });
    }
    while (/\s/.test(path[position] ?? "")) position++;
  }
  return steps;
}

function readUnion(text: string): Step[] {
  return [...text.matchAll(/'([^']*)'|"([^"]*)"|(-?\d+)/g)].map(([, single, double, index]) =>
    index === undefined ? quotedStep(single ?? double ?? "") : { kind: "index", index: Number(index) },
  );
}

function quotedStep(text: string): Step {
  const path = /[^\\]\./.test(text) ? parseJsonPath(`.${text}`) : undefined;
  const name = withoutBackslashes(text);
  return path === undefined ? { kind: "field", name } : { kind: "quoted", name, path };
}

const withoutBackslashes = (name: string): string => name.replace(/\\(.)/gs, "$1");

/** What finds nothing, and is a mistake in a template: each may throw. */
export interface PathMistakes {
  /** A place that a list does not have. */
  readonly outside?: (index: number, length: number) => void;
  /** What a filter cannot compare. */
  readonly incomparable?: (a: JsonValue, b: JsonValue) => void;
  /** A field that is not there. */
  readonly missing?: (name: string) => void;
}

/** Everything that the path finds, in order. */
export function findJsonPath(path: JsonPath, value: JsonValue, mistakes: PathMistakes = {}): readonly JsonValue[] {
  const { outside, missing } = mistakes;
  let found: readonly JsonValue[] = [value];
  for (const step of path) {
    if (outside !== undefined) for (const each of found) checkPlaces(step, each, outside);
    // All that the first part of a union finds, then all that the second does.
    const parts = step.kind === "union" ? step.steps : [step];
    const before = found;
    found = parts.flatMap((part) => {
      const next = before.flatMap((each) => apply(part, each, mistakes));
      const isName = part.kind === "field" || part.kind === "quoted";
      if (isName && before.length > 0 && next.length === 0) missing?.(part.name);
      return next;
    });
  }
  return found;
}

function checkPlaces(step: Step, value: JsonValue, onOutside: (index: number, length: number) => void): void {
  if (!Array.isArray(value)) return;
  const { length } = value as readonly JsonValue[];
  const at = (index: number): number => (index < 0 ? index + length : index);
  const check = (index: number): void => {
    if (at(index) < 0 || at(index) >= length) onOutside(index, length);
  };
  if (step.kind === "index") check(step.index);
  if (step.kind === "union") for (const each of step.steps) checkPlaces(each, value, onOutside);
  if (step.kind !== "slice" || length === 0) return;
  const end = step.end === undefined ? length : at(step.end);
  if (at(step.start) === end) return;
  check(step.start);
  if (end > length || end < 0) onOutside(end - 1, length);
  if (at(step.start) > end) onOutside(step.start, end);
}

function apply(step: Step, value: JsonValue, mistakes: PathMistakes): readonly JsonValue[] {
  switch (step.kind) {
    case "field": {
      const next = field(value, step.name);
      return next === undefined ? [] : [next];
    }
    case "quoted": {
      const next = field(value, step.name);
      return next === undefined ? findJsonPath(step.path, value, mistakes) : [next];
    }
    case "index": {
      const next = Array.isArray(value) ? (value as readonly JsonValue[]).at(step.index) : undefined;
      return next === undefined || next === null ? [] : [next];
    }
    case "slice":
      if (!Array.isArray(value)) return [];
      return (value as readonly JsonValue[]).slice(step.start, step.end).filter((_, i) => i % step.step === 0);
    case "descend":
      return [...descendants(value)];
    case "union":
      return step.steps.flatMap((each) => apply(each, value, mistakes));
    case "all":
      if (Array.isArray(value)) return value as readonly JsonValue[];
      return isObject(value) ? sortedEntries(value).map(([, each]) => each) : [];
    case "filter":
      if (!Array.isArray(value)) return [];
      return (value as readonly JsonValue[]).filter((each) =>
        passesFilter(step.filter, each, findJsonPath, mistakes.incomparable),
      );
  }
}

function* descendants(value: JsonValue): Generator<JsonValue> {
  yield value;
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) for (const each of value as readonly JsonValue[]) yield* descendants(each);
  else for (const [, each] of sortedEntries(value as JsonObject)) yield* descendants(each);
}
