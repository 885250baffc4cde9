/**
 * Whether a value surely decodes, found out without decoding it: the walk of `decode-message.ts` over the same tables,
 * but tags and lengths only, and nothing is made. It may doubt what is sound (the caller decodes that), but never takes
 * what `decodeValue` would find a fault with, or an unknown field.
 */
import { areSurelyFields } from "./fields-check.ts";
import { isSurelyTypedJson } from "./json-check.ts";
import { Card, type FieldPlan, type FieldTable, Op, planOf } from "./message-plan.ts";
import { findResource } from "./resources.ts";
import { readText } from "./strings.ts";

/** Longer values are left to the decoder, which counts what is in them. */
const MAX_BYTES = 1 << 20;
/** Deeper ones as well. */
const MAX_DEPTH = 50;

/**
 * What a tag, field number and wire type in one, asks for. A number from `FIRST_WALK` on is where in `table` the walk
 * of the message begins that the field holds.
 */
const Step = {
  Doubt: 0,
  Varint: 1,
  /** A varint below 2^35. */
  ShortVarint: 2,
  Bytes: 3,
  /** JSON, mostly metav1.FieldsV1. */
  Json: 4,
} as const;
const FIRST_WALK = 8;
/** So many tags take one byte. */
const SHORT_TAGS = 0x80;

/**
 * All walks, one behind the other, as numbers: what may stand in a message. A walk is the step of each tag, and before it
 * how many there are: all tags of one byte, so that those need not be compared with their number. One table for all, and
 * an explicit stack, because this is called for every byte of a snapshot, near enough.
 */
let table = new Int32Array(1 << 14);
let tableEnd = FIRST_WALK;

/** Of the messages that the current one lies in: where each ends, and its walk. */
const ends = new Int32Array(MAX_DEPTH);
const outerWalks = new Int32Array(MAX_DEPTH);

/** True only where `decodeValue` makes an object without unknown fields of `bytes[start, end)`, a value that is not encrypted. */
export function surelyDecodes(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > MAX_BYTES) return false;
  if (bytes[start] === 0x7b) return isSurelyTypedJson(bytes, start, end);
  return end - start > 6 && isProtobufAt(bytes, start) && checkEnvelope(bytes, start + 4, end);
}

function isProtobufAt(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0x6b && bytes[at + 1] === 0x38 && bytes[at + 2] === 0x73 && bytes[at + 3] === 0;
}

/** The envelope as Kubernetes writes it: typeMeta, the object, and maybe empty encoding and type. */
function checkEnvelope(bytes: Uint8Array, start: number, end: number): boolean {
  const typeEnd = start + 2 + bytes[start + 1]!;
  if (bytes[start] !== 0x0a || bytes[start + 1]! >= 0x80 || typeEnd >= end || bytes[typeEnd] !== 0x12) return false;
  const walk = walkOfType(readText(bytes, start + 2, typeEnd));
  if (walk === Step.Doubt) return false;
  let at = typeEnd + 1;
  let length = 0;
  for (let scale = 1; ; scale *= 128) {
    if (at >= end || scale > 2 ** 28) return false;
    const byte = bytes[at++]!;
    length += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  if (length > end - at || !checkMessage(walk, bytes, at, at + length)) return false;
  at += length;
  while (at + 1 < end && (bytes[at] === 0x1a || bytes[at] === 0x22) && bytes[at + 1] === 0) at += 2;
  return at === end;
}

const walksByType = new Map<string, number>();
/** A hostile file may make up any number of types. */
const MOST_TYPES = 10_000;

/** The walk for an encoded typeMeta, here as text of the same bytes (apiVersion = 1, kind = 2); `Step.Doubt` for none. */
function walkOfType(typeMeta: string): number {
  const known = walksByType.get(typeMeta);
  if (known !== undefined) return known;
  const versionEnd = 2 + (typeMeta.charCodeAt(1) || 0);
  const version = typeMeta.slice(2, versionEnd);
  const kind = typeMeta.slice(versionEnd + 2);
  const canonical = `\n${String.fromCharCode(version.length)}${version}\x12${String.fromCharCode(kind.length)}${kind}`;
  const resource = typeMeta === canonical ? findResource(version, kind) : undefined;
  const walk = resource === undefined ? Step.Doubt : walkOfFields(planOf(resource.message).fields);
  if (walksByType.size < MOST_TYPES) walksByType.set(typeMeta, walk);
  return walk;
}

/** Reads a message between two offsets, its fields by their tags alone. */
function checkMessage(rootWalk: number, bytes: Uint8Array, start: number, rootEnd: number): boolean {
  const steps = table;
  let walk = rootWalk;
  let end = rootEnd;
  let depth = 0;
  let at = start;
  for (;;) {
    while (at === end) {
      if (depth === 0) return true;
      end = ends[--depth]!;
      walk = outerWalks[depth]!;
    }
    let tag = bytes[at++]!;
    if (tag >= 0x80) {
      if (at >= end || bytes[at]! >= 0x80) return false;
      tag = (tag & 0x7f) | (bytes[at++]! << 7);
      if (tag >= steps[walk - 1]!) return false;
    }
    const step = steps[walk + tag]!;
    if (step === Step.Bytes && bytes[at]! < 0x80) {
      at += 1 + bytes[at]!; // most fields: short text
      if (at > end) return false;
      continue;
    }
    if (step >= Step.Bytes) {
      if (at >= end) return false;
      let length = bytes[at++]!;
      if (length >= 0x80) {
        length &= 0x7f;
        for (let shift = 7; ; shift += 7) {
          if (at >= end || shift > 21) return false;
          const byte = bytes[at++]!;
          length |= (byte & 0x7f) << shift;
          if (byte < 0x80) break;
        }
      }
      if (length > end - at) return false;
      if (step === Step.Bytes) {
        at += length;
      } else if (step === Step.Json) {
        if (length > 0 && !areSurelyFields(bytes, at, at + length)) return false;
        at += length;
      } else {
        if (depth === MAX_DEPTH) return false;
        ends[depth] = end;
        outerWalks[depth++] = walk;
        end = at + length;
        walk = step;
      }
    } else {
      const longest = step === Step.Varint ? 10 : step === Step.ShortVarint ? 5 : 0;
      const limit = Math.min(at + longest, end);
      for (;;) {
        if (at >= limit) return false;
        if (bytes[at++]! < 0x80) break;
      }
    }
  }
}

/** Field numbers beyond this are left to the decoder. */
const MAX_FIELD_NUMBER = 255;
const VARINT_1 = 0x08;
const BYTES_1 = 0x0a;
const VARINT_2 = 0x10;
const BYTES_2 = 0x12;
const BYTES_3 = 0x1a;
const TIME = newWalk(VARINT_2, [VARINT_1, Step.ShortVarint], [VARINT_2, Step.Varint]);
const DURATION = newWalk(VARINT_1, [VARINT_1, Step.Varint]);
const QUANTITY = newWalk(BYTES_1, [BYTES_1, Step.Bytes]);
const INT_OR_STRING = newWalk(BYTES_3, [VARINT_1, Step.Varint], [VARINT_2, Step.Varint], [BYTES_3, Step.Bytes]);
/** An object in protobuf or CBOR within a RawExtension is no JSON, and left to the decoder. */
const RAW_JSON = newWalk(BYTES_1, [BYTES_1, Step.Json]);

/** A walk for tags up to `highestTag`. */
function newWalk(highestTag: number, ...steps: readonly (readonly [tag: number, step: number])[]): number {
  const walk = tableEnd + 1;
  const tags = Math.max(highestTag + 1, SHORT_TAGS);
  tableEnd = walk + tags;
  if (tableEnd > table.length) {
    const larger = new Int32Array(tableEnd * 2);
    larger.set(table);
    table = larger;
  }
  table[walk - 1] = tags;
  for (const [tag, step] of steps) setStep(walk, tag, step);
  return walk;
}

function setStep(walk: number, tag: number, step: number): void {
  table[walk + tag] = step;
}

const walks = new Map<FieldTable, number>();

function walkOfFields(fields: FieldTable): number {
  const known = walks.get(fields);
  if (known !== undefined) return known;
  const wire = fields.inWireOrder.filter(({ number }) => number <= MAX_FIELD_NUMBER);
  const walk = newWalk(((wire.at(-1)?.number ?? 0) << 3) | 7);
  walks.set(fields, walk); // before its fields: a schema holds schemas
  for (const field of wire) addField(walk, field);
  return walk;
}

function addField(walk: number, field: FieldPlan): void {
  const { number, op, card } = field;
  const isNumber = op > Op.String && op < Op.Bytes;
  if (op === Op.Double || op === Op.Float || (isNumber && card === Card.Map)) return; // seldom: left to the decoder
  const content = isNumber ? Step.Varint : op === Op.String || op === Op.Bytes ? Step.Bytes : walkOfContent(field);
  if (card === Card.Map) setStep(walk, (number << 3) | 2, newWalk(BYTES_2, [BYTES_1, Step.Bytes], [BYTES_2, content]));
  else setStep(walk, isNumber ? number << 3 : (number << 3) | 2, content);
}

function walkOfContent({ op, plan, inline }: FieldPlan): number {
  switch (op) {
    case Op.Message:
      return walkOfFields(plan!.fields);
    case Op.Inline:
      return walkOfFields(inline!);
    case Op.Time:
    case Op.MicroTime:
      return TIME;
    case Op.Duration:
      return DURATION;
    case Op.Quantity:
      return QUANTITY;
    case Op.IntOrString:
      return INT_OR_STRING;
    default:
      return RAW_JSON;
  }
}
