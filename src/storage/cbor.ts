/**
 * CBOR (RFC 8949) as Kubernetes stores it (apimachinery, pkg/runtime/serializer/cbor): the self-describe tag first, Go strings as byte
 * strings, Go bytes as byte strings under tag 22, maps in bytewise order of their encoded keys, numbers in their shortest form.
 */

import { defined } from "../errors/defined.ts";
import type { JsonValue } from "../kube/object.ts";
import { WireError } from "../protobuf/reader.ts";
import { MAX_DEPTH } from "./json-parse.ts";
import { readText } from "./strings.ts";

export const CBOR_MAGIC: Uint8Array = Uint8Array.of(0xd9, 0xd9, 0xf7);
/** Expected later encodings: a byte string under one of these is text in JSON. */
const LATER_TEXT: Readonly<Record<number, BufferEncoding>> = { 21: "base64url", 22: "base64", 23: "hex" };
const INDEFINITE = 31;
const BREAK = 0xff;

export function isCbor(value: Uint8Array): boolean {
  return value.length >= 3 && value[0] === 0xd9 && value[1] === 0xd9 && value[2] === 0xf7;
}

/** Decodes one data item that fills the bytes. Throws a WireError. */
export function decodeCbor(bytes: Uint8Array): JsonValue {
  const reader = new CborReader(bytes);
  const value = reader.read(0);
  if (reader.pos !== bytes.length) throw new WireError("CBOR is followed by more bytes", reader.pos);
  return value;
}

class CborReader {
  pos = 0;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  private need(count: number): void {
    if (count > this.bytes.length - this.pos) throw new WireError("CBOR runs past the end", this.pos);
  }

  /** The argument that follows an initial byte: a length, a tag, an integer. */
  private argument(info: number): number | bigint {
    if (info < 24) return info;
    if (info > 27) throw new WireError(`CBOR additional information ${info} is not one`, this.pos);
    const size = 1 << (info - 24);
    this.need(size);
    const at = this.pos;
    this.pos += size;
    if (info === 24) return this.view.getUint8(at);
    if (info === 25) return this.view.getUint16(at);
    if (info === 26) return this.view.getUint32(at);
    const value = this.view.getBigUint64(at);
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
  }

  private length(info: number): number {
    const length = this.argument(info);
    if (typeof length === "bigint" || length > this.bytes.length - this.pos)
      throw new WireError("a CBOR length runs past the end", this.pos);
    return length;
  }

  read(depth: number): JsonValue {
    if (depth > MAX_DEPTH) throw new WireError("CBOR is nested too deeply", this.pos);
    this.need(1);
    const initial = defined(this.bytes[this.pos++]);
    const major = initial >>> 5;
    const info = initial & 31;
    switch (major) {
      case 0:
        return int64(this.argument(info), this.pos);
      case 1: {
        const size = this.argument(info);
        return int64(
          typeof size === "number" && size < Number.MAX_SAFE_INTEGER ? -1 - size : -1n - BigInt(size),
          this.pos,
        );
      }
      case 2:
      case 3:
        return this.text(major, info);
      case 4:
        return this.list(info, depth);
      case 5:
        return this.map(info, depth);
      case 6:
        return this.tagged(Number(this.argument(info)), depth);
      default:
        return this.simple(info);
    }
  }

  private text(major: number, info: number): string {
    if (info !== INDEFINITE) {
      const end = this.length(info) + this.pos;
      const text = readText(this.bytes, this.pos, end);
      this.pos = end;
      return text;
    }
    return this.chunks(major).toString("utf8");
  }

  /** The pieces of a string of indefinite length. */
  private chunks(major: number): Buffer {
    const parts: Uint8Array[] = [];
    for (;;) {
      this.need(1);
      const initial = defined(this.bytes[this.pos++]);
      if (initial === BREAK) return Buffer.concat(parts);
      if (initial >>> 5 !== major) throw new WireError("a CBOR string has a chunk of another type", this.pos);
      const end = this.length(initial & 31) + this.pos;
      parts.push(this.bytes.subarray(this.pos, end));
      this.pos = end;
    }
  }

  private more(index: number, count: number): boolean {
    if (count >= 0) return index < count;
    this.need(1);
    if (this.bytes[this.pos] !== BREAK) return true;
    this.pos++;
    return false;
  }

  private list(info: number, depth: number): JsonValue {
    const count = info === INDEFINITE ? -1 : this.length(info);
    const list: JsonValue[] = [];
    for (let index = 0; this.more(index, count); index++) list.push(this.read(depth + 1));
    return list;
  }

  private map(info: number, depth: number): JsonValue {
    const count = info === INDEFINITE ? -1 : this.length(info);
    const entries: [string, JsonValue][] = [];
    const seen = new Set<string>();
    for (let index = 0; this.more(index, count); index++) {
      const key = this.read(depth + 1);
      if (typeof key !== "string") throw new WireError("a CBOR map key is not a string", this.pos);
      if (seen.has(key)) throw new WireError(`CBOR map key "${key}" occurs twice`, this.pos);
      seen.add(key);
      entries.push([key, this.read(depth + 1)]);
    }
    return Object.fromEntries(entries);
  }

  private tagged(tag: number, depth: number): JsonValue {
    const encoding = LATER_TEXT[tag];
    this.need(1);
    const initial = defined(this.bytes[this.pos]);
    if (encoding === undefined || initial >>> 5 !== 2) {
      if (tag === 2 || tag === 3) throw new WireError("CBOR big numbers are not allowed", this.pos);
      const value = this.read(depth + 1);
      return tag === 1 && typeof value === "number"
        ? new Date(value * 1000).toISOString().replace(".000Z", "Z")
        : value;
    }
    this.pos++;
    if ((initial & 31) === INDEFINITE) return this.chunks(2).toString(encoding);
    const end = this.length(initial & 31) + this.pos;
    const text = Buffer.from(this.bytes.subarray(this.pos, end)).toString(encoding);
    this.pos = end;
    return tag === 23 ? text.toUpperCase() : text;
  }

  private simple(info: number): JsonValue {
    if (info === 20) return false;
    if (info === 21) return true;
    if (info === 22) return null;
    const size = info === 25 ? 2 : info === 26 ? 4 : info === 27 ? 8 : 0;
    if (size === 0) throw new WireError(`CBOR simple value ${info} is not allowed`, this.pos);
    this.need(size);
    const at = this.pos;
    this.pos += size;
    const value =
      size === 2 ? float16(this.view.getUint16(at)) : size === 4 ? this.view.getFloat32(at) : this.view.getFloat64(at);
    if (!Number.isFinite(value)) throw new WireError("CBOR number is not finite", at);
    return value === 0 ? 0 : value; // minus zero is served as zero
  }
}

function int64(value: number | bigint, pos: number): number | bigint {
  if (typeof value === "bigint") {
    if (BigInt.asIntN(64, value) !== value) throw new WireError("a CBOR integer does not fit 64 bits", pos);
    if (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  }
  return value;
}

function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** The bytes of a value as the API server writes CBOR: deterministic (RFC 8949, 4.2.1), self-described, strings as byte strings. */
export function encodeCbor(value: JsonValue): Uint8Array {
  return Buffer.concat([CBOR_MAGIC, ...encodeItem(value, 0)]);
}

function encodeItem(value: JsonValue | undefined, depth: number): Uint8Array[] {
  if (depth > MAX_DEPTH) throw new RangeError("CBOR is nested too deeply to write");
  if (value === null || value === undefined) return [Uint8Array.of(0xf6)];
  if (typeof value === "boolean") return [Uint8Array.of(value ? 0xf5 : 0xf4)];
  if (typeof value === "string") return encodeString(value);
  if (typeof value === "bigint") return [value >= 0n ? head(0, value) : head(1, -1n - value)];
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) return [encodeFloat(value)];
    return [value >= 0 ? head(0, value) : head(1, -1 - value)];
  }
  if (Array.isArray(value))
    return [head(4, value.length), ...value.flatMap((item: JsonValue) => encodeItem(item, depth + 1))];
  const fields = Object.entries(value).filter(([, item]) => item !== undefined);
  const entries = fields.map(([key, item]) => [Buffer.concat(encodeString(key)), item] as const);
  entries.sort(([a], [b]) => Buffer.compare(a, b));
  return [
    head(5, entries.length),
    ...entries.flatMap(([key, item]) => [key, ...encodeItem(item as JsonValue, depth + 1)]),
  ];
}

function encodeString(text: string): Uint8Array[] {
  const bytes = Buffer.from(text, "utf8");
  return [head(2, bytes.length), bytes];
}

/** The initial byte of an item with its argument in the fewest bytes. */
function head(major: number, argument: number | bigint): Uint8Array {
  const first = major << 5;
  if (argument < 24) return Uint8Array.of(first | Number(argument));
  const info = argument < 0x100 ? 24 : argument < 0x1_0000 ? 25 : argument < 0x1_0000_0000 ? 26 : 27;
  const bytes = new Uint8Array(1 + (1 << (info - 24)));
  bytes[0] = first | info;
  let rest = BigInt(argument);
  for (let at = bytes.length - 1; at > 0; at--, rest >>= 8n) bytes[at] = Number(rest & 0xffn);
  return bytes;
}

/** The shortest of the three widths that keeps the value. */
function encodeFloat(value: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(9));
  view.setFloat32(1, value);
  if (view.getFloat32(1) !== value) {
    view.setUint8(0, 0xfb);
    view.setFloat64(1, value);
    return new Uint8Array(view.buffer);
  }
  const half = toFloat16(value);
  if (half !== undefined) return Uint8Array.of(0xf9, half >>> 8, half & 0xff);
  view.setUint8(0, 0xfa);
  return new Uint8Array(view.buffer, 0, 5);
}

/** The bits of a half-precision float, or undefined where it would round. */
function toFloat16(value: number): number | undefined {
  const size = Math.abs(value);
  const sign = value < 0 ? 0x8000 : 0;
  if (size > 65_504) return undefined;
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  const scaled = size * 2 ** (10 - exponent);
  if (!Number.isInteger(scaled) || scaled > 2047) return undefined;
  return sign | (scaled < 1024 ? scaled : ((exponent + 15) << 10) | (scaled - 1024));
}
