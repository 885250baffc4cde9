/**
 * Whole messages of protobuf, one field after the other, for messages that have no plan: etcd's, the container
 * runtime's, a backup's. A cursor reads them over {@link WireReader}; {@link encodeMessage} writes them by {@link
 * WireWriter}. Numbers beyond 2^53 are read as bigint by those who expect them (member ids, lease ids); indexes, terms
 * and revisions are numbers.
 */
import { type ErrorCode, MendError } from "../errors/errors.ts";
import { BYTES, VARINT, WireError, WireReader } from "./reader.ts";
import { WireWriter } from "./writer.ts";

/** `what` names the message in errors, which carry `code`. */
export function createWireCursor(message: Uint8Array, what: string, code: ErrorCode): WireCursor {
  return new WireCursor(message, what, code);
}

/** Walks the fields of one message. A field that is not read is skipped by the next call of {@link next}. */
export class WireCursor {
  readonly #reader: WireReader;
  readonly #what: string;
  readonly #code: ErrorCode;
  #end: number;
  #isPending = false;
  /** The field's number after {@link next} said true. */
  field = 0;
  wireType = 0;

  constructor(message: Uint8Array, what: string, code: ErrorCode) {
    this.#reader = new WireReader(message);
    this.#end = message.length;
    this.#what = what;
    this.#code = code;
  }

  next(): boolean {
    const reader = this.#reader;
    try {
      if (this.#isPending) reader.skip(this.wireType, this.#end);
      this.#isPending = reader.pos < this.#end;
      if (!this.#isPending) return false;
      const tag = reader.varint32(this.#end);
      this.field = tag >>> 3;
      this.wireType = tag & 7;
    } catch (error) {
      throw this.#translate(error);
    }
    if (this.field === 0) throw this.#fault("a field has number 0");
    return true;
  }

  /** A varint of at most 2^53 - 1. */
  number(): number {
    const value = this.#uint64();
    if (typeof value === "number") return value;
    throw this.#fault("a number is beyond 2^53");
  }

  /** A varint as an unsigned 64-bit number. */
  bigint(): bigint {
    return BigInt(this.#uint64());
  }

  /** A length-delimited field, as a view. */
  bytes(): Uint8Array {
    const end = this.#pass();
    return this.#reader.bytes.subarray(this.#from, end);
  }

  /** One that {@link enter} places in messages inside this one: many small ones are read without a cursor for each. */
  inner(): WireCursor {
    const inner = new WireCursor(this.#reader.bytes, this.#what, this.#code);
    inner.#end = 0;
    return inner;
  }

  /** Places an {@link inner} cursor before the fields of a length-delimited field. */
  enter(inner: WireCursor): void {
    inner.#end = this.#pass();
    inner.#reader.pos = this.#from;
    inner.#isPending = false;
  }

  /** Where the field began that was passed last. */
  #from = 0;

  /** Goes behind a length-delimited field, and returns where it ends. */
  #pass(): number {
    this.#expect(BYTES);
    const reader = this.#reader;
    try {
      const length = reader.length(this.#end);
      this.#from = reader.pos;
      reader.pos += length;
      return reader.pos;
    } catch (error) {
      throw this.#translate(error);
    }
  }

  #uint64(): number | bigint {
    this.#expect(VARINT);
    try {
      return this.#reader.uint64(this.#end);
    } catch (error) {
      throw this.#translate(error);
    }
  }

  #expect(type: number): void {
    if (this.wireType !== type)
      throw this.#fault(`field ${this.field} has wire type ${this.wireType}, expected ${type}`);
    this.#isPending = false;
  }

  #translate(error: unknown): unknown {
    return error instanceof WireError ? this.#fault(error.message, error.offset) : error;
  }

  #fault(text: string, at = this.#reader.pos): MendError {
    return new MendError(this.#code, `${this.#what} is not valid protobuf: ${text} at byte ${at}`);
  }
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
