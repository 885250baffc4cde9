/** One version of one key, as etcd's `mvccpb.KeyValue` holds it (api/mvccpb/kv.proto). */
export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** Field 2: the revision at which the key came into being (again). */
  readonly createRevision: number;
  /** Field 3: the revision of this version: Kubernetes' `resourceVersion`. */
  readonly modRevision: number;
  /** Field 4: 1 at creation, one more with each write. */
  readonly version: number;
  /** Field 6: the lease's id, 0 for none. */
  readonly lease: bigint;
}
