/** The fields of a stored message as they lie: what an encoder needs to know about the bytes that an object came from. */
import { BYTES, WireReader } from "../protobuf/reader.ts";

export interface StoredField {
  readonly wireType: number;
  /** Where the tag begins. */
  readonly tagStart: number;
  /** Where the content begins: behind the tag, and behind the length of a delimited field. */
  readonly start: number;
  readonly end: number;
}

/** A message in stored bytes, looked at field by field. */
export class StoredMessage {
  readonly bytes: Uint8Array;
  /** By field number, each number's occurrences in order. */
  readonly fields: ReadonlyMap<number, readonly StoredField[]>;

  /** Throws a WireError where the bytes between the offsets are no message. */
  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes;
    const fields = new Map<number, StoredField[]>();
    const reader = new WireReader(bytes, start);
    while (reader.pos < end) {
      const tagStart = reader.pos;
      const tag = reader.varint32(end);
      const wireType = tag & 7;
      let contentStart = reader.pos;
      if (wireType === BYTES) {
        const length = reader.length(end);
        contentStart = reader.pos;
        reader.pos += length;
      } else reader.skip(wireType, end);
      const field = { wireType, tagStart, start: contentStart, end: reader.pos };
      const known = fields.get(tag >>> 3);
      if (known) known.push(field);
      else fields.set(tag >>> 3, [field]);
    }
    this.fields = fields;
  }

  last(number: number): StoredField | undefined {
    return this.fields.get(number)?.at(-1);
  }

  /** A field's content. */
  content(field: StoredField): Uint8Array {
    return this.bytes.subarray(field.start, field.end);
  }

  /** The message that a delimited field holds. */
  message(field: StoredField): StoredMessage {
    return new StoredMessage(this.bytes, field.start, field.end);
  }

  /** A map field's entries by key. */
  entries(number: number): Map<string, StoredMessage> {
    const entries = new Map<string, StoredMessage>();
    for (const field of this.fields.get(number) ?? []) {
      if (field.wireType !== BYTES) continue;
      const entry = this.message(field);
      const key = entry.last(1);
      entries.set(key ? Buffer.from(entry.content(key)).toString("utf8") : "", entry);
    }
    return entries;
  }
}
