/**
 * What the tables say about a message, made ready for decoding, encoding and checking. Plans are made on first use and kept: a program
 * that reads pods never looks at the fields of a CSIDriver.
 */
import { defined } from "../errors/defined.ts";
import { invariant } from "../errors/errors.ts";
import table from "./tables/messages.json" with { type: "json" };

/** What a field's bytes mean. Everything from `Time` on has a JSON form of its own. */
export const Op = {
  String: 0,
  Bool: 1,
  Int32: 2,
  Int64: 3,
  Uint32: 4,
  Uint64: 5,
  Double: 6,
  Float: 7,
  Bytes: 8,
  Message: 9,
  /** A message whose fields are its parent's in JSON. */
  Inline: 10,
  Time: 11,
  MicroTime: 12,
  Duration: 13,
  Quantity: 14,
  IntOrString: 15,
  RawExtension: 16,
  FieldsV1: 17,
  RawJson: 18,
} as const;
export type Op = (typeof Op)[keyof typeof Op];

export const Card = { One: 0, Many: 1, Map: 2 } as const;
export type Card = (typeof Card)[keyof typeof Card];

/** How the slots of a message become JSON. */
export const Shape = {
  Object: 0,
  /** `type ExtraValue []string`: a message around a list, the list alone in JSON. */
  List: 1,
  /** metav1.Fields of Kubernetes 1.14 and 1.15: a message around a map, the map alone in JSON. */
  Map: 2,
  SchemaOrBool: 3,
  SchemaOrArray: 4,
  SchemaOrStrings: 5,
} as const;
export type Shape = (typeof Shape)[keyof typeof Shape];

/** What Go's encoding/json prints for a field whose value is Go's zero. */
export const Empty = {
  /** Nothing: `omitempty` on a scalar, list, map, bytes or pointer, `omitzero` on a struct. */
  Omit: 0,
  /** A nil pointer, slice or map, a zero time, an empty raw value. */
  Null: 1,
  /** "", 0, false, "0" for a quantity, "0s" for a duration. */
  Zero: 2,
  /** A struct's own zero form. */
  Struct: 3,
} as const;
export type Empty = (typeof Empty)[keyof typeof Empty];

export interface FieldPlan {
  readonly number: number;
  readonly name: string;
  readonly op: Op;
  readonly card: Card;
  readonly pointer: boolean;
  /** Not in the newest release, whose servers write no zero value for it. */
  readonly gone: boolean;
  readonly empty: Empty;
  /** Left out also where it is stored but zero: `omitempty` on what is no pointer. */
  readonly dropsZero: boolean;
  /** What stands for an absent value where `empty` is `Empty.Zero`, and for an absent value of a map. */
  readonly zero: string | number | boolean | null;
  /** What precedes the value in a path: `.name`. */
  readonly step: string;
  /** Index among the slots of the object that the value ends up in. */
  readonly slot: number;
  /** The message, for `Op.Message`. */
  readonly plan: MessagePlan | undefined;
  /** The fields of an inlined message, with slots of its parent. */
  readonly inline: FieldTable | undefined;
}

/** Fields by protobuf number; index 0 is never used. */
export interface FieldTable {
  readonly byNumber: readonly (FieldPlan | undefined)[];
  /** As they are written: by number, as gogo/protobuf's generated code sorts them. */
  readonly inWireOrder: readonly FieldPlan[];
}

export interface MessagePlan {
  readonly name: string;
  readonly shape: Shape;
  readonly fields: FieldTable;
  /** One for each JSON field, in the order in which Go declares and prints them. */
  readonly slots: readonly FieldPlan[];
  readonly byName: ReadonlyMap<string, FieldPlan>;
}

const MESSAGES: Readonly<Record<string, readonly string[]>> = table;
/** metav1.Fields refers to itself, and its JSON is the map alone. */
const FIELDS_MAP: readonly string[] = ["1 = map[]fields-map"];

const OPS: Readonly<Record<string, Op>> = {
  string: Op.String,
  bool: Op.Bool,
  int32: Op.Int32,
  int64: Op.Int64,
  uint32: Op.Uint32,
  uint64: Op.Uint64,
  double: Op.Double,
  float: Op.Float,
  bytes: Op.Bytes,
  time: Op.Time,
  "micro-time": Op.MicroTime,
  duration: Op.Duration,
  quantity: Op.Quantity,
  "int-or-string": Op.IntOrString,
  "raw-extension": Op.RawExtension,
  "fields-v1": Op.FieldsV1,
  "raw-json": Op.RawJson,
};

const plans = new Map<string, MessagePlan>();

/** The plan of a message of the tables, such as `core/v1.Pod`. Unknown names are a bug: see `findResource` for what exists. */
export function planOf(name: string): MessagePlan {
  const known = plans.get(name);
  if (known) return known;
  const lines = name === "fields-map" ? FIELDS_MAP : MESSAGES[name];
  invariant(lines, `storage tables have no message "${name}"`);
  const slots: FieldPlan[] = [];
  const byName = new Map<string, FieldPlan>();
  const plan = {
    name,
    shape: shapeOf(name, lines),
    fields: { byNumber: [], inWireOrder: [] } as FieldTable,
    slots,
    byName,
  };
  plans.set(name, plan); // before its fields: a schema holds schemas
  plan.fields = compile(lines, slots);
  for (const slot of slots) if (!byName.has(slot.name)) byName.set(slot.name, slot);
  return plan;
}

function compile(lines: readonly string[], slots: FieldPlan[]): FieldTable {
  const byNumber: (FieldPlan | undefined)[] = [undefined];
  for (const line of lines) {
    const [digits, nameAndFlags, type, gone] = line.split(" ") as [string, string, string, string | undefined];
    const number = Number(digits);
    while (byNumber.length <= number) byNumber.push(undefined);
    byNumber[number] = compileField(number, nameAndFlags, type, gone !== undefined, slots);
  }
  const inWireOrder = byNumber.filter((field) => field !== undefined);
  return { byNumber, inWireOrder };
}

function compileField(
  number: number,
  nameAndFlags: string,
  type: string,
  gone: boolean,
  slots: FieldPlan[],
): FieldPlan {
  const name = nameAndFlags.replace(/\?+$/, "");
  const [, prefix, base] = /^(\*|\[\]|map\[\])?(.+)$/.exec(type) as unknown as [string, string | undefined, string];
  const card = prefix === "[]" ? Card.Many : prefix === "map[]" ? Card.Map : Card.One;
  const pointer = prefix === "*";
  const op = OPS[base] ?? Op.Message;
  if (name === "-") {
    invariant(card === Card.One && op === Op.Message, `inlined field of type "${type}"`);
    const inline = compile(defined(MESSAGES[base]), slots);
    const none = { gone, empty: Empty.Omit, dropsZero: false, zero: null, step: "", slot: -1 } as const;
    return { number, name, op: Op.Inline, card, pointer, ...none, plan: undefined, inline };
  }
  const plan = op === Op.Message ? planOf(base) : undefined;
  const flags = nameAndFlags.length - name.length;
  const declared = emptyForm(op, card, pointer, flags);
  const empty = gone ? Empty.Omit : declared;
  const dropsZero = declared === Empty.Omit && !pointer && card === Card.One;
  const step = name === "=" ? "" : `.${name}`;
  const field = {
    number,
    name,
    op,
    card,
    pointer,
    gone,
    empty,
    dropsZero,
    zero: zeroOf(op),
    step,
    slot: slots.length,
    plan,
    inline: undefined,
  };
  slots.push(field);
  return field;
}

function zeroOf(op: Op): string | number | boolean | null {
  if (op === Op.String) return "";
  if (op === Op.Bool) return false;
  if (op <= Op.Float || op === Op.IntOrString) return 0;
  if (op === Op.Quantity) return "0";
  return op === Op.Duration ? "0s" : null;
}

/** Go's rules: `omitempty` (flags 1) has no effect on a struct, which time, quantity and the like are; `omitzero` (flags 2) has. */
function emptyForm(op: Op, card: Card, pointer: boolean, flags: number): Empty {
  const nilable = card !== Card.One || pointer || op === Op.Bytes;
  if (nilable) return flags > 0 ? Empty.Omit : Empty.Null;
  if (op === Op.Message) return flags === 2 ? Empty.Omit : Empty.Struct;
  if (op === Op.Quantity || op === Op.IntOrString || op === Op.Duration) return flags === 2 ? Empty.Omit : Empty.Zero;
  if (op >= Op.Time) return flags === 2 ? Empty.Omit : Empty.Null;
  return flags > 0 ? Empty.Omit : Empty.Zero;
}

function shapeOf(name: string, lines: readonly string[]): Shape {
  if (name === "fields-map") return Shape.Map;
  if (lines[0]?.startsWith("1 = ")) return Shape.List;
  if (name.endsWith(".JSONSchemaPropsOrBool")) return Shape.SchemaOrBool;
  if (name.endsWith(".JSONSchemaPropsOrArray")) return Shape.SchemaOrArray;
  if (name.endsWith(".JSONSchemaPropsOrStringArray")) return Shape.SchemaOrStrings;
  return Shape.Object;
}
