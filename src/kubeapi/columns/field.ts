/** Reads fields of objects whose shape nobody vouches for: what is absent or of another type reads as empty. */
import type { JsonObject, JsonValue } from "../../kube/object.ts";

type Value = JsonValue | undefined;

/** The value at a path, or undefined. */
export function field(value: Value, ...path: readonly string[]): Value {
  return at(value, path);
}

function at(value: Value, path: readonly string[]): Value {
  let found: Value = value;
  for (const name of path) {
    if (!isObject(found)) return undefined;
    const next: Value = found[name];
    // No object has a function; what every object inherits is not its own.
    if (next === undefined || typeof next === "function") return undefined;
    if (name === "__proto__" && !Object.hasOwn(found, name)) return undefined;
    found = next;
  }
  return found ?? undefined;
}

/** Paths are those of the tables' columns: a few hundred. */
const paths = new Map<string, readonly string[]>();
const MOST_PATHS = 4096;

function namesIn(path: string): readonly string[] {
  const known = paths.get(path);
  if (known !== undefined) return known;
  const names = path.split(".");
  if (paths.size < MOST_PATHS) paths.set(path, names);
  return names;
}

/** A text, number or truth value as text; `absent` when there is none. */
export function text(value: Value, path: readonly string[] | string, absent = ""): string {
  const found = at(value, typeof path === "string" ? namesIn(path) : path);
  if (found === undefined || found === "") return absent;
  return typeof found === "object" ? JSON.stringify(found, bigints) : String(found);
}

/** Any value as text, on one line. */
export function plainText(value: Value): string {
  return text(value, []);
}

/** A number as text, `0` when there is none: Go's zero value. */
export function count(value: Value, path: string): string {
  return text(value, path, "0");
}

export function list(value: Value, path: string): readonly JsonValue[] {
  const found = at(value, namesIn(path));
  return Array.isArray(found) ? found : [];
}

/** The fields of an object, in their order. */
export function entries(value: Value, path: string): readonly (readonly [string, JsonValue])[] {
  const found = at(value, namesIn(path));
  return isObject(found) ? (Object.entries(found) as [string, JsonValue][]) : [];
}

/** The fields that are there, by their names, as Go ranges over a map. */
export function sortedEntries(value: JsonObject): (readonly [string, JsonValue])[] {
  const fields = Object.entries(value).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined);
  return fields.sort(([a], [b]) => (a < b ? -1 : 1));
}

export function isObject(value: Value): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const bigints = (_key: string, value: unknown) => (typeof value === "bigint" ? Number(value) : value);
