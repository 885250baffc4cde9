/** Reading JSON that came from a cluster: a field that is absent, null or of another type reads as empty, and nothing throws. */
import type { JsonObject, JsonValue } from "./object.ts";

export function objectOf(value: JsonValue | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

export function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}

/** The list's objects; anything else in it is left out. */
export function objectsOf(value: JsonValue | undefined): readonly JsonObject[] {
  return listOf(value).filter((each): each is JsonObject => isObject(each));
}

export function textOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}

/** The list's strings; anything else in it is left out. */
export function textsOf(value: JsonValue | undefined): readonly string[] {
  return listOf(value).filter((each): each is string => typeof each === "string");
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object without some of its fields. */
export function without(value: JsonObject, fields: Iterable<string>): JsonObject {
  const dropped = new Set(fields);
  return Object.fromEntries(Object.entries(value).filter(([name]) => !dropped.has(name)));
}

/** The object with its list of objects under `field` mapped; unchanged when it has no such list. */
export function mapObjects(value: JsonObject, field: string, change: (each: JsonObject) => JsonObject): JsonObject {
  const list = value[field];
  if (!Array.isArray(list)) return value;
  return { ...value, [field]: (list as readonly JsonValue[]).map((each) => (isObject(each) ? change(each) : each)) };
}
