/** Maps: entries of a key and a value, in JSON sorted by key, as Go prints them; of several entries with one key the last counts. */
import { BYTES, WireError, WireReader } from "../protobuf/reader.ts";
import { seek, sink, type Writer, writeString, writeText } from "./json-sink.ts";

/** What a map's values are. */
export interface MapValue {
  readonly write: Writer;
  /** The JSON of a value that an entry lacks. */
  readonly absent: string;
  /** The field's name, for errors. */
  readonly name: string;
}

/** Writes `count` entries of the field `number`; the first one's length is at `first`. */
export function writeMap(
  first: number,
  end: number,
  number: number,
  count: number,
  value: MapValue,
  out: number,
  depth: number,
): number {
  const { input, output } = sink;
  const messages = sink.messages;
  let p = out;
  output[p++] = 0x7b;
  let previous = 0;
  let previousEnd = -1;
  const tag = ((number << 3) | BYTES) & 0xff;
  let at = first;
  for (let left = count; ; left--) {
    const entry = at + 1;
    const entryEnd = entry + input[at]!;
    const key = entry + 2;
    const keyEnd = key + input[entry + 1]!;
    const content = keyEnd + 2;
    // As it nearly always is: lengths of one byte, the key, the value, and keys that ascend.
    let isUsual = input[at]! < 0x80 && input[entry] === 0x0a && input[entry + 1]! < 0x80 && content <= entryEnd;
    isUsual &&= input[keyEnd] === 0x12 && input[keyEnd + 1] === entryEnd - content && entryEnd - content < 0x80;
    if (!isUsual || (previousEnd >= 0 && !ascends(input, previous, previousEnd, key, keyEnd))) {
      sink.messages = messages;
      return writeSorted(first, end, number, count, value, out, depth);
    }
    p = writeString(key, keyEnd, p);
    output[p++] = 0x3a;
    p = value.write(content, entryEnd, p, depth);
    if (left === 1) break;
    output[p++] = 0x2c;
    previous = key;
    previousEnd = keyEnd;
    at = number < 16 && input[entryEnd] === tag ? entryEnd + 1 : seek(entryEnd, end, number);
  }
  output[p++] = 0x7d;
  return p;
}

function ascends(input: Uint8Array, a: number, aEnd: number, b: number, bEnd: number): boolean {
  const length = Math.min(aEnd - a, bEnd - b);
  for (let i = 0; i < length; i++) {
    const difference = input[b + i]! - input[a + i]!;
    if (difference !== 0) return difference > 0;
  }
  return bEnd - b > aEnd - a;
}

interface Entry {
  readonly start: number;
  readonly end: number;
  /** -1 where the entry has no value. */
  readonly valueStart: number;
  readonly valueEnd: number;
}

/** The same for entries of any form in any order. */
function writeSorted(
  first: number,
  end: number,
  number: number,
  count: number,
  value: MapValue,
  out: number,
  depth: number,
): number {
  const { input, output } = sink;
  const entries = new Map<string, Entry>();
  let at = first;
  for (let left = count; left > 0; left--) {
    const reader = new WireReader(input, at);
    const entryEnd = reader.length(end) + reader.pos;
    const entry = readEntry(reader, entryEnd, value.name);
    entries.set(Buffer.from(input.subarray(entry.start, entry.end)).toString("latin1"), entry);
    at = left === 1 ? entryEnd : seek(entryEnd, end, number);
  }
  let p = out;
  output[p++] = 0x7b;
  // Latin-1 has one unit for each byte, so that this order is the bytes' own.
  for (const key of [...entries.keys()].sort()) {
    const entry = entries.get(key)!;
    p = writeString(entry.start, entry.end, p);
    output[p++] = 0x3a;
    p = entry.valueStart < 0 ? writeText(value.absent, p) : value.write(entry.valueStart, entry.valueEnd, p, depth);
    output[p++] = 0x2c;
  }
  output[p - 1] = 0x7d;
  return p;
}

/** One key and value: a message of two fields. */
function readEntry(reader: WireReader, end: number, name: string): Entry {
  let entry = { start: reader.pos, end: reader.pos, valueStart: -1, valueEnd: -1 };
  while (reader.pos < end) {
    const tag = reader.varint32(end);
    if (tag === 0x0a || tag === 0x12) {
      const length = reader.length(end);
      const from = reader.pos;
      reader.pos += length;
      entry =
        tag === 0x0a
          ? { ...entry, start: from, end: from + length }
          : { ...entry, valueStart: from, valueEnd: from + length };
    } else if (tag >>> 3 === 2) throw new WireError(`"${name}" has wire type ${tag & 7}`, reader.pos);
    else reader.skip(tag & 7, end);
  }
  return entry;
}
