/**
 * Whether a value surely decodes, found out without decoding it: the walk of `decode-message.ts` over the same tables, but tags and lengths only, and nothing is made.
 * It may doubt what is sound (the caller decodes that), but never takes what `decodeValue` would find a fault with, or an unknown field.
 */
import { areSurelyFields } from "./fields-check.ts";
import { isSurelyTypedJson } from "./json-check.ts";
import { Card, type FieldPlan, type FieldTable, type MessagePlan, Op, planOf } from "./message-plan.ts";
import { findResource } from "./resources.ts";
import { readText } from "./strings.ts";

/** Longer values are left to the decoder, which counts what is in them. */
const MAX_BYTES = 1 << 20;
/** Deeper ones as well. */
const MAX_DEPTH = 50;

/** What a tag, field number and wire type in one, asks for. */
const Step = {
  Doubt: 0,
  Varint: 1,
  /** A varint below 2^35. */
  ShortVarint: 2,
  Bytes: 3,
  Json: 4,
  Message: 5,
} as const;
type Step = (typeof Step)[keyof typeof Step];

/** What may stand in a message, by tag. */
interface Walk {
  readonly steps: Uint8Array;
  readonly messages: (Walk | undefined)[];
}

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
  if (walk === undefined) return false;
  let at = typeEnd + 1;
  let length = 0;
  for (let scale = 1; ; scale *= 128) {
    if (at >= end || scale > 2 ** 28) return false;
    const byte = bytes[at++]!;
    length += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  if (length > end - at || !checkMessage(walk, bytes, at, at + length, 0)) return false;
  at += length;
  while (at + 1 < end && (bytes[at] === 0x1a || bytes[at] === 0x22) && bytes[at + 1] === 0) at += 2;
  return at === end;
}

const walksByType = new Map<string, Walk | undefined>();
/** A hostile file may make up any number of types. */
const MOST_TYPES = 10_000;

/** The walk for an encoded typeMeta, here as text of the same bytes: apiVersion = 1, kind = 2. */
function walkOfType(typeMeta: string): Walk | undefined {
  const known = walksByType.get(typeMeta);
  if (known !== undefined || walksByType.has(typeMeta)) return known;
  const versionEnd = 2 + (typeMeta.charCodeAt(1) || 0);
  const version = typeMeta.slice(2, versionEnd);
  const kind = typeMeta.slice(versionEnd + 2);
  const canonical = `\n${String.fromCharCode(version.length)}${version}\x12${String.fromCharCode(kind.length)}${kind}`;
  const resource = typeMeta === canonical ? findResource(version, kind) : undefined;
  const walk = resource && walkOf(planOf(resource.message));
  if (walksByType.size < MOST_TYPES) walksByType.set(typeMeta, walk);
  return walk;
}

/** Reads a message between two offsets, its fields by their tags alone. */
function checkMessage(walk: Walk, bytes: Uint8Array, start: number, end: number, depth: number): boolean {
  const { steps, messages } = walk;
  let at = start;
  while (at < end) {
    let tag = bytes[at++]!;
    if (tag >= 0x80) {
      if (at >= end) return false;
      const high = bytes[at++]!;
      if (high >= 0x80) return false;
      tag = (tag & 0x7f) | (high << 7);
    }
    const step = tag < steps.length ? steps[tag]! : Step.Doubt;
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
      if (step !== Step.Bytes && length > 0) {
        if (step === Step.Message) {
          if (depth >= MAX_DEPTH || !checkMessage(messages[tag]!, bytes, at, at + length, depth + 1)) return false;
        } else if (!areSurelyFields(bytes, at, at + length)) return false;
      }
      at += length;
    } else {
      const longest = step === Step.Varint ? 10 : step === Step.ShortVarint ? 5 : 0;
      const limit = Math.min(at + longest, end);
      for (;;) {
        if (at >= limit) return false;
        if (bytes[at++]! < 0x80) break;
      }
    }
  }
  return at === end;
}

/** Field numbers beyond this are left to the decoder. */
const MAX_FIELD_NUMBER = 255;
const TIME: Walk = walkWith({ 8: Step.ShortVarint, 16: Step.Varint });
const DURATION: Walk = walkWith({ 8: Step.Varint });
const QUANTITY: Walk = walkWith({ 10: Step.Bytes });
const INT_OR_STRING: Walk = walkWith({ 8: Step.Varint, 16: Step.Varint, 26: Step.Bytes });
const RAW_JSON: Walk = walkWith({ 10: Step.Json });

function walkWith(steps: Readonly<Record<number, Step>>): Walk {
  const walk = emptyWalk(Math.max(...Object.keys(steps).map(Number)));
  for (const [tag, step] of Object.entries(steps)) walk.steps[Number(tag)] = step;
  return walk;
}

function emptyWalk(highestTag: number): Walk {
  return {
    steps: new Uint8Array(highestTag + 1),
    messages: new Array<Walk | undefined>(highestTag + 1).fill(undefined),
  };
}

const walks = new Map<FieldTable, Walk>();

function walkOf({ fields }: MessagePlan): Walk {
  return walkOfFields(fields);
}

function walkOfFields(fields: FieldTable): Walk {
  const known = walks.get(fields);
  if (known !== undefined) return known;
  const wire = fields.inWireOrder.filter(({ number }) => number <= MAX_FIELD_NUMBER);
  const walk = emptyWalk(((wire.at(-1)?.number ?? 0) << 3) | 7);
  walks.set(fields, walk); // before its fields: a schema holds schemas
  for (const field of wire) addField(walk, field);
  return walk;
}

function addField(walk: Walk, field: FieldPlan): void {
  const { number, op, card } = field;
  const target = card === Card.Map ? emptyWalk(0x12) : walk;
  const lengthTag = card === Card.Map ? 0x12 : (number << 3) | 2;
  if (op === Op.String || op === Op.Bytes) target.steps[lengthTag] = Step.Bytes;
  else if (op < Op.Double) {
    if (card === Card.Map) return; // no kind has one
    target.steps[number << 3] = Step.Varint;
  } else if (op !== Op.Double && op !== Op.Float) {
    target.steps[lengthTag] = Step.Message;
    target.messages[lengthTag] = messageOf(field);
  } else return;
  if (card !== Card.Map) return;
  target.steps[0x0a] = Step.Bytes;
  walk.steps[(number << 3) | 2] = Step.Message;
  walk.messages[(number << 3) | 2] = target;
}

function messageOf({ op, plan, inline }: FieldPlan): Walk {
  switch (op) {
    case Op.Message:
      return walkOf(plan!);
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
      return RAW_JSON; // objects in protobuf or CBOR within one are no JSON, and left to the decoder
  }
}
