/**
 * Whole messages of protobuf, one field after the other, for messages that have no plan: etcd's, the container
 * runtime's, a backup's. A cursor reads them over {@link WireReader}; {@link encodeMessage} writes them by {@link
 * WireWriter}. Numbers beyond 2^53 are read as bigint by those who expect them (member ids, lease ids); indexes, terms
 * and revisions are numbers.
 */
import { type ErrorCode, MendError } from "../errors/errors.ts";
import { BYTES, VARINT, WireError, WireReader } from "./reader.ts";
import { WireWriter } from "./writer.ts";

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
  const reader = new WireReader(message);
  const end = message.length;
  let field = 0;
  let wireType = 0;
  let pending = false;

  function fail(text: string, at = reader.pos): never {
    throw new MendError(code, `${what} is not valid protobuf: ${text} at byte ${at}`);
  }
  function read<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      if (error instanceof WireError) fail(error.message, error.offset);
      throw error;
    }
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
      if (pending) read(() => reader.skip(wireType, end));
      pending = reader.pos < end;
      if (!pending) return false;
      const tag = read(() => reader.varint32(end));
      field = tag >>> 3;
      wireType = tag & 7;
      if (field === 0) fail("a field has number 0");
      return true;
    },
    number() {
      expect(VARINT);
      const value = read(() => reader.uint64(end));
      return typeof value === "number" ? value : fail("a number is beyond 2^53");
    },
    bigint() {
      expect(VARINT);
      return BigInt(read(() => reader.uint64(end)));
    },
    bytes() {
      expect(BYTES);
      const length = read(() => reader.length(end));
      reader.pos += length;
      return message.subarray(reader.pos - length, reader.pos);
    },
  };
}

/** Takes the fields of one message, in their order. */
export interface FieldWriter {
  varint(field: number, value: number | bigint): void;
  bytes(field: number, value: Uint8Array): void;
  /** What comes before `size` bytes that the caller adds. */
  header(field: number, size: number): void;
  string(field: number, value: string): void;
  message(field: number, fill: (writer: FieldWriter) => void): void;
}

const text = new TextEncoder();

/** `expected`: about how many bytes the message will have. */
export function encodeMessage(fill: (writer: FieldWriter) => void, expected = 128): Uint8Array {
  const writer = new WireWriter(expected);
  writeFields(writer, fill);
  return writer.finish();
}

/** A message is written from its end, so that its length is known when it is due: the fields are taken in first. */
function writeFields(writer: WireWriter, fill: (writer: FieldWriter) => void): void {
  const fields: (() => void)[] = [];
  const delimited = (field: number, write: () => void) =>
    fields.push(() => {
      const before = writer.size;
      write();
      writer.delimit(field, before);
    });
  fill({
    varint: (field, value) =>
      fields.push(() => {
        writer.integer(value);
        writer.tag(field, VARINT);
      }),
    bytes: (field, value) => delimited(field, () => writer.raw(value)),
    header: (field, size) =>
      fields.push(() => {
        writer.varint(size);
        writer.tag(field, BYTES);
      }),
    string: (field, value) => delimited(field, () => writer.raw(text.encode(value))),
    message: (field, inner) => delimited(field, () => writeFields(writer, inner)),
  });
  for (const write of fields.reverse()) write();
}
