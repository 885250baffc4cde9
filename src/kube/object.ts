/** What a value under the etcd prefix turns out to be. Every source of objects, a file or a live server, ends in these types. */

/** JSON as the API server answers it. An integer beyond 2^53 is a bigint, so that nothing is rounded. */
export type JsonValue = null | boolean | number | bigint | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [field: string]: JsonValue | undefined;
}

/** A Kubernetes object in its stored version, as the API server would answer it at that version. */
export interface KubeObject extends JsonObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

/** The part of `metadata` that kubemend itself looks at; the rest is carried along. */
interface ObjectMeta extends JsonObject {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly creationTimestamp?: string | null;
  readonly deletionTimestamp?: string;
  readonly labels?: { readonly [name: string]: string };
  readonly annotations?: { readonly [name: string]: string };
  readonly ownerReferences?: readonly OwnerReference[];
}

export interface OwnerReference extends JsonObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
}

/** How the bytes of a value are written (`--storage-media-type`, and JSON or CBOR for custom resources). */
export type StorageEncoding = "protobuf" | "json" | "yaml" | "cbor";

/** A value as etcd holds it. */
export interface StoredValue {
  /** The whole etcd key, such as `/registry/pods/default/web`: authenticated data for AES-GCM. */
  readonly key: string;
  readonly value: Uint8Array;
  /** Becomes `metadata.resourceVersion`. */
  readonly modRevision: number;
}

export type DecodedValue =
  | {
      readonly state: "object";
      readonly encoding: StorageEncoding;
      readonly object: KubeObject;
      /** Paths of protobuf fields that the tables do not know, such as `spec.#42`: kept when encoding back, and reported. */
      readonly unknownFields: readonly string[];
    }
  /** Encrypted at rest, and not with a key that was given. */
  | { readonly state: "encrypted"; readonly provider: string; readonly keyName: string; readonly text: string }
  /** Not an object: `compact_rev_key`, or a foreign value under the prefix. */
  | { readonly state: "opaque"; readonly text: string }
  | { readonly state: "unreadable"; readonly text: string };

/**
 * Opens values that the API server encrypted at rest. `open` returns the plain bytes, or says why it cannot;
 * a value that is not encrypted comes back as it is.
 */
export interface Transformer {
  open(stored: StoredValue): Uint8Array | Extract<DecodedValue, { readonly state: "encrypted" | "unreadable" }>;
}
