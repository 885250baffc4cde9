/** Objects back to the bytes that the API server stores: the inverse of `decode.ts`. */
import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import type { DecodedValue, JsonObject, JsonValue, KubeObject, StorageEncoding } from "../kube/object.ts";
import { WireWriter } from "../protobuf/writer.ts";
import { arrange, isObject } from "./arrange.ts";
import { encodeCbor } from "./cbor.ts";
import { decodeValue, detectEncoding } from "./decode.ts";
import { encodeMessage } from "./encode-message.ts";
import { isProtobuf, PROTOBUF_MAGIC, readEnvelope } from "./envelope.ts";
import { printJson } from "./json-text.ts";
import { planOf } from "./message-plan.ts";
import { findResource } from "./resources.ts";
import { StoredMessage } from "./stored-fields.ts";
import { printYaml } from "./yaml-text.ts";

export interface EncodeOptions {
  readonly encoding: StorageEncoding;
  /**
   * The plain bytes (decrypted) that the object was decoded from, changed or not. With them an unchanged object comes
   * back byte for byte, and a changed one keeps the fields that the tables do not know. Without them every field that
   * the newest release knows is written.
   */
  readonly like?: Uint8Array;
}

/**
 * The bytes to store for an object: plain, not encrypted. `metadata.resourceVersion` is left out, as it is the revision
 * itself. Throws a MendError: "kind-unknown" where protobuf is asked for a custom resource, "object-invalid" where a
 * field is unknown or of the wrong type.
 */
export function encodeObject(object: KubeObject, { encoding, like }: EncodeOptions): Uint8Array {
  if (encoding === "protobuf") return encodeProtobuf(object, like);
  const stored = storedForm(object);
  // Spelling that JSON values do not have (-0, escapes of another Go release, YAML's line breaks) is kept where nothing changed.
  if (
    like &&
    detectEncoding(like) === encoding &&
    decodesToSame(decodeValue({ key: "", value: like, modRevision: 0 }), stored)
  )
    return like;
  if (encoding === "cbor") return encodeCbor(stored);
  // Go's json.Encoder ends with a line break.
  return Buffer.from(encoding === "json" ? `${printJson(stored)}\n` : printYaml(stored), "utf8");
}

function decodesToSame(decoded: DecodedValue, stored: JsonObject): boolean {
  return decoded.state === "object" && printJson(storedForm(decoded.object)) === printJson(stored);
}

function encodeProtobuf(object: KubeObject, like: Uint8Array | undefined): Uint8Array {
  const { apiVersion, kind } = object;
  const resource = findResource(apiVersion, kind);
  if (!resource) throw new MendError("kind-unknown", `kind "${kind}" of "${apiVersion}" has no protobuf form`);
  const envelope = like && isProtobuf(like) ? readEnvelope(like) : undefined;
  const origin = envelope && envelope.kind === kind && envelope.apiVersion === apiVersion ? envelope : undefined;
  const message = encodeMessage(
    planOf(resource.message),
    object,
    origin && new StoredMessage(defined(like), origin.start, origin.end),
  );
  const parts = [headOf(apiVersion, kind), lengthOf(message), message, TAIL];
  const value = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    value.set(part, at);
    at += part.length;
  }
  return value;
}

/** Empty content encoding and content type. */
const TAIL = Uint8Array.of(0x1a, 0x00, 0x22, 0x00);
/** What precedes the message's field, by type: there are a few hundred. */
const heads = new Map<string, Uint8Array>();

function headOf(apiVersion: string, kind: string): Uint8Array {
  const name = `${apiVersion} ${kind}`;
  const known = heads.get(name);
  if (known !== undefined) return known;
  const writer = new WireWriter(64);
  text(writer, 2, kind);
  text(writer, 1, apiVersion);
  writer.delimit(1, 0);
  writer.raw(PROTOBUF_MAGIC);
  const head = writer.finish();
  heads.set(name, head);
  return head;
}

/** The tag and length of the field that holds the message. */
function lengthOf(message: Uint8Array): Uint8Array {
  const writer = new WireWriter(8);
  writer.varint(message.length);
  writer.tag(2, 2);
  return writer.finish();
}

function text(writer: WireWriter, number: number, value: string): void {
  const before = writer.size;
  writer.text(value);
  writer.delimit(number, before);
}

/** The object without `metadata.resourceVersion`, in the order in which the API server writes JSON. */
function storedForm(object: KubeObject): JsonObject {
  const resource = findResource(object.apiVersion, object.kind);
  const plain: JsonValue = object as JsonObject;
  const arranged = resource ? arrange(planOf(resource.message), plain) : plain;
  if (!isObject(arranged) || !isObject(arranged.metadata)) return object;
  const { resourceVersion: _revision, ...metadata } = arranged.metadata;
  return { ...arranged, metadata };
}
