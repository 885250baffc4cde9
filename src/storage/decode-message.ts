/**
 * Protobuf to JSON, by the tables: the object as the API server prints it. This is the inner loop of every walk over a snapshot, so values are
 * gathered in one reused array of slots, field order and zero values come from the plan, and little is allocated that is not in the result.
 */

import type { JsonValue } from "../kube/object.ts";
import { BYTES, FIXED32, FIXED64, VARINT, WireError, WireReader } from "../protobuf/reader.ts";
import { decodeCbor, isCbor } from "./cbor.ts";
import { formatDuration, readDuration } from "./duration.ts";
import { isProtobuf, readEnvelope } from "./envelope.ts";
import { readIntOrString } from "./int-or-string.ts";
import { parseFields, parseJson } from "./json-parse.ts";
import { Card, Empty, type FieldPlan, type FieldTable, type MessagePlan, Op, planOf, Shape } from "./message-plan.ts";
import { readQuantity } from "./quantity.ts";
import { findResource } from "./resources.ts";
import { readText } from "./strings.ts";
import { readTime } from "./time.ts";

/** Messages within messages: a CRD's schema nests deepest, and the API server stops long before this. */
const MAX_MESSAGE_DEPTH = 200;
/** In one value: an empty message takes two bytes there, and a hundred in memory. */
const MAX_MESSAGES = 1_000_000;
/** More unknown fields in one object are not listed. */
const MAX_UNKNOWN_FIELDS = 100;
/** Whole objects within a RawExtension of an object. */
const MAX_OBJECT_DEPTH = 4;

type Json = { [field: string]: JsonValue };

const { base64Slice } = Buffer.prototype as unknown as {
  base64Slice(this: Uint8Array, start: number, end: number): string;
};

/** Slots are empty between uses; a reader that fails leaves its array to the garbage collector. */
let spareSlots: (JsonValue | undefined)[] | undefined;

export interface DecodedMessage {
  readonly object: Json;
  /** Paths of fields that the tables do not have, such as `spec.containers[0].#42`. */
  readonly unknownFields: readonly string[];
}

/**
 * Decodes the root message of an object, between two offsets of a value. `resourceVersion` goes into its metadata. Throws a WireError that
 * says where in the object the bytes make no sense.
 */
export function decodeMessage(
  plan: MessagePlan,
  value: Uint8Array,
  range: { readonly start: number; readonly end: number },
  root: { readonly apiVersion: string; readonly kind: string; readonly resourceVersion: string },
  objectDepth = 0,
): DecodedMessage {
  const slots = spareSlots ?? [];
  spareSlots = undefined;
  const reader = new MessageReader(value, slots, objectDepth);
  try {
    const object = reader.readRoot(plan, range.start, range.end, root);
    spareSlots = slots;
    return { object, unknownFields: reader.unknownFields };
  } catch (error) {
    const where = reader.where() || "object";
    if (error instanceof WireError) throw new WireError(`${where}: ${error.message}`, error.offset);
    // The parser's own message quotes the text, which may be a secret.
    if (error instanceof SyntaxError) throw new WireError(`${where}: raw JSON is not well-formed`, reader.pos);
    if (error instanceof RangeError) throw new WireError(`${where}: raw JSON is nested too deeply`, reader.pos);
    throw error;
  }
}

/** The JSON of one field's content, for one of the types with a form of their own. Throws where the bytes make no sense. */
export function decodeLeaf(op: Op, content: Uint8Array): JsonValue {
  return new MessageReader(content, [], 0).readLeaf(op, content.length);
}

class MessageReader extends WireReader {
  unknownFields: string[] = [];
  /** Where in the object the reader is: the fields that lead there, and the item or map key where a field holds several. */
  private readonly path: FieldPlan[] = [];
  private readonly items: (number | string)[] = [];
  private depth = 0;
  private readonly slots: (JsonValue | undefined)[];
  private messages = 0;
  /** The first slot that no message in progress uses. */
  private top = 0;
  private readonly objectDepth: number;
  /** The root's metadata, and what to put into it that is not stored. */
  private metadata: FieldPlan | undefined;
  private resourceVersion = "";

  constructor(bytes: Uint8Array, slots: (JsonValue | undefined)[], objectDepth: number) {
    super(bytes);
    this.slots = slots;
    this.objectDepth = objectDepth;
  }

  readRoot(
    plan: MessagePlan,
    start: number,
    end: number,
    root: { readonly apiVersion: string; readonly kind: string; readonly resourceVersion: string },
  ): Json {
    this.pos = start;
    const object: Json = { kind: root.kind, apiVersion: root.apiVersion };
    this.metadata = plan.byName.get("metadata");
    this.resourceVersion = root.resourceVersion;
    const base = this.reserve(plan);
    this.readFields(plan.fields, end, base);
    this.fill(plan, base, object);
    if (this.resourceVersion !== "")
      object.metadata = { ...(object.metadata as Json), resourceVersion: this.resourceVersion };
    return object;
  }

  /** Such as `spec.containers[2].env`. */
  where(): string {
    let text = "";
    for (let level = 0; level < this.depth; level++) {
      const field = this.path[level]!;
      const item = this.items[level]!;
      text += field.step + (field.card === Card.Many ? `[${item}]` : field.card === Card.Map ? `["${item}"]` : "");
    }
    return text.replace(/^\./, "");
  }

  private reserve(plan: MessagePlan): number {
    if (++this.messages > MAX_MESSAGES) throw new WireError("more messages than any object has", this.pos);
    const base = this.top;
    this.top += plan.slots.length;
    while (this.slots.length < this.top) this.slots.push(undefined);
    return base;
  }

  private enter(field: FieldPlan, item: number | string): void {
    if (this.depth >= MAX_MESSAGE_DEPTH) throw new WireError("messages are nested too deeply", this.pos);
    this.path[this.depth] = field;
    this.items[this.depth++] = item;
  }

  /** Reads the fields of a message into the slots from `base` on. */
  private readFields(table: FieldTable, end: number, base: number): void {
    const { bytes } = this;
    const { byNumber } = table;
    while (this.pos < end) {
      let tag = bytes[this.pos]!;
      if (tag < 0x80) this.pos++;
      else tag = this.varint32(end);
      const number = tag >>> 3;
      const wireType = tag & 7;
      const field = number < byNumber.length ? byNumber[number] : undefined;
      if (field === undefined) this.readUnknown(number, wireType, end);
      else if (wireType === BYTES) {
        let length = this.pos < end ? bytes[this.pos]! : 0x80;
        if (length < 0x80) {
          this.pos++;
          if (length > end - this.pos) throw new WireError(`"${field.name}" runs past the end`, this.pos);
        } else length = this.length(end);
        this.readField(field, this.pos + length, base);
      } else if (field.card === Card.One) this.slots[base + field.slot] = this.readNumber(field, wireType, end);
      else if (field.card === Card.Many) this.append(base + field.slot, this.readNumber(field, wireType, end));
      else throw new WireError(`"${field.name}" has wire type ${wireType}`, this.pos);
    }
  }

  private readUnknown(number: number, wireType: number, end: number): void {
    if (number === 0) throw new WireError("field number 0", this.pos);
    if (this.unknownFields.length < MAX_UNKNOWN_FIELDS) {
      const where = this.where();
      this.unknownFields.push(`${where}${where && "."}#${number}`);
    }
    this.skip(wireType, end);
  }

  private readNumber(field: FieldPlan, wireType: number, end: number): JsonValue {
    const { op } = field;
    if (wireType === VARINT && op !== Op.String && op < Op.Double) {
      if (op === Op.Int32) return this.varint32(end) | 0;
      if (op === Op.Bool) return this.int64(end) !== 0;
      if (op === Op.Uint32) return this.varint32(end);
      const value = this.int64(end);
      return op === Op.Uint64 && value < 0 ? BigInt.asUintN(64, BigInt(value)) : value;
    }
    const value =
      wireType === FIXED64 && op === Op.Double
        ? this.double(end)
        : wireType === FIXED32 && op === Op.Float
          ? this.float(end)
          : undefined;
    if (value === undefined) throw new WireError(`"${field.name}" has wire type ${wireType}`, this.pos);
    if (!Number.isFinite(value)) throw new WireError(`"${field.name}" is not a finite number`, this.pos);
    return value;
  }

  private append(slot: number, value: JsonValue): void {
    const list = this.slots[slot] as JsonValue[] | undefined;
    if (list === undefined) this.slots[slot] = [value];
    else list.push(value);
  }

  /** A length-delimited field, as most are. `end` is its own end, inside the message. */
  private readField(field: FieldPlan, end: number, base: number): void {
    const slot = base + field.slot;
    if (field.card === Card.One) {
      if (field.op === Op.Inline) {
        this.enter(field, 0);
        this.readFields(field.inline!, end, base);
        this.depth--;
      } else this.slots[slot] = this.readValue(field, end, 0);
    } else if (field.card === Card.Map) this.readEntry(field, end, slot);
    else if (field.op <= Op.Float && field.op !== Op.String) {
      const wireType = field.op === Op.Double ? FIXED64 : field.op === Op.Float ? FIXED32 : VARINT;
      while (this.pos < end) this.append(slot, this.readNumber(field, wireType, end)); // packed
    } else {
      const list = this.slots[slot] as JsonValue[] | undefined;
      this.append(slot, this.readValue(field, end, list === undefined ? 0 : list.length));
    }
    this.pos = end;
  }

  /** One key and value of a map: a message of two fields. */
  private readEntry(field: FieldPlan, end: number, slot: number): void {
    let key = "";
    let value: JsonValue | undefined;
    while (this.pos < end) {
      const tag = this.varint32(end);
      if (tag === 0x0a || tag === 0x12) {
        const partEnd = this.length(end) + this.pos;
        if (tag === 0x0a) key = readText(this.bytes, this.pos, partEnd);
        else value = this.readValue(field, partEnd, key);
        this.pos = partEnd;
      } else if (tag >>> 3 === 2) value = this.readNumber(field, tag & 7, end);
      else this.skip(tag & 7, end);
    }
    const map = (this.slots[slot] ?? {}) as Json;
    this.slots[slot] = map;
    setEntry(map, key, value ?? (field.plan ? zeroForm(field.plan) : field.op === Op.Bytes ? "" : field.zero));
  }

  /** The value between here and `end`; `item` says which of a field's several it is. */
  private readValue(field: FieldPlan, end: number, item: number | string): JsonValue {
    switch (field.op) {
      case Op.String:
        return readText(this.bytes, this.pos, end);
      case Op.Message: {
        const plan = field.plan!;
        this.enter(field, item);
        const base = this.reserve(plan);
        this.readFields(plan.fields, end, base);
        this.top = base;
        this.depth--;
        if (field === this.metadata && this.resourceVersion !== "" && this.depth === 0)
          this.placeResourceVersion(plan, base);
        return this.finish(plan, base);
      }
      case Op.RawExtension:
      case Op.FieldsV1:
      case Op.RawJson: {
        this.enter(field, item); // for the message of an error
        const value = this.readRaw(field.op, end);
        this.depth--;
        return value;
      }
      default:
        return this.readLeaf(field.op, end);
    }
  }

  /** The content of one of the types with a JSON form of their own, between here and `end`. */
  readLeaf(op: Op, end: number): JsonValue {
    switch (op) {
      case Op.Bytes:
        return base64Slice.call(this.bytes, this.pos, end);
      case Op.Time:
        return readTime(this, end, false) ?? null;
      case Op.MicroTime:
        return readTime(this, end, true) ?? null;
      case Op.Duration:
        return formatDuration(readDuration(this, end));
      case Op.Quantity:
        return readQuantity(this, end);
      case Op.IntOrString:
        return readIntOrString(this, end);
      case Op.RawExtension:
      case Op.FieldsV1:
      case Op.RawJson:
        return this.readRaw(op, end);
      default:
        throw new WireError(`a number has wire type ${BYTES}`, this.pos);
    }
  }

  private placeResourceVersion(plan: MessagePlan, base: number): void {
    const slot = plan.byName.get("resourceVersion");
    if (slot === undefined) return;
    this.slots[base + slot.slot] = this.resourceVersion;
    this.resourceVersion = "";
  }

  /** A message with the one field `raw`: JSON, or for a RawExtension maybe a whole object in an encoding of its own. */
  private readRaw(op: Op, end: number): JsonValue {
    let start = 0;
    let rawEnd = 0;
    while (this.pos < end) {
      const tag = this.varint32(end);
      if (tag === 0x0a) {
        rawEnd = this.length(end) + this.pos;
        start = this.pos;
        this.pos = rawEnd;
      } else this.skip(tag & 7, end);
    }
    if (start === rawEnd) return null;
    if (op === Op.FieldsV1) return parseFields(readText(this.bytes, start, rawEnd));
    const raw = this.bytes.subarray(start, rawEnd);
    if (op === Op.RawExtension && isProtobuf(raw)) return decodeNested(raw, this.objectDepth + 1);
    if (op === Op.RawExtension && isCbor(raw)) return decodeCbor(raw);
    return parseJson(readText(this.bytes, start, rawEnd));
  }

  private finish(plan: MessagePlan, base: number): JsonValue {
    if (plan.shape === Shape.Object) {
      const object: Json = {};
      this.fill(plan, base, object);
      return object;
    }
    const first = this.slots[base];
    const second = this.slots[base + 1];
    for (let slot = 0; slot < plan.slots.length; slot++) this.slots[base + slot] = undefined;
    if (plan.shape === Shape.SchemaOrBool) return second ?? first ?? false;
    if (plan.shape === Shape.List || plan.shape === Shape.Map) return first ?? null;
    return second ?? first ?? null; // a list of schemas or of names, else one schema
  }

  /** Moves the slots of a message into its object, in Go's order and with Go's zero values. */
  private fill(plan: MessagePlan, base: number, object: Json): void {
    const { slots } = this;
    const fields = plan.slots;
    for (let index = 0; index < fields.length; index++) {
      const field = fields[index]!;
      const value = slots[base + index];
      if (value === undefined) {
        if (field.empty !== Empty.Omit) object[field.name] = emptyForm(field);
        continue;
      }
      slots[base + index] = undefined;
      if (field.dropsZero && (value === "" || value === 0 || value === false || value === null)) continue;
      object[field.name] = value;
    }
  }
}

function setEntry(map: Json, key: string, value: JsonValue): void {
  if (key === "__proto__")
    Object.defineProperty(map, key, { value, enumerable: true, writable: true, configurable: true });
  else map[key] = value;
}

function emptyForm(field: FieldPlan): JsonValue {
  if (field.empty === Empty.Null) return null;
  return field.empty === Empty.Struct ? zeroForm(field.plan!) : field.zero;
}

/** What Go prints for a struct of which nothing is stored. */
function zeroForm(plan: MessagePlan): JsonValue {
  if (plan.shape === Shape.SchemaOrBool) return false;
  if (plan.shape !== Shape.Object) return null;
  const object: Json = {};
  for (const field of plan.slots) if (field.empty !== Empty.Omit) object[field.name] = emptyForm(field);
  return object;
}

function decodeNested(raw: Uint8Array, objectDepth: number): Json {
  if (objectDepth > MAX_OBJECT_DEPTH) throw new WireError("objects are nested too deeply", 0);
  const envelope = readEnvelope(raw);
  const { apiVersion, kind } = envelope;
  const resource = findResource(apiVersion, kind);
  if (!resource) throw new WireError(`kind "${kind}" of "${apiVersion}" is not known`, 0);
  const plan = planOf(resource.message);
  return decodeMessage(plan, raw, envelope, { apiVersion, kind, resourceVersion: "" }, objectDepth).object;
}
