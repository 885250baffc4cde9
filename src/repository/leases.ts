/**
 * Which leases a restored keyspace needs, and how etcd stores them (`leasepb.Lease`: `ID int64 = 1, TTL int64 = 2,
 * RemainingTTL int64 = 3`).
 */

import { createKeyValueFields, leaseOf, locateKeyValue } from "../mvcc/key-value.ts";
import { encodeMessage } from "../protobuf/message.ts";
import type { Change, LeaseGrant } from "./delta.ts";

/** For a lease that had ended before anybody could ask for its TTL, and that keys of this revision are still attached to. Seconds. */
export const SHORT_TTL = 60;

export interface LeaseTracker {
  grants(leases: readonly LeaseGrant[]): void;
  change(change: Change): void;
  /** TTLs of the leases that became known, in seconds, by their ids. */
  finish(): { readonly leases: ReadonlyMap<bigint, number>; readonly guessed: readonly bigint[] };
}

export function createLeaseTracker(): LeaseTracker {
  const known = new Map<bigint, number>();
  const attached = new Map<string, bigint>();
  const fields = createKeyValueFields();
  return {
    grants(leases) {
      for (const { id, ttl } of leases) if (ttl !== undefined) known.set(id, ttl);
    },
    change({ keyValue, deletion }) {
      if (locateKeyValue(keyValue, 0, keyValue.length, fields) !== undefined) return;
      const lease = deletion ? 0n : leaseOf(keyValue, fields);
      if (lease === 0n && attached.size === 0) return;
      const key = Buffer.from(keyValue.buffer, keyValue.byteOffset + fields.keyStart, fields.keyEnd - fields.keyStart);
      if (lease === 0n) attached.delete(key.toString("latin1"));
      else attached.set(key.toString("latin1"), lease);
    },
    finish() {
      const leases = new Map(known);
      const guessed = [...new Set(attached.values())].filter((id) => !known.has(id));
      for (const id of guessed) leases.set(id, SHORT_TTL);
      return { leases, guessed };
    },
  };
}

/** The key and value of a lease in the bucket `lease`. */
export function encodeStoredLease(id: bigint, ttl: number): readonly [Uint8Array, Uint8Array] {
  const key = Buffer.alloc(8);
  key.writeBigUInt64BE(BigInt.asUintN(64, id));
  const value = encodeMessage((writer) => {
    writer.varint(1, id);
    writer.varint(2, ttl);
  });
  return [key, value];
}
