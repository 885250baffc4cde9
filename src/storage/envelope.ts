/**
 * The envelope of a protobuf value: `k8s\0`, then runtime.Unknown with the kind, the object's own message, and how that is encoded
 * (apimachinery, pkg/runtime/serializer/protobuf/protobuf.go and pkg/runtime/generated.proto).
 */

import { BYTES, WireError, WireReader } from "../protobuf/reader.ts";
import { readText } from "./strings.ts";

export const PROTOBUF_MAGIC: Uint8Array = Uint8Array.of(0x6b, 0x38, 0x73, 0x00);

export interface Envelope {
  readonly apiVersion: string;
  readonly kind: string;
  /** Where the object's message is in the value: field 2. */
  readonly start: number;
  readonly end: number;
  /** Fields 3 and 4; Kubernetes writes both empty. */
  readonly contentEncoding: string;
  readonly contentType: string;
}

export function isProtobuf(value: Uint8Array): boolean {
  return value.length >= 4 && value[0] === 0x6b && value[1] === 0x38 && value[2] === 0x73 && value[3] === 0;
}

/** Reads the envelope of a value that {@link isProtobuf}. Throws a WireError. */
export function readEnvelope(value: Uint8Array): Envelope {
  const known = readLikeLast(value);
  if (known !== undefined) return known;
  const envelope = readAny(value);
  keepHead(value, envelope);
  return envelope;
}

/** What came before the message's length in the value that was read last, if it was as an API server writes it. */
let head = new Uint8Array();
let type = { apiVersion: "", kind: "" };
/** Empty content encoding and content type, which come last. */
const TAIL = [0x1a, 0x00, 0x22, 0x00] as const;

/** Most values are of the kind of the one before: nothing but the message's length differs. Undefined where that is not so. */
function readLikeLast(value: Uint8Array): Envelope | undefined {
  const from = head.length;
  if (from === 0 || value.length < from + 1 + TAIL.length) return undefined;
  for (let at = from - 1; at >= 0; at--) if (value[at] !== head[at]) return undefined;
  const start = startOf(value, from);
  if (start === undefined) return undefined;
  const { apiVersion, kind } = type;
  return { apiVersion, kind, start, end: value.length - TAIL.length, contentEncoding: "", contentType: "" };
}

/** Where the message begins whose length is at `from`, if nothing but the tail comes after it. */
function startOf(value: Uint8Array, from: number): number | undefined {
  const end = value.length - TAIL.length;
  let length = 0;
  let at = from;
  for (let shift = 0; ; shift += 7) {
    if (at >= end || shift > 21) return undefined;
    const byte = value[at++] ?? 0;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  if (at + length !== end) return undefined;
  for (let i = 0; i < TAIL.length; i++) if (value[end + i] !== TAIL[i]) return undefined;
  return at;
}

function keepHead(value: Uint8Array, { apiVersion, kind, start }: Envelope): void {
  const size = value[PROTOBUF_MAGIC.length + 1] ?? 0x80;
  const from = PROTOBUF_MAGIC.length + 2 + size + 1;
  const isUsual = value[PROTOBUF_MAGIC.length] === 0x0a && size < 0x80 && value[from - 1] === 0x12;
  if (!isUsual || startOf(value, from) !== start) return;
  head = value.slice(0, from);
  type = { apiVersion, kind };
}

function readAny(value: Uint8Array): Envelope {
  const reader = new WireReader(value, PROTOBUF_MAGIC.length);
  const end = value.length;
  let apiVersion = "";
  let kind = "";
  let rawStart = end;
  let rawEnd = end;
  let contentEncoding = "";
  let contentType = "";
  while (reader.pos < end) {
    const tag = reader.varint32(end);
    if ((tag & 7) !== BYTES || tag >>> 3 > 4) {
      reader.skip(tag & 7, end);
      continue;
    }
    const length = reader.length(end);
    const partEnd = reader.pos + length;
    if (tag === 0x0a) {
      while (reader.pos < partEnd) {
        const part = reader.varint32(partEnd);
        if (part !== 0x0a && part !== 0x12) {
          reader.skip(part & 7, partEnd);
          continue;
        }
        const size = reader.length(partEnd);
        const text = readText(value, reader.pos, reader.pos + size);
        reader.pos += size;
        if (part === 0x0a) apiVersion = text;
        else kind = text;
      }
    } else if (tag === 0x12) {
      rawStart = reader.pos;
      rawEnd = partEnd;
    } else if (tag === 0x1a) contentEncoding = readText(value, reader.pos, partEnd);
    else if (tag === 0x22) contentType = readText(value, reader.pos, partEnd);
    else throw new WireError("field number 0 in the envelope", reader.pos);
    reader.pos = partEnd;
  }
  return { apiVersion, kind, start: rawStart, end: rawEnd, contentEncoding, contentType };
}
