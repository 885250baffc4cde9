/**
 * Where decoders write JSON: one buffer for the whole thread, used again for every object, and the pieces that every
 * decoder needs: strings, numbers, times, raw JSON. A writer takes the bounds of a field's content in the input and a
 * position in the output, and returns the next position in the output.
 */
import { WireError, WireReader } from "../protobuf/reader.ts";
import { formatDuration, readDuration } from "./duration.ts";
import { arePlainFields, isPlainJson } from "./fields-check.ts";
import { readIntOrString } from "./int-or-string.ts";
import { parseFields, parseJson } from "./json-parse.ts";
import { printJson } from "./json-text.ts";
import { readQuantity } from "./quantity.ts";
import { formatTime, readTime } from "./time.ts";

/** Writes the content between two offsets of the input; `depth` counts the messages around it. */
export type Writer = (start: number, end: number, out: number, depth: number) => number;

const FIRST_BYTES = 1 << 18;
/** A larger buffer is not kept for the next object. */
const MOST_KEPT_BYTES = 8 << 20;
/** An object of the longest value, all of it control characters, has as much. */
const MOST_BYTES = 128 << 20;
/** More than a message's own names, punctuation, numbers and zero values; decoders compare with `limit` where a message begins. */
const SLACK = 16 << 10;
/** More unknown fields in one object are not listed. */
const MAX_UNKNOWN_FIELDS = 100;
/** In one value: an empty message takes two bytes there, and a hundred as JSON. */
export const MAX_MESSAGES = 1_000_000;

let memory = new Uint8Array(FIRST_BYTES);

/** What decoders share; they read it again in every call. */
export const sink = {
  input: new Uint8Array() as Uint8Array,
  output: memory,
  view: new DataView(memory.buffer),
  /** Behind it there is not enough memory for another message. */
  limit: FIRST_BYTES - SLACK,
  /** Where a helper stopped to read. */
  pos: 0,
  messages: 0,
  /** Whether every byte that was written is ASCII. */
  ascii: true,
  /** Whether numbers may be among them that JavaScript's numbers cannot hold. */
  large: false,
  /** Goes into the root's metadata. */
  resourceVersion: "",
  /** Behind the root's metadata and its comma in the output; 0 where there is none, and where all fields are written. */
  metadataEnd: 0,
  /** Offsets in the input, of the tags of fields that the tables do not have. */
  unknown: [] as number[],
};

/** Thrown where the buffer is too small: `fillSink` enlarges it and begins again. */
const FULL = new Error("the buffer is full");

/** Calls `write`, which writes to the sink from its start and returns where it ended, until the buffer is large enough. */
export function fillSink(input: Uint8Array, resourceVersion: string, write: () => number): number {
  if (memory.length > MOST_KEPT_BYTES) resize(FIRST_BYTES);
  for (;;) {
    sink.input = input;
    sink.messages = 0;
    sink.ascii = true;
    sink.large = false;
    sink.resourceVersion = resourceVersion;
    sink.metadataEnd = 0;
    if (sink.unknown.length > 0) sink.unknown = [];
    try {
      return write();
    } catch (error) {
      if (error !== FULL) throw error;
      if (memory.length >= MOST_BYTES) throw new WireError("more than any object has", 0);
      resize(memory.length * 4);
    }
  }
}

function resize(size: number): void {
  memory = new Uint8Array(size);
  sink.output = memory;
  sink.view = new DataView(memory.buffer);
  sink.limit = size - SLACK;
}

/** Where a message begins: `limit` is passed, or this is one message more than any object has. */
export function full(start: number): never {
  if (sink.messages > MAX_MESSAGES) throw new WireError("more messages than any object has", start);
  throw FULL;
}

export function noteUnknown(tagStart: number): void {
  if (sink.unknown.length < MAX_UNKNOWN_FIELDS) sink.unknown.push(tagStart);
}

const LETTERS = new Map(
  Object.entries({ '"': '"', "\\": "\\", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t" }).map(
    ([char, letter]) => [char.charCodeAt(0), letter.charCodeAt(0)],
  ),
);
/** What a byte of a string is: 0 stands for itself, 1 is escaped by a letter, 2 by its number, 3 is not ASCII. */
const ESCAPES = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x80 ? 3 : LETTERS.has(byte) ? 1 : byte < 0x20 || "<>&".includes(String.fromCharCode(byte)) ? 2 : 0,
);
const LETTER_OF = Uint8Array.from({ length: 256 }, (_, byte) => LETTERS.get(byte) ?? 0);

const HEX = Buffer.from("0123456789abcdef");
const encoder = new TextEncoder();
const { utf8Slice, base64Slice } = Buffer.prototype as unknown as Record<
  "utf8Slice" | "base64Slice",
  (this: Uint8Array, start: number, end: number) => string
>;

/** A string of bytes that the caller has checked to be there. */
export function writeString(start: number, end: number, out: number): number {
  const { input, output } = sink;
  if (out + (end - start) * 6 > sink.limit) throw FULL;
  let p = out;
  output[p++] = 0x22;
  let at = start;
  for (const last = end - 3; at < last; at += 4, p += 4) {
    const a = input[at]!;
    const b = input[at + 1]!;
    const c = input[at + 2]!;
    const d = input[at + 3]!;
    if ((ESCAPES[a]! | ESCAPES[b]! | ESCAPES[c]! | ESCAPES[d]!) !== 0) break;
    output[p] = a;
    output[p + 1] = b;
    output[p + 2] = c;
    output[p + 3] = d;
  }
  for (; at < end; at++) {
    const byte = input[at]!;
    const form = ESCAPES[byte]!;
    if (form === 0) output[p++] = byte;
    else if (form === 1) {
      output[p] = 0x5c;
      output[p + 1] = LETTER_OF[byte]!;
      p += 2;
    } else if (form === 2) p = writeCode(byte, p);
    else return writeText(printJson(utf8Slice.call(input, start, end)), out);
  }
  output[p] = 0x22;
  return p + 1;
}

function writeCode(byte: number, p: number): number {
  const { output } = sink;
  output[p] = 0x5c;
  output[p + 1] = 0x75;
  output[p + 2] = 0x30;
  output[p + 3] = 0x30;
  output[p + 4] = HEX[byte >>> 4]!;
  output[p + 5] = HEX[byte & 15]!;
  return p + 6;
}

/** Any text, as it is. */
export function writeText(text: string, out: number): number {
  if (out + text.length * 3 > sink.limit) throw FULL;
  const { written, read } = encoder.encodeInto(text, sink.output.subarray(out));
  if (read !== text.length) throw FULL;
  if (written !== text.length) sink.ascii = false;
  return out + written;
}

export function writeNumber(value: number | bigint, out: number): number {
  let p = out;
  const { output } = sink;
  if (typeof value === "number" && (value | 0) === value && value >= 0) {
    // From its last digit on, to where it ends.
    p += value < 1e5 ? (value < 100 ? (value < 10 ? 1 : 2) : value < 1000 ? 3 : value < 1e4 ? 4 : 5) : lengthOf(value);
    let rest = value | 0;
    let at = p;
    do {
      const tens = (rest / 10) | 0;
      output[--at] = 0x30 + rest - tens * 10;
      rest = tens;
    } while (rest > 0);
    return p;
  }
  if (typeof value === "bigint") sink.large = true;
  return writeText(String(value), out);
}

/** Digits of a number of six and more. */
function lengthOf(value: number): number {
  return value < 1e7 ? (value < 1e6 ? 6 : 7) : value < 1e8 ? 8 : value < 1e9 ? 9 : 10;
}

export function writeBase64(start: number, end: number, out: number): number {
  if (out + (end - start) * 2 > sink.limit) throw FULL;
  return writeText(`"${base64Slice.call(sink.input, start, end)}"`, out);
}

function writeNull(out: number): number {
  sink.view.setUint32(out, 0x6c6c756e, true);
  return out + 4;
}

/** `"2026-11-29T` of the day that was written last, as three words. */
const dayWords = new Uint32Array(3);
const dayBytes = new Uint8Array(dayWords.buffer);
let dayWritten = Number.NaN;
const TWO_DIGITS = Uint16Array.from({ length: 60 }, (_, n) => (0x30 + Math.floor(n / 10)) | ((0x30 + (n % 10)) << 8));
const DAY = 86_400;
/** 1970 to 9999: years of four digits. */
const LAST_DAY = 2_932_896;

export function writeTime(start: number, end: number, out: number): number {
  const { input, view } = sink;
  let at = start;
  // As it is nearly always: seconds of five bytes, and nanoseconds of one.
  if (end - start >= 6 && input[at] === 0x08) {
    const seconds =
      (input[at + 1]! & 0x7f) |
      ((input[at + 2]! & 0x7f) << 7) |
      ((input[at + 3]! & 0x7f) << 14) |
      ((input[at + 4]! & 0x7f) << 21);
    const isFive = (input[at + 1]! & input[at + 2]! & input[at + 3]! & input[at + 4]!) >= 0x80 && input[at + 5]! < 8;
    at += 6;
    if (isFive && (at === end || (end - at === 2 && input[at] === 0x10 && input[at + 1]! < 0x80))) {
      return writeSeconds(seconds + input[start + 5]! * 0x1000_0000, out, view);
    }
  }
  const reader = new WireReader(input, start);
  const text = readTime(reader, end, false);
  return text === undefined ? writeNull(out) : writeText(`"${text}"`, out);
}

function writeSeconds(seconds: number, out: number, view: DataView): number {
  const day = Math.floor(seconds / DAY);
  if (day > LAST_DAY) return writeText(`"${formatTime(seconds)}"`, out);
  if (day !== dayWritten) {
    dayBytes.set(Buffer.from(`"${formatTime(day * DAY).slice(0, 11)}`, "latin1"));
    dayWritten = day;
  }
  const rest = seconds - day * DAY;
  const hour = (rest / 3600) | 0;
  const minute = ((rest - hour * 3600) / 60) | 0;
  view.setUint32(out, dayWords[0]!, true);
  view.setUint32(out + 4, dayWords[1]!, true);
  view.setUint32(out + 8, dayWords[2]!, true);
  view.setUint16(out + 12, TWO_DIGITS[hour]!, true);
  view.setUint16(out + 15, TWO_DIGITS[minute]!, true);
  view.setUint16(out + 18, TWO_DIGITS[rest - hour * 3600 - minute * 60]!, true);
  const { output } = sink;
  output[out + 14] = 0x3a;
  output[out + 17] = 0x3a;
  output[out + 20] = 0x5a;
  output[out + 21] = 0x22;
  return out + 22;
}

export function writeMicroTime(start: number, end: number, out: number): number {
  const text = readTime(new WireReader(sink.input, start), end, true);
  return text === undefined ? writeNull(out) : writeText(`"${text}"`, out);
}

export function writeDuration(start: number, end: number, out: number): number {
  return writeText(printJson(formatDuration(readDuration(new WireReader(sink.input, start), end))), out);
}

export function writeQuantity(start: number, end: number, out: number): number {
  const { input } = sink;
  if (end - start > 1 && input[start] === 0x0a && input[start + 1] === end - start - 2 && input[start + 1]! < 0x80) {
    return writeString(start + 2, end, out);
  }
  return writeText(printJson(readQuantity(new WireReader(input, start), end)), out);
}

export function writeIntOrString(start: number, end: number, out: number): number {
  const value = readIntOrString(new WireReader(sink.input, start), end);
  return typeof value === "number" ? writeNumber(value, out) : writeText(printJson(value), out);
}

/** The bounds of field 1 of a message of that one field, in `rawStart` and `pos`. */
let rawStart = 0;
function findRaw(start: number, end: number): void {
  const reader = new WireReader(sink.input, start);
  rawStart = 0;
  let rawEnd = 0;
  while (reader.pos < end) {
    const tag = reader.varint32(end);
    if (tag === 0x0a) {
      rawEnd = reader.length(end) + reader.pos;
      rawStart = reader.pos;
      reader.pos = rawEnd;
    } else reader.skip(tag & 7, end);
  }
  sink.pos = rawEnd;
}

/** metav1.FieldsV1: nested objects with nothing in them, and half of the bytes of most objects. */
export function writeFields(start: number, end: number, out: number): number {
  findRaw(start, end);
  const from = rawStart;
  const to = sink.pos;
  if (from === to) return writeNull(out);
  if (arePlainFields(sink.input, from, to)) return copy(from, to, out);
  return writeParsed(() => parseFields(utf8Slice.call(sink.input, from, to)), from, out);
}

/** Writes an object that lies within another in an encoding of its own, from offsets of the input; undefined where the bytes are JSON. */
export type NestedWriter = (start: number, end: number, out: number) => number | undefined;

export function writeRawJson(start: number, end: number, out: number, nested?: NestedWriter): number {
  findRaw(start, end);
  const from = rawStart;
  const to = sink.pos;
  if (from === to) return writeNull(out);
  const written = nested?.(from, to, out);
  if (written !== undefined) return written;
  sink.large = true; // as long as nobody has looked
  if (isPlainJson(sink.input, from, to)) return copy(from, to, out);
  return writeParsed(() => parseJson(utf8Slice.call(sink.input, from, to)), from, out);
}

function writeParsed(parse: () => Parameters<typeof printJson>[0], from: number, out: number): number {
  let text: string;
  try {
    text = printJson(parse());
  } catch (error) {
    // The parser's own message quotes the text, which may be a secret.
    if (error instanceof SyntaxError) throw new WireError("raw JSON is not well-formed", from);
    if (error instanceof RangeError) throw new WireError("raw JSON is nested too deeply", from);
    throw error;
  }
  return writeText(text, out);
}

function copy(from: number, to: number, out: number): number {
  if (out + to - from > sink.limit) throw FULL;
  sink.output.set(sink.input.subarray(from, to), out);
  return out + to - from;
}

/** A number field's value, its tag read: the next position is in `sink.pos`. */
export function readVarint(start: number, end: number, kind: "int32" | "uint32" | "int64" | "uint64"): number | bigint {
  const reader = new WireReader(sink.input, start);
  const isShort = kind === "int32" || kind === "uint32";
  const value = isShort ? reader.varint32(end) : reader.int64(end);
  sink.pos = reader.pos;
  if (kind === "int32") return (value as number) | 0;
  return kind === "uint64" && value < 0 ? BigInt.asUintN(64, BigInt(value)) : value;
}

export function readFloating(start: number, end: number, kind: "double" | "float", name: string): number {
  const reader = new WireReader(sink.input, start);
  const value = kind === "double" ? reader.double(end) : reader.float(end);
  if (!Number.isFinite(value)) throw new WireError(`"${name}" is not a finite number`, reader.pos);
  sink.pos = reader.pos;
  return value;
}

/** A tag or length of more than two bytes, or one that ends early: the next position is in `sink.pos`. */
export function readTag(start: number, end: number): number {
  const reader = new WireReader(sink.input, start);
  const tag = reader.varint32(end);
  sink.pos = reader.pos;
  return tag;
}

export function readLength(start: number, end: number): number {
  const reader = new WireReader(sink.input, start);
  const length = reader.length(end);
  sink.pos = reader.pos;
  return length;
}

/** The content of the next field of this number and a wire type of `BYTES`, which is there: its length is read next. */
export function seek(start: number, end: number, number: number): number {
  const reader = new WireReader(sink.input, start);
  for (;;) {
    const tag = reader.varint32(end);
    if (tag === ((number << 3) | 2)) return reader.pos;
    reader.skip(tag & 7, end);
  }
}

export function skipField(start: number, end: number, wireType: number): number {
  const reader = new WireReader(sink.input, start);
  reader.skip(wireType, end);
  return reader.pos;
}
