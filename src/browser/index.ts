/**
 * browser: the part of the library that needs no file, socket, thread or process, as one file for browsers
 * (`dist/browser.js`, `import … from "kubemend/browser"`): docs/library.md. Node has all of it in `kubemend`.
 */
export { type BoltFile, readBolt } from "../bolt/bolt.ts";
export { type ByteSource, memorySource } from "../bolt/byte-source.ts";
export { jsonPatch, type PatchOperation } from "../compare/json-patch.ts";
export { type ErrorCode, type Finding, MendError } from "../errors/errors.ts";
export { plainText } from "../errors/input.ts";
export type { DecodedValue, JsonObject, JsonValue, KubeObject, StoredValue } from "../kube/object.ts";
export type { KeyValue } from "../mvcc/key-value.ts";
export { decodeValue } from "../storage/decode.ts";
export { findEtcdPrefixes } from "../storage/etcd-prefix.ts";
export { type ReadOptions, readSnapshot, type SnapshotInMemory } from "./read-snapshot.ts";
