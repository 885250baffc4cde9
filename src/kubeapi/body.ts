/** Bodies of answers: single objects and lists, in the encoding that was negotiated, in parts that never hold more than some objects. */
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { WireWriter } from "../protobuf/writer.ts";
import { isObject } from "../storage/arrange.ts";
import { CBOR_MAGIC, encodeCbor, isCbor } from "../storage/cbor.ts";
import { encodeAnswer } from "../storage/encode-message.ts";
import { PROTOBUF_MAGIC } from "../storage/envelope.ts";
import { printJson } from "../storage/json-text.ts";
import { planOf } from "../storage/message-plan.ts";
import { printYaml } from "../storage/yaml-text.ts";
import type { Encoding } from "./negotiate.ts";

/** An empty text is a turn for other requests: nothing is to be sent yet. */
export type BodyPart = string | Uint8Array;

/** How an object becomes a protobuf message; undefined for what has no such form. */
export type MessageOf = (object: JsonObject) => Uint8Array;

/** One object, Status or anything else that is a JSON object. */
export function encodeBody(object: JsonObject, encoding: Encoding, messageOf?: MessageOf, indent = 0): BodyPart {
  switch (encoding) {
    case "json":
      return indent === 0 ? `${printJson(object)}\n` : printJson(object, { indent });
    case "yaml":
      return printYaml(object);
    case "cbor":
      return encodeCbor(object);
    case "protobuf": {
      const message = messageOf?.(object) ?? statusMessage(object);
      const { apiVersion, kind } = object as KubeObject;
      return concat([...envelopeHead(apiVersion, kind, message.length), message, ENVELOPE_TAIL]);
    }
  }
}

/** The messages of a kind in the tables. */
export function messagesOf(name: string): MessageOf {
  const plan = planOf(name);
  return (object) => encodeAnswer(plan, object);
}

/** metav1.PartialObjectMetadata: `metadata = 1`. */
export const metadataMessage: MessageOf = (object) => {
  const plan = planOf("core/v1.Pod").byName.get("metadata")?.plan;
  const writer = new WireWriter();
  if (plan !== undefined && isObject(object.metadata)) {
    writer.raw(encodeAnswer(plan, object.metadata));
    writer.delimit(1, 0);
  }
  return writer.finish();
};

/** A list whose items come one at a time. */
export interface ListBody {
  /** What precedes the items: kind, apiVersion and metadata. */
  readonly head: JsonObject;
  /** Undefined where other requests get their turn. */
  readonly items: () => Iterable<JsonObject | undefined>;
  /** The name of the field that holds the items. */
  readonly itemsField: "items" | "rows";
  /** Go prints lists of custom resources in alphabetical order: apiVersion, items, kind, metadata. */
  readonly alphabetical: boolean;
  readonly messageOf: MessageOf | undefined;
}

const PART_SIZE = 64 * 1024;

/** The parts of a list in an encoding. `indent`: spaces by which JSON is indented. */
export function* encodeList(list: ListBody, encoding: Encoding, indent = 0): Generator<BodyPart> {
  switch (encoding) {
    case "json":
      yield* inParts(indent === 0 ? jsonList(list) : indentedList(list, indent));
      return;
    case "yaml":
      yield* inParts(yamlList(list));
      return;
    case "cbor":
      yield* cborList(list);
      return;
    case "protobuf":
      yield* protobufList(list);
  }
}

/** Texts joined to parts of some size. */
function* inParts(texts: Iterable<string>): Generator<string> {
  let part = "";
  for (const text of texts) {
    part += text;
    if (text === "") yield "";
    if (part.length < PART_SIZE) continue;
    yield part;
    part = "";
  }
  if (part !== "") yield part;
}

function* jsonList({ head, items, itemsField, alphabetical }: ListBody): Generator<string> {
  const before = alphabetical ? pick(head, (name) => name < itemsField) : head;
  const after = alphabetical ? pick(head, (name) => name > itemsField) : {};
  const start = printJson(before);
  yield `${start.slice(0, -1)}${start === "{}" ? "" : ","}"${itemsField}":[`;
  let first = true;
  for (const item of items()) {
    yield item === undefined ? "" : first ? printJson(item) : `,${printJson(item)}`;
    first &&= item === undefined;
  }
  const rest = printJson(after).slice(1, -1);
  yield `]${rest === "" ? "" : `,${rest}`}}\n`;
}

function* indentedList({ head, items, itemsField, alphabetical }: ListBody, indent: number): Generator<string> {
  const margin = " ".repeat(indent);
  const before = alphabetical ? pick(head, (name) => name < itemsField) : head;
  const after = alphabetical ? pick(head, (name) => name > itemsField) : {};
  yield `${printJson(before, { indent }).slice(0, -2)},\n${margin}"${itemsField}": [`;
  let first = true;
  for (const item of items()) {
    const text = item === undefined ? "" : printJson(item, { indent }).replaceAll("\n", `\n${margin}${margin}`);
    yield item === undefined ? "" : `${first ? "" : ","}\n${margin}${margin}${text}`;
    first &&= item === undefined;
  }
  const rest = printJson(after, { indent });
  yield `${first ? "" : `\n${margin}`}]${rest === "{}" ? "\n}" : `,${rest.slice(1)}`}`;
}

function pick(object: JsonObject, choose: (name: string) => boolean): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => choose(name)));
}

/** Fields in alphabetical order, as Go's YAML has them. */
function* yamlList({ head, items, itemsField }: ListBody): Generator<string> {
  yield printYamlFields(pick(head, (name) => name < itemsField));
  yield `${itemsField}:`;
  let first = true;
  for (const item of items()) {
    yield item === undefined ? "" : `${first ? "\n" : ""}${printYaml([item])}`;
    first &&= item === undefined;
  }
  if (first) yield " []\n";
  yield printYamlFields(pick(head, (name) => name > itemsField));
}

function printYamlFields(fields: JsonObject): string {
  return Object.keys(fields).length === 0 ? "" : printYaml(fields);
}

const BREAK = Uint8Array.of(0xff);

/** A map of indefinite length with a list of indefinite length in it. */
function* cborList({ head, items, itemsField }: ListBody): Generator<BodyPart> {
  yield CBOR_MAGIC;
  yield Uint8Array.of(0xbf);
  for (const [name, value] of Object.entries(head)) {
    yield plainCbor(name);
    yield plainCbor(value ?? null);
  }
  yield plainCbor(itemsField);
  yield Uint8Array.of(0x9f);
  for (const item of items()) yield item === undefined ? "" : plainCbor(item);
  yield BREAK;
  yield BREAK;
}

/** Without the tag that a whole document begins with. */
function plainCbor(value: JsonValue): Uint8Array {
  const encoded = encodeCbor(value);
  return isCbor(encoded) ? encoded.subarray(CBOR_MAGIC.length) : encoded;
}

const ENVELOPE_TAIL = Uint8Array.of(0x1a, 0x00, 0x22, 0x00);

const MEASURED_AT_ONCE = 32;

/** `metadata = 1, items = 2`. The length comes first, so that the items are made twice: a list can be larger than memory. */
function* protobufList({ head, items, messageOf }: ListBody): Generator<BodyPart> {
  if (messageOf === undefined) return;
  const metadata = listMeta(isObject(head.metadata) ? head.metadata : {});
  let length = metadata.length;
  let measured = 0;
  for (const item of items()) {
    if (item === undefined || ++measured % MEASURED_AT_ONCE === 0) yield "";
    if (item === undefined) continue;
    const { length: size } = messageOf(item);
    length += 1 + varint(size).length + size;
  }
  const { apiVersion, kind } = head as KubeObject;
  yield* envelopeHead(apiVersion, kind, length);
  yield metadata;
  for (const item of items()) {
    if (item === undefined) {
      yield "";
      continue;
    }
    const message = messageOf(item);
    yield concat([Uint8Array.of(0x12), varint(message.length), message]);
  }
  yield ENVELOPE_TAIL;
}

/** The magic, the type and the head of the field that holds the message. */
function envelopeHead(apiVersion: string, kind: string, length: number): Uint8Array[] {
  const writer = new WireWriter();
  text(writer, 2, kind);
  text(writer, 1, apiVersion);
  writer.delimit(1, 0);
  return [PROTOBUF_MAGIC, writer.finish(), Uint8Array.of(0x12), varint(length)];
}

function text(writer: WireWriter, number: number, value: string): void {
  const before = writer.size;
  writer.raw(Buffer.from(value, "utf8"));
  writer.delimit(number, before);
}

/** metav1.ListMeta: `selfLink = 1, resourceVersion = 2, continue = 3, remainingItemCount = 4`, as field 1 of a list. */
function listMeta(metadata: JsonObject): Uint8Array {
  const writer = new WireWriter();
  const { resourceVersion, continue: next, remainingItemCount } = metadata;
  if (typeof remainingItemCount === "number") {
    writer.varint(remainingItemCount);
    writer.varint(4 << 3);
  }
  text(writer, 3, String(next ?? ""));
  text(writer, 2, String(resourceVersion ?? ""));
  text(writer, 1, "");
  writer.delimit(1, 0);
  return writer.finish();
}

/**
 * metav1.Status: `metadata = 1, status = 2, message = 3, reason = 4, details = 5, code = 6`; of the details, `name,
 * group, kind = 1 to 3`.
 */
function statusMessage(object: JsonObject): Uint8Array {
  const writer = new WireWriter();
  writer.varint(Number(object.code ?? 0));
  writer.varint(6 << 3);
  if (isObject(object.details)) {
    const before = writer.size;
    const { name, group, kind } = object.details;
    text(writer, 3, String(kind ?? ""));
    text(writer, 2, String(group ?? ""));
    text(writer, 1, String(name ?? ""));
    writer.delimit(5, before);
  }
  text(writer, 4, String(object.reason ?? ""));
  text(writer, 3, String(object.message ?? ""));
  text(writer, 2, String(object.status ?? ""));
  writer.delimit(1, writer.size);
  return writer.finish();
}

function varint(value: number): Uint8Array {
  const writer = new WireWriter();
  writer.varint(value);
  return writer.finish();
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}
