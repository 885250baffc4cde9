/**
 * How Kubernetes stores objects in etcd: this folder turns the bytes of a value into the JSON that the API server would
 * answer at the stored version, and back. `decode.ts` is its front door; `message-plan.ts` holds what the generated
 * tables say about protobuf messages, `compile-decoder.ts` makes decoders of it, `encode-message.ts` is the other
 * direction, and the small files beside them are the types with a form of their own. The layouts are described in
 * docs/formats/kubernetes-storage.md.
 */

import type { DecodedValue, JsonValue, KubeObject, StorageEncoding, StoredValue, Transformer } from "../kube/object.ts";
import { WireError } from "../protobuf/reader.ts";
import { arrange, isObject, sortKeys, withResourceVersion } from "./arrange.ts";
import { decodeCbor, isCbor } from "./cbor.ts";
import type { FieldChoice } from "./compile-decoder.ts";
import { decodeMessage, writeMessage } from "./decode-message.ts";
import { readEncryptionHeader } from "./encryption.ts";
import { type Envelope, isProtobuf, readEnvelope } from "./envelope.ts";
import { parseJson } from "./json-parse.ts";
import { printJson } from "./json-text.ts";
import { type MessagePlan, planOf } from "./message-plan.ts";
import { findResource } from "./resources.ts";
import { decodeYaml, looksLikeYaml } from "./yaml-parse.ts";

/**
 * Longer values are not decoded: etcd takes requests of 1.5 MiB unless set otherwise, and a few hostile bytes can make an object each.
 */
export const MAX_VALUE_BYTES: number = 16 * 1024 * 1024;

/**
 * The encoding of plain bytes, told by how they begin; undefined for what is no object, such as `compact_rev_key` or an
 * encrypted value.
 */
export function detectEncoding(value: Uint8Array): StorageEncoding | undefined {
  if (isProtobuf(value)) return "protobuf";
  if (isCbor(value)) return "cbor";
  if (value[firstNonSpace(value)] === 0x7b) return "json";
  return looksLikeYaml(value) ? "yaml" : undefined;
}

type NoObject = Exclude<DecodedValue, { readonly state: "object" }>;

/** An object as text. */
export interface ObjectText {
  readonly state: "object";
  readonly encoding: StorageEncoding;
  readonly apiVersion: string;
  readonly kind: string;
  /** JSON on one line, as the API server prints it: in memory that the next call uses again. */
  readonly json: Uint8Array;
  readonly unknownFields: readonly string[];
}

/**
 * The object that a value holds, as the API server would answer it at the version it is stored in. Never throws for anything the bytes say:
 * what cannot be read comes back as `unreadable` with the reason and the place. With `choice`, at least the fields that it names are there.
 */
export function decodeValue(stored: StoredValue, transformer?: Transformer, choice: FieldChoice = true): DecodedValue {
  return openValue(stored, transformer, (encoding, value) => {
    if (encoding !== "protobuf") return decodeText(encoding, value, stored.modRevision);
    const { plan, root } = readRoot(value, stored.modRevision);
    const { object, unknownFields } = decodeMessage(plan, value, root, choice);
    return { state: "object", encoding, object: object as unknown as KubeObject, unknownFields };
  });
}

/** As {@link decodeValue}, as text: several times as fast. */
export function decodeToText(stored: StoredValue, transformer?: Transformer): ObjectText | NoObject {
  return openValue<ObjectText>(stored, transformer, (encoding, value) => {
    if (encoding !== "protobuf") {
      const decoded = decodeText(encoding, value, stored.modRevision);
      if (decoded.state !== "object") return decoded;
      const { object, unknownFields } = decoded;
      const { apiVersion, kind } = object;
      return { state: "object", encoding, apiVersion, kind, json: Buffer.from(printJson(object)), unknownFields };
    }
    const { plan, root } = readRoot(value, stored.modRevision);
    const { json, unknownFields } = writeMessage(plan, value, root);
    return { state: "object", encoding, apiVersion: root.apiVersion, kind: root.kind, json, unknownFields };
  });
}

function openValue<Found extends { readonly state: "object" }>(
  stored: StoredValue,
  transformer: Transformer | undefined,
  decode: (encoding: StorageEncoding, value: Uint8Array) => Found | NoObject,
): Found | NoObject {
  const opened = transformer ? transformer.open(stored) : stored.value;
  if (!(opened instanceof Uint8Array)) return opened;
  const encoding = detectEncoding(opened);
  if (encoding === undefined) return encryptedOrOpaque(opened);
  if (opened.length > MAX_VALUE_BYTES) {
    return {
      state: "unreadable",
      text: `${encoding}: ${opened.length} bytes are more than any object has (${MAX_VALUE_BYTES})`,
    };
  }
  try {
    return decode(encoding, opened);
  } catch (error) {
    return unreadable(encoding, error);
  }
}

/** Throws an {@link UnknownContent} where it is not a message of the tables. */
function readRoot(
  value: Uint8Array,
  modRevision: number,
): { readonly plan: MessagePlan; readonly root: Envelope & { readonly resourceVersion: string } } {
  const envelope = readEnvelope(value);
  const { apiVersion, kind, contentEncoding, contentType } = envelope;
  if (contentEncoding !== "") throw new UnknownContent(`content encoding "${contentEncoding}" is not known`);
  if (contentType !== "" && contentType !== "application/vnd.kubernetes.protobuf")
    throw new UnknownContent(`content type "${contentType}" is not known`);
  const resource = findResource(apiVersion, kind);
  if (!resource)
    throw new UnknownContent(
      `kind "${kind}" of "${apiVersion}" is stored as protobuf, but not a kind that Kubernetes has`,
    );
  const root = { ...envelope, resourceVersion: modRevision > 0 ? String(modRevision) : "" };
  return { plan: planOf(resource.message), root };
}

class UnknownContent extends Error {}

function decodeText(encoding: "json" | "yaml" | "cbor", value: Uint8Array, modRevision: number): DecodedValue {
  const parsed = parseText(encoding, value);
  if (!isObject(parsed)) return { state: "opaque", text: `${encoding} that is not an object` };
  const { apiVersion, kind } = parsed;
  if (typeof apiVersion !== "string" || typeof kind !== "string")
    return { state: "opaque", text: `${encoding} without apiVersion and kind` };
  const resource = findResource(apiVersion, kind);
  const plan = resource && planOf(resource.message);
  // YAML and CBOR have orders of keys of their own; the API server sorts them all before it looks at the object.
  const sorted = encoding === "json" ? parsed : sortKeys(parsed);
  const arranged = plan ? arrange(plan, sorted) : sorted;
  const object =
    modRevision > 0 && isObject(arranged) ? withResourceVersion(arranged, String(modRevision), plan) : arranged;
  return { state: "object", encoding, object: object as unknown as KubeObject, unknownFields: [] };
}

function parseText(encoding: "json" | "yaml" | "cbor", value: Uint8Array): JsonValue {
  if (encoding === "cbor") return decodeCbor(value);
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("utf8");
  return encoding === "json" ? parseJson(text, "int64") : decodeYaml(text);
}

/** What a value is that no encoding explains, where no transformer looked at it before. */
function encryptedOrOpaque(value: Uint8Array): NoObject {
  const header = readEncryptionHeader(value);
  if (!header) return { state: "opaque", text: `not a Kubernetes object (${value.length} bytes)` };
  const { provider, version, keyName } = header;
  return {
    state: "encrypted",
    provider,
    keyName,
    text: `encrypted at rest by ${provider} ${version}, key "${keyName}"`,
  };
}

function unreadable(encoding: StorageEncoding, error: unknown): NoObject {
  if (error instanceof UnknownContent) return { state: "unreadable", text: error.message };
  if (error instanceof WireError)
    return { state: "unreadable", text: `${encoding}: ${error.message} (byte ${error.offset})` };
  // Parsers of text quote what they stumble over, which may be a secret: only the kind of failure is reported.
  if (error instanceof RangeError) return { state: "unreadable", text: `${encoding}: nested too deeply` };
  if (error instanceof SyntaxError) return { state: "unreadable", text: `${encoding}: not well-formed` };
  throw error; // a mistake of ours
}

function firstNonSpace(value: Uint8Array): number {
  let at = 0;
  while (at < value.length && (value[at] === 0x20 || value[at] === 0x0a || value[at] === 0x0d || value[at] === 0x09))
    at++;
  return at;
}
