/**
 * Defaults of a custom resource's schema, which an API server fills in whenever it reads an object. Source:
 * apiextensions-apiserver/pkg/apiserver/schema/defaulting.
 */
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { compareStrings, isObject, setField } from "../storage/arrange.ts";

const MOST_DEPTH = 100;

/** The object with the defaults that it lacks; itself where it lacks none. */
export function withDefaults(object: KubeObject, schema: JsonObject | undefined): KubeObject {
  return schema === undefined || !hasDefault(schema) ? object : (fill(object, schema, 0) as KubeObject);
}

const known = new WeakMap<JsonObject, boolean>();

/** Whether there is any default in a schema: mostly there is none, and objects need no look. */
function hasDefault(schema: JsonObject): boolean {
  const found =
    known.get(schema) ??
    JSON.stringify(schema, (_name, value) => (typeof value === "bigint" ? 0 : value)).includes('"default":');
  known.set(schema, found);
  return found;
}

function fill(value: JsonValue, schema: JsonValue | undefined, depth: number): JsonValue {
  if (!isObject(schema) || depth > MOST_DEPTH) return value;
  if (Array.isArray(value)) {
    const { items } = schema;
    return isObject(items) ? value.map((item) => fillOne(item as JsonValue, items, depth)) : value;
  }
  if (!isObject(value)) return value;
  const { properties, additionalProperties } = schema;
  const result: Record<string, JsonValue | undefined> = { ...value };
  let added = false;
  if (isObject(properties)) {
    for (const [name, of] of Object.entries(properties)) {
      if (!isObject(of)) continue;
      const current = Object.hasOwn(value, name) ? value[name] : undefined;
      const replaces = current === undefined || (current === null && of.nullable !== true);
      if (replaces && of.default !== undefined) {
        added ||= current === undefined;
        setField(result, name, fill(of.default, of, depth + 1));
      } else if (current !== undefined) setField(result, name, fill(current, of, depth + 1));
    }
  }
  if (isObject(additionalProperties)) {
    for (const [name, current] of Object.entries(value)) {
      if (current === undefined || (isObject(properties) && Object.hasOwn(properties, name))) continue;
      setField(result, name, fillOne(current, additionalProperties, depth));
    }
  }
  return added ? sorted(result) : (result as JsonObject);
}

/** An item that is null takes the default of its schema, where it must not be null. */
function fillOne(value: JsonValue, schema: JsonObject, depth: number): JsonValue {
  const replaced = value === null && schema.nullable !== true && schema.default !== undefined ? schema.default : value;
  return fill(replaced, schema, depth + 1);
}

/** Go prints maps in alphabetical order. */
function sorted(object: JsonObject): JsonObject {
  const result: Record<string, JsonValue | undefined> = {};
  for (const name of Object.keys(object).sort(compareStrings)) setField(result, name, object[name]);
  return result;
}
