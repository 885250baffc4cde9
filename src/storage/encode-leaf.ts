/** The types with a JSON form of their own, back to the content of their messages. */
import { MendError } from "../errors/errors.ts";
import type { JsonValue } from "../kube/object.ts";
import type { WireWriter } from "../protobuf/writer.ts";
import { decodeLeaf, leafText } from "./decode-message.ts";
import { parseDuration } from "./duration.ts";
import { printJson } from "./json-text.ts";
import { Op } from "./message-plan.ts";
import { parseTime } from "./time.ts";

/**
 * Writes the content of a field of one of the types from `Op.Bytes` on, `Op.Message` apart. `stored` is the content that
 * the value came from: used as it is where it means the same, so that spelling which JSON values do not have (white
 * space of raw JSON, nanoseconds of a time) is kept.
 */
export function encodeLeaf(
  writer: WireWriter,
  op: Op,
  value: JsonValue,
  stored: Uint8Array | undefined,
  path: string,
): void {
  if (stored && meansTheSame(op, stored, value)) {
    writer.raw(stored);
    return;
  }
  switch (op) {
    case Op.Bytes:
      writer.raw(base64(value, path));
      break;
    case Op.Time:
    case Op.MicroTime:
      time(writer, op, value, path);
      break;
    case Op.Duration: {
      const nanoseconds = typeof value === "string" ? parseDuration(value) : undefined;
      if (nanoseconds === undefined) throw wrong(path, "a duration such as 1m30s");
      writer.integer(nanoseconds);
      writer.tag(1, 0);
      break;
    }
    case Op.Quantity:
      if (typeof value !== "string") throw wrong(path, "a quantity such as 500m");
      text(writer, 1, value);
      break;
    case Op.IntOrString:
      if (typeof value !== "string" && !(typeof value === "number" && (value | 0) === value))
        throw wrong(path, "a whole number or a string");
      text(writer, 3, typeof value === "string" ? value : "");
      writer.integer(typeof value === "number" ? value : 0);
      writer.tag(2, 0);
      writer.varint(typeof value === "string" ? 1 : 0);
      writer.tag(1, 0);
      break;
    default:
      if (value !== null) text(writer, 1, printJson(value)); // RawExtension, FieldsV1, apiextensions' JSON
  }
}

/** Most values are as they were: their texts are compared before they are parsed. */
function meansTheSame(op: Op, stored: Uint8Array, value: JsonValue): boolean {
  const wanted = printJson(value);
  return leafText(op, stored) === wanted || printJson(decodeLeaf(op, stored)) === wanted;
}

function text(writer: WireWriter, number: number, value: string): void {
  const before = writer.size;
  writer.text(value);
  writer.delimit(number, before);
}

/** The zero time is an empty message. metav1.Time is stored in whole seconds: nanoseconds are written, but as zero. */
function time(writer: WireWriter, op: Op, value: JsonValue, path: string): void {
  if (value === null) return;
  const parsed = typeof value === "string" ? parseTime(value) : undefined;
  if (!parsed) throw wrong(path, "an RFC 3339 time");
  writer.integer(op === Op.MicroTime ? parsed.nanos - (parsed.nanos % 1000) : 0);
  writer.tag(2, 0);
  writer.integer(parsed.seconds);
  writer.tag(1, 0);
}

function base64(value: JsonValue, path: string): Uint8Array {
  if (value === null) return new Uint8Array();
  if (typeof value !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) throw wrong(path, "base64");
  return Buffer.from(value, "base64");
}

function wrong(path: string, expected: string): MendError {
  return new MendError("object-invalid", `field "${path}" must be ${expected}`);
}
