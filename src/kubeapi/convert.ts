/**
 * An object of one version as another. Kubernetes converts with code of its own for each kind; here an object is of
 * another version where that has all the fields that the object has, and the kinds whose fields were renamed have a
 * rule each. Anything else is left in the version that it is stored in.
 */
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { arrange, isObject } from "../storage/arrange.ts";
import { Card, type MessagePlan, Op, planOf, Shape } from "../storage/message-plan.ts";
import { apiVersionOf, findResource, type Resource } from "../storage/resources.ts";
import { CONVERSIONS } from "./conversions.ts";

/** The object at the version of `resource`, or undefined where it has no form there. */
export function convertObject(object: KubeObject, resource: Resource): KubeObject | undefined {
  const apiVersion = apiVersionOf(resource);
  if (object.apiVersion === apiVersion) return object;
  if (object.kind !== resource.kind) return undefined;
  const stored = findResource(object.apiVersion, object.kind);
  if (stored === undefined) return undefined;
  const rule = CONVERSIONS.get(`${object.kind} ${object.apiVersion} ${apiVersion}`);
  const converted = rule === undefined ? object : rule(object);
  if (converted === undefined) return undefined;
  const plan = planOf(resource.message);
  if (rule === undefined && !(sameShape(planOf(stored.message), plan) || fits(plan, converted))) return undefined;
  return { ...(arrange(plan, { ...converted, apiVersion }) as KubeObject), kind: object.kind, apiVersion };
}

const compared = new WeakMap<MessagePlan, WeakMap<MessagePlan, boolean>>();

/** Whether two messages have the same fields of the same types, all the way down. */
function sameShape(a: MessagePlan, b: MessagePlan): boolean {
  if (a === b) return true;
  const known = compared.get(a)?.get(b);
  if (known !== undefined) return known;
  const results = compared.get(a) ?? new WeakMap<MessagePlan, boolean>();
  compared.set(a, results);
  results.set(b, true); // for messages that hold themselves
  const same =
    a.shape === b.shape &&
    a.slots.length === b.slots.length &&
    a.slots.every((slot) => {
      const other = b.byName.get(slot.name);
      if (other === undefined || other.op !== slot.op || other.card !== slot.card) return false;
      return slot.plan === undefined || other.plan === undefined || sameShape(slot.plan, other.plan);
    });
  results.set(b, same);
  return same;
}

/** Whether every field of a value is one of the message, of its type. */
function fits(plan: MessagePlan, value: JsonValue): boolean {
  if (!isObject(value)) return plan.shape !== Shape.Object;
  if (plan.shape !== Shape.Object) return true;
  for (const [name, item] of Object.entries(value)) {
    if (name === "kind" || name === "apiVersion" || item === undefined) continue;
    const slot = plan.byName.get(name);
    if (slot === undefined || slot.gone) return false;
    if (item === null) continue;
    const one = (each: JsonValue): boolean => {
      if (slot.op === Op.Message && slot.plan !== undefined) return fits(slot.plan, each);
      return scalarFits(slot.op, each);
    };
    if (slot.card === Card.Many) {
      if (!Array.isArray(item) || !item.every((each) => one(each as JsonValue))) return false;
    } else if (slot.card === Card.Map) {
      if (!isObject(item) || !Object.values(item).every((each) => each !== undefined && one(each))) return false;
    } else if (!one(item)) return false;
  }
  return true;
}

function scalarFits(op: Op, value: JsonValue): boolean {
  switch (op) {
    case Op.String:
    case Op.Bytes:
    case Op.Time:
    case Op.MicroTime:
    case Op.Duration:
      return typeof value === "string";
    case Op.Bool:
      return typeof value === "boolean";
    case Op.Int32:
    case Op.Int64:
    case Op.Uint32:
    case Op.Uint64:
    case Op.Double:
    case Op.Float:
      return typeof value === "number" || typeof value === "bigint";
    default:
      return true;
  }
}

/** A custom resource whose versions differ in nothing but the name. */
export function convertCustom(object: KubeObject, apiVersion: string): KubeObject {
  return object.apiVersion === apiVersion ? object : ({ ...object, apiVersion } as JsonObject as KubeObject);
}
