/**
 * JSON to protobuf, by the same plans: the inverse of `decode-message.ts`. Fields are written in the order of their
 * numbers and zero values where Go's generated code writes them, by compiled encoders (`compile-encoder.ts`) where nothing
 * is said about how the object was stored. JSON does not say everything that bytes can, so an
 * encoder may be given the stored message that an object came from: it tells which zero values the server that wrote it
 * knew of, keeps the fields that the tables do not know, and supplies the exact bytes of raw JSON and of times that did
 * not change.
 */
import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { BYTES, FIXED32, FIXED64, VARINT } from "../protobuf/reader.ts";
import { WireWriter } from "../protobuf/writer.ts";
import { compareStrings, isObject } from "./arrange.ts";
import { encoderOf } from "./compile-encoder.ts";
import { encodeLeaf } from "./encode-leaf.ts";
import { asObject, isEmbeddedType, wrongType } from "./encoded-object.ts";
import { Card, type FieldPlan, type FieldTable, type MessagePlan, Op } from "./message-plan.ts";
import { type StoredField, StoredMessage } from "./stored-fields.ts";
import { fillWire } from "./wire-buffer.ts";

/**
 * The bytes of an object's root message, as it is stored. `like`: the message that it was decoded from. Throws a
 * MendError ("object-invalid").
 */
export function encodeMessage(plan: MessagePlan, object: JsonObject, like?: StoredMessage): Uint8Array {
  const { kind: _kind, apiVersion: _apiVersion, ...fields } = object;
  return encodeFields(plan, withStoredResourceVersion(plan, fields, like), like);
}

/** The bytes of a message as an API server sends it: with `metadata.resourceVersion`. Throws a MendError ("object-invalid"). */
export function encodeAnswer(plan: MessagePlan, object: JsonObject): Uint8Array {
  const { kind: _kind, apiVersion: _apiVersion, ...fields } = object;
  return encodeFields(plan, fields, undefined);
}

function encodeFields(plan: MessagePlan, fields: JsonObject, like: StoredMessage | undefined): Uint8Array {
  const encoded = like === undefined ? fillWire((at) => encoderOf(plan).write(fields, at)) : undefined;
  return encoded ?? encodeByTables(plan, fields, like);
}

/** As compiled encoders do, and what they do not: by looking into the tables. */
export function encodeByTables(plan: MessagePlan, fields: JsonObject, like?: StoredMessage): Uint8Array {
  const writer = new WireWriter();
  new MessageEncoder(writer).message(plan, fields, like, "");
  return writer.finish();
}

/** `metadata.resourceVersion` is the revision, not part of what is stored. */
function withStoredResourceVersion(plan: MessagePlan, object: JsonObject, like: StoredMessage | undefined): JsonObject {
  const metadata = plan.byName.get("metadata");
  const version = metadata?.plan?.byName.get("resourceVersion");
  if (!metadata || !version || !isObject(object.metadata)) return object;
  const storedMetadata = like?.last(metadata.number);
  const stored = storedMetadata && like?.message(storedMetadata).last(version.number);
  const text = stored ? Buffer.from(defined(like).content(stored)).toString("utf8") : "";
  return { ...object, metadata: { ...object.metadata, resourceVersion: text } };
}

/** Stands for a stored struct that is not there: zero values in it are not written either. */
const NOTHING_STORED = new StoredMessage(new Uint8Array(), 0, 0);

class MessageEncoder {
  private readonly writer: WireWriter;

  constructor(writer: WireWriter) {
    this.writer = writer;
  }

  /** Writes a message's fields, last first. */
  message(plan: MessagePlan, value: JsonValue | undefined, like: StoredMessage | undefined, path: string): void {
    const object = asObject(plan, value ?? {}, path);
    for (const name of Object.keys(object)) {
      if (object[name] !== undefined && !plan.byName.has(name) && !isEmbeddedType(plan, name)) {
        const hint = "remove the field, or correct its name";
        throw new MendError("object-invalid", `field "${path}${path && "."}${name}" is not one of ${plan.name}`, {
          hint,
        });
      }
    }
    this.fields(plan.fields, object, like, path);
  }

  private fields(table: FieldTable, object: JsonObject, like: StoredMessage | undefined, path: string): void {
    const known = table.inWireOrder;
    const unknown = like ? [...like.fields.keys()].filter((number) => table.byNumber[number] === undefined) : [];
    unknown.sort((a, b) => a - b);
    let index = known.length - 1;
    let extra = unknown.length - 1;
    while (index >= 0 || extra >= 0) {
      const number = index >= 0 ? defined(known[index]).number : 0;
      if (extra >= 0 && defined(unknown[extra]) > number) this.unknown(defined(like), defined(unknown[extra--]));
      else this.field(defined(known[index--]), object, like, path);
    }
  }

  private unknown(like: StoredMessage, number: number): void {
    for (const field of [...defined(like.fields.get(number))].reverse())
      this.writer.raw(like.bytes.subarray(field.tagStart, field.end));
  }

  private field(field: FieldPlan, object: JsonObject, like: StoredMessage | undefined, path: string): void {
    const stored = like?.last(field.number);
    if (field.op === Op.Inline) {
      const before = this.writer.size;
      this.fields(defined(field.inline), object, like && (stored ? like.message(stored) : NOTHING_STORED), path);
      if (like === undefined || stored !== undefined || this.writer.size > before)
        this.writer.delimit(field.number, before);
      return;
    }
    const value = object[field.name];
    const place = path === "" || field.name === "=" ? path || field.name : `${path}.${field.name}`;
    if (field.card === Card.Many) this.list(field, value, like, place);
    else if (field.card === Card.Map) this.map(field, value, like, place);
    else this.single(field, value, like, stored, place);
  }

  private single(
    field: FieldPlan,
    value: JsonValue | undefined,
    like: StoredMessage | undefined,
    stored: StoredField | undefined,
    path: string,
  ): void {
    const isNil = value === undefined || value === null;
    const nilable = field.pointer || field.op === Op.Bytes;
    if (isNil && nilable) {
      // A pointer to a zero time and nil bytes print as null, too; bytes that are there but empty may print as nothing.
      if (stored && stored.start === stored.end) this.value(field, null, like, stored, path);
      return;
    }
    const writesZero = nilable || stored !== undefined || (like === undefined && !(field.gone && isNil));
    if (writesZero) this.value(field, value ?? field.zero, like, stored, path);
    else if (field.op === Op.Message) {
      const before = this.writer.size;
      this.message(defined(field.plan), value ?? undefined, NOTHING_STORED, path);
      if (this.writer.size > before) this.writer.delimit(field.number, before);
    } else if (!isNil && value !== field.zero) this.value(field, value, like, undefined, path);
  }

  private list(field: FieldPlan, value: JsonValue | undefined, like: StoredMessage | undefined, path: string): void {
    if (value === undefined || value === null) return;
    if (!Array.isArray(value)) throw wrongType(path, "a list", value);
    const stored = like?.fields.get(field.number) ?? [];
    for (let index = value.length - 1; index >= 0; index--) {
      const item = value[index] as JsonValue;
      const origin = stored.length === value.length ? stored[index] : like && sameNamed(field, item, stored, like);
      this.value(field, item, like, origin, `${path}[${index}]`);
    }
  }

  private map(field: FieldPlan, value: JsonValue | undefined, like: StoredMessage | undefined, path: string): void {
    if (value === undefined || value === null) return;
    if (!isObject(value)) throw wrongType(path, "a map", value);
    const entries = like?.entries(field.number);
    for (const key of Object.keys(value).sort(compareStrings).reverse()) {
      const before = this.writer.size;
      const entry = entries?.get(key);
      const stored = entry?.last(2);
      const item = value[key] ?? field.zero;
      const isAbsent =
        field.op === Op.Bytes
          ? value[key] === null
          : entry !== undefined && stored === undefined && item === field.zero;
      if (!isAbsent) this.value({ ...field, number: 2 }, item, entry, stored, `${path}["${key}"]`);
      this.text(1, key);
      this.writer.delimit(field.number, before);
    }
  }

  private text(number: number, text: string): void {
    const before = this.writer.size;
    this.writer.text(text);
    this.writer.delimit(number, before);
  }

  /** One value with its tag. */
  private value(
    field: FieldPlan,
    value: JsonValue,
    like: StoredMessage | undefined,
    stored: StoredField | undefined,
    path: string,
  ): void {
    const { writer } = this;
    const before = writer.size;
    switch (field.op) {
      case Op.Message:
        this.message(defined(field.plan), value ?? undefined, stored && like?.message(stored), path);
        writer.delimit(field.number, before);
        break;
      case Op.String:
        if (typeof value !== "string") throw wrongType(path, "a string", value);
        this.text(field.number, value);
        break;
      case Op.Bool:
        if (typeof value !== "boolean") throw wrongType(path, "true or false", value);
        writer.varint(value ? 1 : 0);
        writer.tag(field.number, VARINT);
        break;
      case Op.Double:
      case Op.Float:
        if (typeof value !== "number" && typeof value !== "bigint") throw wrongType(path, "a number", value);
        if (field.op === Op.Double) writer.double(Number(value));
        else writer.float(Number(value));
        writer.tag(field.number, field.op === Op.Double ? FIXED64 : FIXED32);
        break;
      case Op.Int32:
      case Op.Int64:
      case Op.Uint32:
      case Op.Uint64:
        writer.integer(integerWithin(field.op, value, path));
        writer.tag(field.number, VARINT);
        break;
      default:
        encodeLeaf(writer, field.op, value, stored && like?.content(stored), path);
        writer.delimit(field.number, before);
    }
  }
}

const RANGES: Readonly<Record<number, readonly [bigint, bigint]>> = {
  [Op.Int32]: [-(2n ** 31n), 2n ** 31n - 1n],
  [Op.Int64]: [-(2n ** 63n), 2n ** 63n - 1n],
  [Op.Uint32]: [0n, 2n ** 32n - 1n],
  [Op.Uint64]: [0n, 2n ** 64n - 1n],
};

function integerWithin(op: Op, value: JsonValue, path: string): number | bigint {
  const isInteger = typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value));
  const [least, most] = defined(RANGES[op]);
  if (!isInteger || value < least || value > most)
    throw wrongType(path, `a whole number from ${least} to ${most}`, value);
  return value;
}

/** The stored item that an item of a list came from, when items were added or removed: the one of the same name. */
function sameNamed(
  field: FieldPlan,
  item: JsonValue,
  stored: readonly StoredField[],
  like: StoredMessage,
): StoredField | undefined {
  const name = field.plan?.byName.get("name");
  if (!name || name.op !== Op.String || !isObject(item) || typeof item.name !== "string") return undefined;
  const wanted = item.name;
  return stored.find((candidate) => {
    const message = candidate.wireType === BYTES ? like.message(candidate) : undefined;
    const found = message?.last(name.number);
    return found !== undefined && Buffer.from(defined(message).content(found)).toString("utf8") === wanted;
  });
}
