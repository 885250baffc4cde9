/** What the storage tables say of the fields of Kubernetes' own kinds. */
import { Card, type FieldPlan, type MessagePlan, Op, planOf, Shape } from "../storage/message-plan.ts";
import { findResource } from "../storage/resources.ts";
import { defaultOf } from "./api-defaults.ts";
import { builtInListRule } from "./list-rules.ts";
import type { ValueType } from "./value-type.ts";

const ANY: ValueType = {};
const objects = new Map<MessagePlan, ValueType>();
const fields = new Map<FieldPlan, ValueType>();

/** The type of a built-in kind, or undefined for a custom resource. */
export function builtInType(apiVersion: string, kind: string): ValueType | undefined {
  const resource = findResource(apiVersion, kind);
  return resource && objectType(planOf(resource.message));
}

function objectType(plan: MessagePlan): ValueType {
  let type = objects.get(plan);
  if (type === undefined) {
    const isPlain = plan.shape === Shape.Object;
    type = isPlain ? { field: (name) => fieldOf(plan, name) } : ANY;
    objects.set(plan, type);
  }
  return type;
}

/** What an object in another one says of its own type, such as a claim template, is filled on reading. */
const TYPE_FIELDS = ["kind", "apiVersion"];
const IGNORED: ValueType = { ignored: true };

function fieldOf(plan: MessagePlan, name: string): ValueType | undefined {
  const field = plan.byName.get(name);
  if (field === undefined) return TYPE_FIELDS.includes(name) && !plan.byName.has(name) ? IGNORED : undefined;
  const type = fieldType(plan.name, field);
  const value = defaultOf(plan.name, name);
  return value === undefined ? type : { ...type, absentIs: value };
}

function fieldType(owner: string, field: FieldPlan): ValueType {
  let type = fields.get(field);
  if (type === undefined) {
    type = makeType(owner, field);
    fields.set(field, type);
  }
  return type;
}

function makeType(owner: string, field: FieldPlan): ValueType {
  const { card, name, plan, pointer, op } = field;
  const single = () => (plan === undefined ? scalarType(op) : objectType(plan));
  if (card === Card.Map) return { absentIs: "empty", field: single };
  if (card === Card.Many) {
    const list = builtInListRule(owner, name, plan?.name ?? (op === Op.String ? "" : "."));
    return { absentIs: "empty", item: single, ...(list && { list }) };
  }
  const type = single();
  if (pointer) return type;
  if (plan !== undefined) return { ...type, absentIs: "empty" };
  if (op === Op.String || op === Op.Bytes) return { ...type, absentIs: "" };
  if (op === Op.Bool) return { ...type, absentIs: false };
  return op <= Op.Float ? { ...type, absentIs: 0 } : type;
}

function scalarType(op: Op): ValueType {
  if (op === Op.Quantity) return { scalar: "quantity" };
  if (op === Op.Time || op === Op.MicroTime) return { scalar: "time" };
  return op === Op.Duration ? { scalar: "duration" } : ANY;
}
