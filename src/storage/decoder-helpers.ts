/** What compiled decoders call for everything that is not worth code of its own in each of them. */
import { defined } from "../errors/defined.ts";
import { BYTES, FIXED32, FIXED64, VARINT, WireError } from "../protobuf/reader.ts";
import {
  full,
  MAX_MESSAGES,
  noteUnknown,
  readFloating,
  readLength,
  readTag,
  readVarint,
  seek,
  sink,
  skipField,
  type Writer,
  writeBase64,
  writeDuration,
  writeFields,
  writeIntOrString,
  writeMicroTime,
  writeNumber,
  writeQuantity,
  writeRawJson,
  writeString,
  writeText,
  writeTime,
} from "./json-sink.ts";
import { Card, type FieldPlan, type FieldTable, Op } from "./message-plan.ts";
import { writeMap } from "./write-map.ts";
import { writeRawExtension } from "./write-raw-extension.ts";

/** What compiled code calls. */
export const DECODER_HELPERS = {
  MAX_MESSAGES,
  full,
  noteUnknown,
  readFloating,
  readLength,
  readTag,
  readVarint,
  seek,
  sink,
  skipField,
  writeBase64,
  writeDuration,
  writeFields,
  writeIntOrString,
  writeMicroTime,
  writeNumber,
  writeQuantity,
  writeRawJson,
  writeString,
  writeText,
  writeTime,
  writeMap,
  writeRawExtension,
  /** The length of a known field that runs past the end. */
  past(table: FieldTable, number: number, at: number): never {
    const field = table.byNumber[number];
    throw new WireError(field === undefined ? "a length runs past the end" : `"${field.name}" runs past the end`, at);
  },
  early(at: number): never {
    throw new WireError("a number runs past the end", at);
  },
  deep(at: number): never {
    throw new WireError("messages are nested too deeply", at);
  },
  /** A field that the code has no case for: not chosen, not known, or of the wrong wire type. Returns where its content ends. */
  other(table: FieldTable, tag: number, tagStart: number, at: number, end: number): number {
    const number = tag >>> 3;
    const wireType = tag & 7;
    if (number === 0) throw new WireError("field number 0", at);
    const field = table.byNumber[number];
    if (field === undefined) noteUnknown(tagStart);
    else if (wireTypeOf(field) !== wireType && !(wireType === BYTES && isPacked(field)))
      throw new WireError(
        wireType === BYTES ? `a number has wire type ${BYTES}` : `"${field.name}" has wire type ${wireType}`,
        at,
      );
    return wireType === BYTES ? at : skipField(at, end, wireType);
  },
  /** A list of numbers, packed or not, from the first one's tag on. */
  writeNumbers(first: number, end: number, field: FieldPlan, out: number): number {
    const { output } = sink;
    let p = out;
    output[p++] = 0x5b;
    for (let at = first; at < end; ) {
      const tag = readTag(at, end);
      at = sink.pos;
      if (tag === ((field.number << 3) | BYTES)) {
        const packedEnd = readLength(at, end) + sink.pos;
        for (at = sink.pos; at < packedEnd; at = sink.pos) p = writeItem(field, at, packedEnd, p);
      } else if (tag === ((field.number << 3) | wireTypeOf(field))) {
        p = writeItem(field, at, end, p);
        at = sink.pos;
      } else at = skipField(at, end, tag & 7);
    }
    if (output[p - 1] === 0x2c) p--;
    output[p] = 0x5d;
    return p + 1;
  },
};

function writeItem(field: FieldPlan, at: number, end: number, out: number): number {
  const value = readNumber(field, at, end);
  const p = field.op === Op.Bool ? writeText(String(value !== 0), out) : writeNumber(value, out);
  if (p > sink.limit) full(at);
  sink.output[p] = 0x2c;
  return p + 1;
}

function readNumber(field: FieldPlan, at: number, end: number): number | bigint {
  const kind = defined(NUMBER_KINDS[field.op]);
  return kind === "double" || kind === "float" ? readFloating(at, end, kind, field.name) : readVarint(at, end, kind);
}

export const NUMBER_KINDS: Readonly<Record<number, "int32" | "uint32" | "int64" | "uint64" | "double" | "float">> = {
  [Op.Bool]: "int64",
  [Op.Int32]: "int32",
  [Op.Int64]: "int64",
  [Op.Uint32]: "uint32",
  [Op.Uint64]: "uint64",
  [Op.Double]: "double",
  [Op.Float]: "float",
};

export function isNumber(field: FieldPlan): boolean {
  return NUMBER_KINDS[field.op] !== undefined;
}

function isPacked(field: FieldPlan): boolean {
  return field.card === Card.Many && isNumber(field);
}

export function wireTypeOf(field: FieldPlan): number {
  if (!isNumber(field) || field.card === Card.Map) return BYTES;
  return field.op === Op.Double ? FIXED64 : field.op === Op.Float ? FIXED32 : VARINT;
}

/** The helper that writes the content of a field that is no number and no message. */
export const LEAF_WRITERS: Readonly<Record<number, keyof typeof DECODER_HELPERS>> = {
  [Op.String]: "writeString",
  [Op.Bytes]: "writeBase64",
  [Op.Time]: "writeTime",
  [Op.MicroTime]: "writeMicroTime",
  [Op.Duration]: "writeDuration",
  [Op.Quantity]: "writeQuantity",
  [Op.IntOrString]: "writeIntOrString",
  [Op.RawExtension]: "writeRawExtension",
  [Op.FieldsV1]: "writeFields",
  [Op.RawJson]: "writeRawJson",
};

/** The writer of a leaf type: for values of maps, and single leaves. */
export function leafWriter(op: Op): Writer {
  return DECODER_HELPERS[defined(LEAF_WRITERS[op])] as Writer;
}
