/**
 * Protobuf to JSON: the object as the API server prints it. The text is what decoders make (`compile-decoder.ts`);
 * whoever needs the object gets it from the text, by the fastest parser that there is.
 */

import type { JsonValue } from "../kube/object.ts";
import { WireError } from "../protobuf/reader.ts";
import { type Decoder, decoderOf, type FieldChoice } from "./compile-decoder.ts";
import { leafWriter } from "./decoder-helpers.ts";
import { type Envelope, readEnvelope } from "./envelope.ts";
import { parseJson } from "./json-parse.ts";
import { fillSink, sink, writeText } from "./json-sink.ts";
import { printJson } from "./json-text.ts";
import { locateField } from "./locate-field.ts";
import { type MessagePlan, type Op, planOf } from "./message-plan.ts";
import { findResource } from "./resources.ts";
import { writeNestedObjectsBy } from "./write-raw-extension.ts";

/** Where the root message of an object lies in a value, and what it is. */
export interface RootMessage {
  readonly start: number;
  readonly end: number;
  readonly apiVersion: string;
  readonly kind: string;
  /** Goes into its metadata; empty for none. */
  readonly resourceVersion: string;
}

export interface MessageText {
  /** The JSON on one line, in memory that the next call uses again. */
  readonly json: Uint8Array;
  /** Paths of fields that the tables do not have, such as `spec.containers[0].#42`. */
  readonly unknownFields: readonly string[];
}

export interface DecodedMessage {
  readonly object: { [field: string]: JsonValue };
  readonly unknownFields: readonly string[];
}

const NONE: readonly string[] = [];

/**
 * The JSON of the root message of an object; with `choice` only of the fields that it names, and only these are looked
 * at. Throws a WireError that says where in the object the bytes make no sense.
 */
export function writeMessage(
  plan: MessagePlan,
  value: Uint8Array,
  root: RootMessage,
  choice: FieldChoice = true,
): MessageText {
  try {
    const { resourceVersion } = root;
    const end = fillSink(value, resourceVersion, () => writeRoot(plan, root, choice, 0));
    // Decoders note a message's own before those of the messages in it.
    const unknown = sink.unknown.sort((a, b) => a - b);
    const unknownFields = unknown.length === 0 ? NONE : unknown.map((at) => nameUnknown(plan, value, root, at));
    return { json: sink.output.subarray(0, end), unknownFields };
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    const where = locateField(plan, value, root, error.offset) || "object";
    throw new WireError(`${where}: ${error.message}`, error.offset);
  }
}

/**
 * As {@link writeMessage}, as an object. Of objects that are the same but for their metadata, what is chosen of the rest
 * may be one and the same: it is to be read only.
 */
export function decodeMessage(
  plan: MessagePlan,
  value: Uint8Array,
  root: RootMessage,
  choice: FieldChoice = true,
): DecodedMessage {
  const { json, unknownFields } = writeMessage(plan, value, root, choice);
  const { metadataEnd, ascii, large } = sink;
  const hasRest = choice !== true && metadataEnd > 0 && metadataEnd < json.length;
  const isShared = hasRest && ascii && !large && json.length <= MOST_SHARED_BYTES;
  const object = isShared ? parseShared(sinkText(json)) : parseSink(json);
  return { object: object as DecodedMessage["object"], unknownFields };
}

/** Most objects have an owner that makes many like them: what a table shows of them differs in the metadata only. */
const MOST_SHARED = 256;
const MOST_SHARED_BYTES = 8 << 10;
const shared = new Map<string, DecodedMessage["object"]>();

/** The sink's text, of which what is behind the metadata is parsed once. */
function parseShared(text: string): DecodedMessage["object"] {
  const { metadataEnd } = sink;
  const rest = text.slice(metadataEnd);
  let known = shared.get(rest);
  if (known === undefined) {
    known = JSON.parse(`{${rest}`) as DecodedMessage["object"];
    if (shared.size >= MOST_SHARED) shared.clear();
    shared.set(rest, known);
  }
  return Object.assign(JSON.parse(`${text.slice(0, metadataEnd - 1)}}`), known);
}

/** The JSON of one field's content, for one of the types with a form of their own. Throws where the bytes make no sense. */
export function decodeLeaf(op: Op, content: Uint8Array): JsonValue {
  return parseSink(writeLeaf(op, content));
}

/** As {@link decodeLeaf}, as text on one line. */
export function leafText(op: Op, content: Uint8Array): string {
  return sinkText(writeLeaf(op, content));
}

function writeLeaf(op: Op, content: Uint8Array): Uint8Array {
  const end = fillSink(content, "", () => leafWriter(op)(0, content.length, 0, 0));
  return sink.output.subarray(0, end);
}

const { latin1Slice, utf8Slice } = Buffer.prototype as unknown as Record<
  "latin1Slice" | "utf8Slice",
  (this: Uint8Array, start: number, end: number) => string
>;

function sinkText(json: Uint8Array): string {
  return (sink.ascii ? latin1Slice : utf8Slice).call(json, 0, json.length);
}

function parseSink(json: Uint8Array): JsonValue {
  const text = sinkText(json);
  return sink.large ? parseJson(text) : JSON.parse(text);
}

/** Heads of objects, such as `{"kind":"Pod","apiVersion":"v1",`: there are a few hundred. */
const heads = new Map<string, Map<string, string>>();

function headOf(apiVersion: string, kind: string): string {
  const ofVersion = heads.get(apiVersion) ?? new Map<string, string>();
  heads.set(apiVersion, ofVersion);
  const head = ofVersion.get(kind) ?? `{"kind":${printJson(kind)},"apiVersion":${printJson(apiVersion)},`;
  ofVersion.set(kind, head);
  return head;
}

function writeRoot(
  plan: MessagePlan,
  root: Omit<RootMessage, "resourceVersion">,
  choice: FieldChoice,
  out: number,
): number {
  const p = writeText(headOf(root.apiVersion, root.kind), out);
  if (last === undefined || last.plan !== plan || last.choice !== choice)
    last = { plan, choice, decoder: decoderOf(plan, choice, "root") };
  return last.decoder.write(root.start, root.end, p, 0);
}

/** The decoder that was used last: objects of a kind come one after the other. */
let last: { readonly plan: MessagePlan; readonly choice: FieldChoice; readonly decoder: Decoder } | undefined;

function nameUnknown(plan: MessagePlan, value: Uint8Array, root: RootMessage, tagStart: number): string {
  const where = locateField(plan, value, root, tagStart + 1);
  let number = 0;
  for (let at = tagStart, scale = 1; at < tagStart + 5; at++, scale *= 128) {
    number += (value[at]! & 0x7f) * scale;
    if (value[at]! < 0x80) break;
  }
  return `${where}${where && "."}#${Math.floor((number % 2 ** 32) / 8)}`;
}

writeNestedObjectsBy((value, out) => {
  const envelope: Envelope = readEnvelope(value);
  const { apiVersion, kind } = envelope;
  const resource = findResource(apiVersion, kind);
  if (!resource) throw new WireError(`kind "${kind}" of "${apiVersion}" is not known`, 0);
  const plan = planOf(resource.message);
  try {
    return writeRoot(plan, envelope, true, out);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw new WireError(
      `${locateField(plan, value, envelope, error.offset) || "object"}: ${error.message}`,
      error.offset,
    );
  }
});
