/** Secrets and config maps as bytes by key: a secret's values are base64, a config map's are text in `data` and base64 in `binaryData`. */

import { objectOf } from "./fields.ts";
import type { JsonValue, KubeObject } from "./object.ts";

/** A secret or a config map as bytes by key. */
export interface DataObject {
  readonly kind: DataKind;
  readonly namespace: string;
  readonly name: string;
  readonly data: ReadonlyMap<string, Uint8Array>;
}

export type DataKind = "Secret" | "ConfigMap";

export function dataKey(kind: DataKind, namespace: string, name: string): string {
  return `${kind} ${namespace}/${name}`;
}

const encoder = new TextEncoder();

/** The object must be a Secret or a ConfigMap. */
export function dataObjectOf(object: KubeObject): DataObject {
  const data = new Map<string, Uint8Array>();
  const isSecret = object.kind === "Secret";
  for (const [key, value] of Object.entries(objectOf(object.data))) {
    const bytes = isSecret ? base64Bytes(value) : textBytes(value);
    if (bytes !== undefined) data.set(key, bytes);
  }
  if (!isSecret) {
    for (const [key, value] of Object.entries(objectOf(object.binaryData))) {
      const bytes = base64Bytes(value);
      if (bytes !== undefined) data.set(key, bytes);
    }
  }
  return {
    kind: isSecret ? "Secret" : "ConfigMap",
    namespace: object.metadata.namespace ?? "",
    name: object.metadata.name,
    data,
  };
}

/** A null value is Go's nil bytes: an empty file. */
function base64Bytes(value: JsonValue | undefined): Uint8Array | undefined {
  if (value === null) return new Uint8Array();
  return typeof value === "string" ? new Uint8Array(Buffer.from(value, "base64")) : undefined;
}

function textBytes(value: JsonValue | undefined): Uint8Array | undefined {
  return typeof value === "string" ? encoder.encode(value) : undefined;
}
