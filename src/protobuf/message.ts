/**
 * The protobuf wire format, as much as etcd's own messages need: a cursor over fields, and a writer. Numbers beyond
 * 2^53 are read as bigint by those who expect them (member ids, lease ids); indexes, terms and revisions are numbers.
 */
import { type ErrorCode, MendError } from "../errors/errors.ts";

const VARINT = 0;
const FIXED64 = 1;
export const LENGTH = 2;
const FIXED32 = 5;

/** Walks the fields of one message. A field that is not read is skipped by the next call of {@link next}. */
export interface WireCursor {
  /** The field's number after {@link next} said true. */
  readonly field: number;
  readonly wireType: number;
  next(): boolean;
  /** A varint of at most 2^53 - 1. */
  number(): number;
  /** A varint as an unsigned 64-bit number. */
  bigint(): bigint;
  /** A length-delimited field, as a view. */
  bytes(): Uint8Array;
}

/** `what` names the message in errors, which carry `code`. */
export function createWireCursor(message: Uint8Array, what: string, code: ErrorCode): WireCursor {
  let at = 0;
  let field = 0;
  let wireType = 0;
  let pending = false;

  function fail(text: string): never {
    throw new MendError(code, `${what} is not valid protobuf: ${text} at byte ${at}`);
  }
  function byte(): number {
    if (at >= message.length) fail("it ends inside a number");
    return message[at++]!;
  }
  function varint(): number {
    let result = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const value = byte();
      result += (value & 0x7f) * scale;
      if (value < 0x80) {
        if (!Number.isSafeInteger(result)) fail("a number is beyond 2^53");
        return result;
      }
      scale *= 128;
    }
    return fail("a number has more than 10 bytes");
  }
  function bigVarint(): bigint {
    let result = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const value = byte();
      result |= BigInt(value & 0x7f) << shift;
      if (value < 0x80) return BigInt.asUintN(64, result);
    }
    return fail("a number has more than 10 bytes");
  }
  function take(size: number): Uint8Array {
    if (size > message.length - at) fail(`it ends ${size - (message.length - at)} bytes early`);
    at += size;
    return message.subarray(at - size, at);
  }
  function skip(): void {
    if (wireType === VARINT) bigVarint();
    else if (wireType === LENGTH) take(varint());
    else if (wireType === FIXED64) take(8);
    else if (wireType === FIXED32) take(4);
    else fail(`field ${field} has the unknown wire type ${wireType}`);
  }
  function expect(type: number): void {
    if (wireType !== type) fail(`field ${field} has wire type ${wireType}, expected ${type}`);
    pending = false;
  }

  return {
    get field() {
      return field;
    },
    get wireType() {
      return wireType;
    },
    next() {
      if (pending) skip();
      pending = at < message.length;
      if (!pending) return false;
      const tag = varint();
      field = Math.floor(tag / 8);
      wireType = tag % 8;
      if (field === 0) fail("a field has number 0");
      return true;
    },
    number() {
      expect(VARINT);
      return varint();
    },
    bigint() {
      expect(VARINT);
      return bigVarint();
    },
    bytes() {
      expect(LENGTH);
      return take(varint());
    },
  };
}

/** Builds one message. Fields are written in the order of the calls. */
export interface WireWriter {
  varint(field: number, value: number | bigint): void;
  bytes(field: number, value: Uint8Array): void;
  /** What comes before `size` bytes that the caller adds. */
  header(field: number, size: number): void;
  string(field: number, value: string): void;
  message(field: number, fill: (writer: WireWriter) => void): void;
  /** The bytes written so far, as a view that the next write may invalidate. */
  finish(): Uint8Array;
}

/** `expected`: about how many bytes the message will have. */
function createWireWriter(expected = 64): WireWriter {
  let buffer = new Uint8Array(expected);
  let used = 0;

  function reserve(size: number): void {
    if (used + size <= buffer.length) return;
    const grown = new Uint8Array(Math.max(buffer.length * 2, used + size));
    grown.set(buffer.subarray(0, used));
    buffer = grown;
  }
  function varint(value: number | bigint): void {
    reserve(10);
    if (typeof value === "number" && value >= 0) {
      let rest = value;
      while (rest >= 0x80) {
        buffer[used++] = (rest % 0x80) | 0x80;
        rest = Math.floor(rest / 0x80);
      }
      buffer[used++] = rest;
      return;
    }
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest >= 0x80n) {
      buffer[used++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    buffer[used++] = Number(rest);
  }
  const writer: WireWriter = {
    varint(field, value) {
      varint(field * 8 + VARINT);
      varint(value);
    },
    header(field, size) {
      varint(field * 8 + LENGTH);
      varint(size);
    },
    bytes(field, value) {
      writer.header(field, value.length);
      reserve(value.length);
      buffer.set(value, used);
      used += value.length;
    },
    string(field, value) {
      writer.bytes(field, new TextEncoder().encode(value));
    },
    message(field, fill) {
      const inner = createWireWriter();
      fill(inner);
      writer.bytes(field, inner.finish());
    },
    finish() {
      return buffer.subarray(0, used);
    },
  };
  return writer;
}

/** One message on its own. */
export function encodeMessage(fill: (writer: WireWriter) => void, expected?: number): Uint8Array {
  const writer = createWireWriter(expected);
  fill(writer);
  return writer.finish();
}
