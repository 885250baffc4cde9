/**
 * The order in which the API server prints fields, for objects that are not stored in it: a built-in kind's fields come
 * as Go declares them, a custom resource's keys are sorted.
 */

import { defined } from "../errors/defined.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { Card, type MessagePlan, Op, Shape } from "./message-plan.ts";

type Json = { [field: string]: JsonValue | undefined };

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Go's order of strings: by the bytes of their UTF-8. */
export function compareStrings(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const left = a.charCodeAt(at);
    const right = b.charCodeAt(at);
    if (left === right) continue;
    // Surrogates (characters beyond U+FFFF) sort behind U+E000..U+FFFF in UTF-8, but before them in UTF-16.
    const high = (code: number) => (code >= 0xe000 ? code - 0x2000 : code >= 0xd800 ? code + 0x2000 : code);
    return high(left) - high(right);
  }
  return a.length - b.length;
}

/** An own, enumerable field even where it is called `__proto__`. */
export function setField(object: { [field: string]: unknown }, name: string, value: unknown): void {
  if (name === "__proto__")
    Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true });
  else object[name] = value;
}

/**
 * Every map's keys sorted, as Go prints `map[string]any`. Integer-like keys still come first, as JavaScript has it: the
 * printers depend on them.
 */
export function sortKeys(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (!isObject(value)) return value;
  const sorted: Json = {};
  for (const key of Object.keys(value).sort(compareStrings)) setField(sorted, key, sortKeys(defined(value[key])));
  return sorted;
}

/** A built-in kind's object in the order of its plan. Fields that the plan does not have go last, as they are. */
export function arrange(plan: MessagePlan, value: JsonValue): JsonValue {
  if (!isObject(value)) return value;
  if (plan.shape !== Shape.Object) return arrangeShape(plan, value);
  const arranged: Json = {};
  // An object, or one within it such as a StatefulSet's volume claim template, whose type is not part of its message.
  for (const name of ["kind", "apiVersion"]) {
    if (!plan.byName.has(name) && value[name] !== undefined) arranged[name] = value[name];
  }
  for (const { name, op, card, plan: fieldPlan } of plan.slots) {
    const field = value[name];
    if (field === undefined || name in arranged) continue;
    arranged[name] = op !== Op.Message ? field : arrangeField(defined(fieldPlan), card, field);
  }
  for (const name of Object.keys(value)) if (!Object.hasOwn(arranged, name)) setField(arranged, name, value[name]);
  return arranged as JsonObject;
}

function arrangeField(plan: MessagePlan, card: Card, field: JsonValue): JsonValue {
  if (card === Card.One) return arrange(plan, field);
  if (card === Card.Many) return Array.isArray(field) ? field.map((item) => arrange(plan, item)) : field;
  if (!isObject(field)) return field;
  const map: Json = {};
  for (const key of Object.keys(field).sort(compareStrings)) setField(map, key, arrange(plan, defined(field[key])));
  return map as JsonObject;
}

/** A schema that stands where also a boolean, a list of schemas or a list of names could. */
function arrangeShape(plan: MessagePlan, value: JsonObject): JsonValue {
  const schema = plan.slots.find((slot) => slot.plan !== undefined)?.plan;
  return schema ? arrange(schema, value) : value;
}

/** The object with `metadata.resourceVersion`, which is not stored, in its place: sorted for a custom resource, after `uid` otherwise. */
export function withResourceVersion(
  object: JsonObject,
  resourceVersion: string,
  plan: MessagePlan | undefined,
): JsonObject {
  const stored = isObject(object.metadata) ? object.metadata : {};
  const order = plan?.byName.get("metadata")?.plan;
  const metadata = order
    ? arrange(order, { ...stored, resourceVersion })
    : Object.fromEntries(Object.entries({ ...stored, resourceVersion }).sort(([a], [b]) => compareStrings(a, b)));
  return { ...object, metadata };
}
