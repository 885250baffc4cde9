/**
 * Reviews that newer clients post as protobuf. Of each no more is read than its answer depends on. Source:
 * authorization/v1 and authentication/v1 generated.proto.
 */
import { defined } from "../errors/defined.ts";
import type { JsonObject } from "../kube/object.ts";
import { createWireCursor } from "../protobuf/message.ts";
import { BYTES } from "../protobuf/reader.ts";
import { isProtobuf, readEnvelope } from "../storage/envelope.ts";

/** The names of a message's text fields and of the messages within it, by number. */
interface Fields {
  readonly [number: number]: string | { readonly name: string; readonly fields: Fields };
}

const REVIEWS: Readonly<Record<string, Fields>> = {
  SelfSubjectAccessReview: {
    2: {
      name: "spec",
      fields: {
        1: {
          name: "resourceAttributes",
          fields: { 1: "namespace", 2: "verb", 3: "group", 4: "version", 5: "resource", 6: "subresource", 7: "name" },
        },
        2: { name: "nonResourceAttributes", fields: { 1: "path", 2: "verb" } },
      },
    },
  },
  SelfSubjectRulesReview: { 2: { name: "spec", fields: { 1: "namespace" } } },
  SelfSubjectReview: {},
};

/** The review in an envelope, or undefined for anything else. Throws what reading protobuf throws (MendError or WireError). */
export function decodeReview(bytes: Uint8Array): JsonObject | undefined {
  if (!isProtobuf(bytes)) return undefined;
  const { kind, apiVersion, start, end } = readEnvelope(bytes);
  if (!Object.hasOwn(REVIEWS, kind)) return undefined;
  return {
    kind,
    apiVersion,
    metadata: { creationTimestamp: null },
    ...read(bytes.subarray(start, end), defined(REVIEWS[kind])),
  };
}

function read(message: Uint8Array, fields: Fields): JsonObject {
  const cursor = createWireCursor(message, "the review", "object-invalid");
  const result: Record<string, string | JsonObject> = {};
  while (cursor.next()) {
    const field = fields[cursor.field];
    if (field === undefined || cursor.wireType !== BYTES) continue;
    if (typeof field !== "string") result[field.name] = read(cursor.bytes(), field.fields);
    else {
      const text = Buffer.from(cursor.bytes()).toString("utf8");
      if (text !== "") result[field] = text;
    }
  }
  return result;
}
