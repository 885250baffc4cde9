/** kubemend as a library: the walk from a snapshot file to objects and control planes. Everything else is internal and may change. */
export { type BoltFile, readBolt } from "./bolt/bolt.ts";
export { type ByteSource, memorySource } from "./bolt/byte-source.ts";
export { checkBolt } from "./bolt/check.ts";
export { type Rendering, type RenderOptions, renderBootstrap } from "./bootstrap/render.ts";
export { jsonPatch, type PatchOperation } from "./compare/json-patch.ts";
export type { ControlPlane } from "./controlplane/flavours/flavours.ts";
export { type SelectOptions, selectControlPlane } from "./controlplane/select.ts";
export { type ErrorCode, type Finding, type FindingLevel, MendError, type MendErrorDetails } from "./errors/errors.ts";
export { plainText } from "./errors/input.ts";
export type { DecodedValue, JsonObject, JsonValue, KubeObject, StoredValue, Transformer } from "./kube/object.ts";
export type { KeyValue } from "./mvcc/key-value.ts";
export type { StoreInfo } from "./mvcc/store-info.ts";
export { type DiffOptions, type DiffSummary, diffObjects, type ObjectDifference } from "./operations/objects/diff.ts";
export { readSnapshotStats, type SnapshotStats } from "./operations/snapshot/stats.ts";
export { readSnapshotStatus, type SnapshotStatus } from "./operations/snapshot/status.ts";
export { type SnapshotVerification, verifySnapshot } from "./operations/snapshot/verify.ts";
export { loadEncryptionConfig } from "./snapshot/load-encryption-config.ts";
export {
  openSnapshot,
  readStoreInfo,
  type Snapshot,
  type SnapshotOptions,
} from "./snapshot/open-snapshot.ts";
export {
  type KeyRevision,
  type Keyspace,
  type KeyspaceOptions,
  readKeyHistory,
  readKeyspace,
  selectKeys,
} from "./snapshot/read-keyspace.ts";
export { decodeValue } from "./storage/decode.ts";
export { createTransformer } from "./storage/encryption.ts";
export { type EncryptionConfig, parseEncryptionConfig } from "./storage/encryption-config.ts";
export { findEtcdPrefixes } from "./storage/etcd-prefix.ts";
