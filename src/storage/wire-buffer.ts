/**
 * Where compiled encoders write protobuf: one buffer for the whole thread, used again for every object, filled from its
 * end to its start, so that a message's length is known by the time it is due. What writes takes the position of the
 * byte that was written last, and returns the new one.
 */
import type { JsonValue } from "../kube/object.ts";
import { compareStrings } from "./arrange.ts";
import { parseDuration } from "./duration.ts";
import { printJson } from "./json-text.ts";
import { parseTime } from "./time.ts";

const FIRST_BYTES = 1 << 18;
/** A larger buffer is not kept for the next object. */
const MOST_KEPT_BYTES = 8 << 20;
/** More than the numbers and tags of a message take; encoders compare with it where a message begins. */
export const SLACK = 16 << 10;
/** Shorter strings are copied here, longer ones by Node. */
const SHORT = 64;

let memory = new Uint8Array(FIRST_BYTES);

/** What encoders share; they read it again in every call. */
export const wire = { bytes: memory, view: new DataView(memory.buffer) };

/** Thrown where the buffer is too small: {@link fillWire} enlarges it and begins again. */
const FULL = new Error("the buffer is full");
/** Thrown where a value is not what most are: whoever explains what is wrong with it encodes it, or says so. */
const UNUSUAL = new Error("the value is unusual");

/**
 * The bytes that `write` writes before the end, a copy; undefined where a value is unusual. `write` gets where the end is,
 * and returns where it began.
 */
export function fillWire(write: (at: number) => number): Uint8Array | undefined {
  if (memory.length > MOST_KEPT_BYTES) resize(FIRST_BYTES);
  for (;;) {
    try {
      return memory.slice(write(memory.length));
    } catch (error) {
      if (error === UNUSUAL) return undefined;
      if (error !== FULL) throw error;
      resize(memory.length * 4);
    }
  }
}

function resize(size: number): void {
  memory = new Uint8Array(size);
  wire.bytes = memory;
  wire.view = new DataView(memory.buffer);
}

export function unusual(): never {
  throw UNUSUAL;
}

export function full(): never {
  throw FULL;
}

/** An unsigned number below 2^53. */
export function putVarint(value: number, at: number): number {
  const { bytes } = wire;
  if (at < SLACK) full();
  if (value < 0x80) {
    bytes[at - 1] = value;
    return at - 1;
  }
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 128)) length++;
  let p = at - length;
  const start = p;
  let rest = value;
  for (; rest >= 0x1000_0000; rest = Math.floor(rest / 128)) bytes[p++] = (rest % 128) | 0x80;
  for (; rest >= 0x80; rest >>>= 7) bytes[p++] = (rest & 0x7f) | 0x80;
  bytes[p] = rest;
  return start;
}

/** A whole number between two bounds. */
export function putInteger(value: unknown, least: number, most: number, at: number): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least || value > most) unusual();
  return value >= 0 ? putVarint(value, at) : putNegative(BigInt(value), at);
}

/** A negative 64-bit number takes ten bytes. */
function putNegative(value: bigint, at: number): number {
  const { bytes } = wire;
  if (at < SLACK) full();
  let rest = BigInt.asUintN(64, value);
  for (let p = at - 10; p < at - 1; p++, rest >>= 7n) bytes[p] = Number(rest & 0x7fn) | 0x80;
  bytes[at - 1] = Number(rest);
  return at - 10;
}

const { utf8Write } = Buffer.prototype as unknown as Record<
  "utf8Write",
  (this: Uint8Array, text: string, offset: number, length: number) => number
>;

/** The UTF-8 of a string. */
export function putText(text: unknown, at: number): number {
  if (typeof text !== "string") unusual();
  const { bytes } = wire;
  const { length } = text;
  if (at - length < SLACK) full();
  if (length < SHORT) {
    let i = length;
    let p = at;
    while (i > 0) {
      const code = text.charCodeAt(--i);
      if (code > 0x7f) break;
      bytes[--p] = code;
      if (i === 0) return p;
    }
    if (length === 0) return at;
  }
  const size = Buffer.byteLength(text);
  const start = at - size;
  if (start < SLACK) full();
  utf8Write.call(bytes, text, start, size);
  return start;
}

/** A string with its length. */
export function putString(text: unknown, at: number): number {
  const start = putText(text, at);
  return putVarint(at - start, start);
}

/** Field 1 with a string. */
function putFirstText(text: unknown, at: number): number {
  const start = putString(text, at) - 1;
  wire.bytes[start] = 0x0a;
  return start;
}

function putTag(tag: number, at: number): number {
  wire.bytes[at - 1] = tag;
  return at - 1;
}

/** The contents of the types with a JSON form of their own, as `encode-leaf.ts` makes them. */
export function putBytes(value: JsonValue | undefined, at: number): number {
  if (value === null) return at;
  if (typeof value !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) unusual();
  const content = Buffer.from(value, "base64");
  const start = at - content.length;
  if (start < SLACK) full();
  wire.bytes.set(content, start);
  return start;
}

/** Stored in whole seconds: nanoseconds are written, but as zero. */
export function putTime(value: JsonValue | undefined, at: number): number {
  if (value === null) return at;
  const seconds = typeof value === "string" ? parseTime(value)?.seconds : undefined;
  if (seconds === undefined) unusual();
  let p = putVarint(0, at);
  p = putTag(0x10, p);
  p = putInteger(seconds, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, p);
  return putTag(0x08, p);
}

export function putMicroTime(value: JsonValue | undefined, at: number): number {
  if (value === null) return at;
  const parsed = typeof value === "string" ? parseTime(value) : undefined;
  if (parsed === undefined) unusual();
  let p = putVarint(parsed.nanos - (parsed.nanos % 1000), at);
  p = putTag(0x10, p);
  p = putInteger(parsed.seconds, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, p);
  return putTag(0x08, p);
}

export function putDuration(value: JsonValue | undefined, at: number): number {
  const nanoseconds = typeof value === "string" ? parseDuration(value) : undefined;
  if (nanoseconds === undefined) unusual();
  const p = putInteger(Number(nanoseconds), Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, at);
  return putTag(0x08, p);
}

export function putQuantity(value: JsonValue | undefined, at: number): number {
  return putFirstText(value, at);
}

export function putIntOrString(value: JsonValue | undefined, at: number): number {
  const isText = typeof value === "string";
  let p = putString(isText ? value : "", at);
  p = putTag(0x1a, p);
  p = putInteger(isText ? 0 : value, -(2 ** 31), 2 ** 31 - 1, p);
  p = putTag(0x10, p);
  p = putVarint(isText ? 1 : 0, p);
  return putTag(0x08, p);
}

/** RawExtension, FieldsV1, apiextensions' JSON. */
export function putRawJson(value: JsonValue | undefined, at: number): number {
  if (value === undefined) unusual();
  return value === null ? at : putFirstText(printJson(value), at);
}

export function putDouble(value: unknown, at: number): number {
  if (typeof value !== "number") unusual();
  wire.view.setFloat64(at - 8, value, true);
  return at - 8;
}

export function putFloat(value: unknown, at: number): number {
  if (typeof value !== "number") unusual();
  wire.view.setFloat32(at - 4, value, true);
  return at - 4;
}

/** In Go's order. */
export function sortedKeys(map: object): readonly string[] {
  const keys = Object.keys(map);
  return keys.length > 1 ? keys.sort(compareStrings) : keys;
}
