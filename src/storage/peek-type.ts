/** Names a stored object's type without decoding it, for whoever needs no more. For protobuf in bulk, see `peek-kind.ts`. */

import { defined } from "../errors/defined.ts";
import type { JsonValue, StorageEncoding } from "../kube/object.ts";
import { WireError } from "../protobuf/reader.ts";
import { decodeCbor } from "./cbor.ts";
import { detectEncoding } from "./decode.ts";
import { readEnvelope } from "./envelope.ts";
import { parseJson } from "./json-parse.ts";

export interface StoredType {
  readonly encoding: StorageEncoding;
  readonly apiVersion: string;
  readonly kind: string;
}

/** How the API server begins JSON: a built-in kind with `kind`, a custom resource with `apiVersion`. */
const JSON_START = /^\s*\{"(kind|apiVersion)":"([^"\\]*)","(kind|apiVersion)":"([^"\\]*)"/;

/** The type of plain bytes, or undefined where they are encrypted, no object, or too damaged to tell. */
export function peekType(value: Uint8Array): StoredType | undefined {
  const encoding = detectEncoding(value);
  if (encoding === undefined) return undefined;
  try {
    if (encoding === "protobuf") {
      const { apiVersion, kind } = readEnvelope(value);
      return { encoding, apiVersion, kind };
    }
    if (encoding === "yaml") return yamlType(Buffer.from(value).toString("utf8"));
    if (encoding === "cbor") return typeOf(encoding, decodeCbor(value));
    const start = JSON_START.exec(Buffer.from(value.subarray(0, 600)).toString("latin1"));
    if (!start || start[1] === start[3]) return typeOf(encoding, parseJson(Buffer.from(value).toString("utf8")));
    const [first, second] = [defined(start[2]), defined(start[4])];
    return start[1] === "kind"
      ? { encoding, apiVersion: second, kind: first }
      : { encoding, apiVersion: first, kind: second };
  } catch (error) {
    if (error instanceof WireError || error instanceof SyntaxError || error instanceof RangeError) return undefined;
    throw error;
  }
}

function yamlType(text: string): StoredType | undefined {
  const apiVersion = /^apiVersion: ["']?([^\s"']+)/m.exec(text)?.[1];
  const kind = /^kind: ["']?([^\s"']+)/m.exec(text)?.[1];
  return apiVersion && kind ? { encoding: "yaml", apiVersion, kind } : undefined;
}

function typeOf(encoding: StorageEncoding, value: JsonValue): StoredType | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { apiVersion, kind } = value as { readonly [field: string]: JsonValue };
  return typeof apiVersion === "string" && typeof kind === "string" ? { encoding, apiVersion, kind } : undefined;
}
