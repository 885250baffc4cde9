/**
 * Makes encoders: for each message a JavaScript function that writes an object's protobuf, the last field first, without a
 * table to look into. They are compiled when they are first called, of the generated tables alone, as decoders are
 * (docs/adr/0165, docs/adr/0242). What they meet rarely, such as a value of the wrong type, a bigint or an unknown field, they leave to
 * `encode-message.ts`, which encodes it or says what is wrong with it.
 */
import { compileFunction } from "node:vm";
import { defined } from "../errors/defined.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { BYTES, FIXED32, FIXED64, VARINT } from "../protobuf/reader.ts";
import { asObject, isEmbeddedType } from "./encoded-object.ts";
import { Card, type FieldPlan, type FieldTable, type MessagePlan, Op, Shape } from "./message-plan.ts";
import {
  full,
  putBytes,
  putDouble,
  putDuration,
  putFloat,
  putInteger,
  putIntOrString,
  putMicroTime,
  putQuantity,
  putRawJson,
  putString,
  putText,
  putTime,
  putVarint,
  SLACK,
  sortedKeys,
  unusual,
  wire,
} from "./wire-buffer.ts";

/** Writes a message's fields before a position of the buffer, and returns where they begin. */
export interface Encoder {
  write: (value: unknown, at: number) => number;
}

/** What compiled code calls. */
const HELPERS = {
  ...{ full, putBytes, putDouble, putDuration, putFloat, putInteger, putIntOrString, putMicroTime, putQuantity },
  ...{ putRawJson, putString, putText, putTime, putVarint, sortedKeys, unusual, wire, SLACK },
  nothing: {} as JsonObject,
  isObject: (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value),
  /** What stands for the fields of a message that is something else in JSON. */
  fieldsOf: (plan: MessagePlan, value: JsonValue | undefined): JsonObject => asObject(plan, value ?? {}, ""),
  /** Not as many of the object's fields are the message's as it has. */
  checkNames(plan: MessagePlan, object: JsonObject): void {
    for (const name of Object.keys(object))
      if (object[name] !== undefined && !plan.byName.has(name) && !isEmbeddedType(plan, name)) unusual();
  },
};

const encoders = new Map<MessagePlan, Encoder>();

export function encoderOf(plan: MessagePlan): Encoder {
  const known = encoders.get(plan);
  if (known !== undefined) return known;
  const encoder: Encoder = {
    write(value, at) {
      encoder.write = compile(plan);
      return encoder.write(value, at);
    },
  };
  encoders.set(plan, encoder);
  return encoder;
}

function compile(plan: MessagePlan): Encoder["write"] {
  const values: unknown[] = [];
  const constant = (value: unknown): string =>
    `k${values.includes(value) ? values.indexOf(value) : values.push(value) - 1}`;
  const body = message(plan, constant);
  const names = Object.keys(HELPERS).join(", ");
  const constants = values.map((_, index) => `const k${index} = values[${index}];`).join(" ");
  const make = compileFunction(
    `"use strict"; const { ${names} } = helpers; ${constants} return function encode(value, at) {${body}};`,
    ["helpers", "values"],
  );
  return make(HELPERS, values) as Encoder["write"];
}

type Constant = (value: unknown) => string;

function message(plan: MessagePlan, constant: Constant): string {
  const open =
    plan.shape === Shape.Object
      ? `const object = value ?? nothing; if (!isObject(object)) unusual();`
      : `const object = fieldsOf(${constant(plan)}, value);`;
  const read = plan.slots.map(({ slot, name }) => `const v${slot} = object[${JSON.stringify(name)}];`);
  const names = [...new Map(plan.slots.map((slot) => [slot.name, slot])).values()];
  const count = names.map(({ slot }) => `(v${slot} === undefined ? 0 : 1)`).join(" + ") || "0";
  return `
    const { bytes } = wire;
    if (at < SLACK) full();
    ${open}
    ${read.join("\n    ")}
    if (Object.keys(object).length !== ${count}) checkNames(${constant(plan)}, object);
    let p = at, b = 0;
    ${fields(plan.fields, constant)}
    return p;`;
}

function fields(table: FieldTable, constant: Constant): string {
  return [...table.inWireOrder]
    .reverse()
    .map((field) => code(field, constant))
    .join("\n    ");
}

function code(field: FieldPlan, constant: Constant): string {
  const { op, card, slot, number } = field;
  const value = `v${slot}`;
  if (op === Op.Inline) {
    const end = `e${number}_${defined(field.inline).inWireOrder[0]?.slot ?? 0}`;
    return `{ const ${end} = p; ${fields(defined(field.inline), constant)} ${delimit(number, end)} }`;
  }
  if (card === Card.Many)
    return `if (${value} !== undefined && ${value} !== null) {
      if (!Array.isArray(${value})) unusual();
      for (let i = ${value}.length - 1; i >= 0; i--) { const item = ${value}[i]; ${one(field, "item", number, constant)} }
    }`;
  if (card === Card.Map) return map(field, value, constant);
  const isNilable = field.pointer || op === Op.Bytes;
  // A field that the newest release has no more is written where it is there.
  if (isNilable || field.gone)
    return `if (${value} !== undefined && ${value} !== null) { ${one(field, value, number, constant)} }`;
  return `{ const one = ${value} ?? ${JSON.stringify(field.zero)}; ${one(field, "one", number, constant)} }`;
}

function map(field: FieldPlan, value: string, constant: Constant): string {
  const content = `const item = raw ?? ${JSON.stringify(field.zero)}; ${one(field, "item", 2, constant)}`;
  return `if (${value} !== undefined && ${value} !== null) {
      if (!isObject(${value})) unusual();
      const keys = sortedKeys(${value});
      for (let i = keys.length - 1; i >= 0; i--) {
        const e = p, raw = ${value}[keys[i]];
        ${field.op === Op.Bytes ? `if (raw !== null) { ${content} }` : content}
        p = putString(keys[i], p);
        bytes[--p] = 0x0a;
        ${delimit(field.number, "e")}
      }
    }`;
}

const LEAVES: Readonly<Record<number, keyof typeof HELPERS>> = {
  [Op.Bytes]: "putBytes",
  [Op.Time]: "putTime",
  [Op.MicroTime]: "putMicroTime",
  [Op.Duration]: "putDuration",
  [Op.Quantity]: "putQuantity",
  [Op.IntOrString]: "putIntOrString",
  [Op.RawExtension]: "putRawJson",
  [Op.FieldsV1]: "putRawJson",
  [Op.RawJson]: "putRawJson",
};

/** Numbers are as they are here: others are bigints, which are unusual. */
const BOUNDS: Readonly<Record<number, readonly [number, number]>> = {
  [Op.Int32]: [-(2 ** 31), 2 ** 31 - 1],
  [Op.Int64]: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  [Op.Uint32]: [0, 2 ** 32 - 1],
  [Op.Uint64]: [0, Number.MAX_SAFE_INTEGER],
};

/** One value with its tag. */
function one(field: FieldPlan, value: string, number: number, constant: Constant): string {
  const { op } = field;
  switch (op) {
    case Op.Message:
      return `b = p; p = ${constant(encoderOf(defined(field.plan)))}.write(${value}, p); ${delimit(number, "b")}`;
    case Op.String:
      return `b = p; p = putText(${value}, p); ${delimit(number, "b")}`;
    case Op.Bool:
      return `if (typeof ${value} !== "boolean") unusual(); p = putVarint(${value} ? 1 : 0, p); ${tag(number, VARINT)}`;
    case Op.Double:
      return `p = putDouble(${value}, p); ${tag(number, FIXED64)}`;
    case Op.Float:
      return `p = putFloat(${value}, p); ${tag(number, FIXED32)}`;
    case Op.Int32:
    case Op.Int64:
    case Op.Uint32:
    case Op.Uint64:
      return `p = putInteger(${value}, ${defined(BOUNDS[op]).join(", ")}, p); ${tag(number, VARINT)}`;
    default:
      return `b = p; p = ${LEAVES[op]}(${value}, p); ${delimit(number, "b")}`;
  }
}

/** The length and the tag of what was written since the position was `before`. */
function delimit(number: number, before: string): string {
  return `{ const n = ${before} - p; if (n < 128) bytes[--p] = n; else p = putVarint(n, p); } ${tag(number, BYTES)}`;
}

function tag(number: number, wireType: number): string {
  const bytes: number[] = [];
  let rest = number * 8 + wireType;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return bytes
    .reverse()
    .map((byte) => `bytes[--p] = ${byte};`)
    .join(" ");
}
