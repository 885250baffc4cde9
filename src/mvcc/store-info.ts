/**
 * The small buckets of an etcd database, from 3.0 to 3.6 (server/storage/schema): `meta` (consistent_index, term,
 * compaction revisions, confState, storageVersion), `members`, `members_removed`, `cluster`, `lease`, `alarm`, `auth*`.
 * A bucket or a key that a version does not write is undefined or empty.
 */

import type { Entry } from "../bolt/bucket.ts";
import { VARINT, WireError, WireReader } from "../protobuf/reader.ts";
import { decodeRevision, readBigEndian } from "./revision.ts";

export interface StoreInfo {
  /** The raft index of the last entry that was applied. */
  readonly consistentIndex: number | undefined;
  /** The raft term of it; since etcd 3.5. */
  readonly term: number | undefined;
  /** The database's schema; since etcd 3.6. */
  readonly storageVersion: string | undefined;
  /** What the last compaction was asked for, and what was finished. Keys below the higher of the two may be gone. */
  readonly scheduledCompact: number;
  readonly finishedCompact: number;
  readonly clusterVersion: string | undefined;
  readonly members: readonly Member[];
  /** Ids of members that were removed, in hex. */
  readonly removedMembers: readonly string[];
  readonly leases: readonly Lease[];
  readonly alarms: readonly Alarm[];
  readonly auth: { readonly enabled: boolean; readonly users: readonly string[]; readonly roles: readonly string[] };
}

export interface Member {
  /** In hex, without leading zeros, as etcdctl prints it. */
  readonly id: string;
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLearner: boolean;
}

export interface Lease {
  readonly id: bigint;
  /** Seconds, as granted and (with checkpoints) as left. */
  readonly ttl: number;
  readonly remaining: number;
}

export interface Alarm {
  readonly member: string;
  readonly type: "NOSPACE" | "CORRUPT" | string;
}

/** Collects the entries of the small buckets; entries that cannot be read are said by `fault`. */
export function createStoreInfo(fault: (where: string, text: string) => void): {
  add(bucket: string, entry: Entry): void;
  finish(): StoreInfo;
} {
  const text = new TextDecoder();
  const meta = new Map<string, Uint8Array>();
  const members: Member[] = [];
  const removedMembers: string[] = [];
  const leases: Lease[] = [];
  const alarms: Alarm[] = [];
  const users: string[] = [];
  const roles: string[] = [];
  let clusterVersion: string | undefined;
  let authEnabled = false;

  const add = (bucket: string, entry: Entry): void => {
    const key = text.decode(entry.key);
    const where = `page ${entry.page.id} item ${entry.index} · bucket "${bucket}" · ${key}`;
    switch (bucket) {
      case "meta":
        meta.set(key, entry.value.slice());
        break;
      case "members": {
        const member = decodeMember(key, text.decode(entry.value));
        if (member === undefined) fault(where, "the member is not the JSON that etcd writes");
        else members.push(member);
        break;
      }
      case "members_removed":
        removedMembers.push(key);
        break;
      case "cluster":
        if (key === "clusterVersion") clusterVersion = text.decode(entry.value);
        break;
      case "lease": {
        const lease = decodeLease(entry.value);
        if (lease === undefined) fault(where, "the lease cannot be decoded");
        else leases.push(lease);
        break;
      }
      case "alarm": {
        const alarm = decodeAlarm(entry.key);
        if (alarm === undefined) fault(where, "the alarm cannot be decoded");
        else alarms.push(alarm);
        break;
      }
      case "auth":
        if (key === "authEnabled") authEnabled = entry.value[0] === 1;
        break;
      case "authUsers":
        users.push(key);
        break;
      case "authRoles":
        roles.push(key);
        break;
    }
  };

  const finish = (): StoreInfo => ({
    consistentIndex: number64(meta.get("consistent_index")),
    term: number64(meta.get("term")),
    storageVersion: storageVersion(meta.get("storageVersion")),
    scheduledCompact: revision(meta.get("scheduledCompactRev")),
    finishedCompact: revision(meta.get("finishedCompactRev")),
    clusterVersion,
    members,
    removedMembers,
    leases,
    alarms,
    auth: { enabled: authEnabled, users, roles },
  });

  const revision = (bytes: Uint8Array | undefined): number => {
    if (bytes === undefined) return 0;
    const decoded = decodeRevision(bytes);
    if (decoded === undefined) fault('bucket "meta"', "a compaction revision cannot be decoded");
    return decoded?.main ?? 0;
  };
  return { add, finish };
}

/** The buckets that {@link createStoreInfo} reads. */
export const INFO_BUCKETS: readonly string[] = [
  "meta",
  "members",
  "members_removed",
  "cluster",
  "lease",
  "alarm",
  "auth",
  "authUsers",
  "authRoles",
];

function number64(bytes: Uint8Array | undefined): number | undefined {
  if (bytes?.length !== 8) return undefined;
  return readBigEndian(new DataView(bytes.buffer, bytes.byteOffset, 8), 0);
}

function storageVersion(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined || bytes.length === 0) return undefined;
  return new TextDecoder().decode(bytes);
}

/** Members are JSON: `{"id":…,"peerURLs":[…],"name":…,"clientURLs":[…],"isLearner":…}` under their id in hex. */
function decodeMember(id: string, json: string): Member | undefined {
  try {
    const { name, peerURLs, clientURLs, isLearner } = JSON.parse(json) as Record<string, unknown>;
    return {
      id,
      name: typeof name === "string" ? name : "",
      peerURLs: strings(peerURLs),
      clientURLs: strings(clientURLs),
      isLearner: isLearner === true,
    };
  } catch {
    return undefined;
  }
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

/** The varint fields of a small protobuf message, or undefined where it holds anything else. */
function varints(bytes: Uint8Array): Map<number, bigint> | undefined {
  const fields = new Map<number, bigint>();
  const reader = new WireReader(bytes);
  try {
    while (reader.pos < bytes.length) {
      const tag = reader.varint32(bytes.length);
      if ((tag & 7) !== VARINT) return undefined;
      fields.set(tag >>> 3, BigInt(reader.uint64(bytes.length)));
    }
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
  return fields;
}

/** `leasepb.Lease`: `ID int64 = 1, TTL int64 = 2, RemainingTTL int64 = 3`. */
function decodeLease(bytes: Uint8Array): Lease | undefined {
  const fields = varints(bytes);
  const id = fields?.get(1);
  if (fields === undefined || id === undefined) return undefined;
  return { id: BigInt.asIntN(64, id), ttl: Number(fields.get(2) ?? 0n), remaining: Number(fields.get(3) ?? 0n) };
}

const ALARMS = ["NONE", "NOSPACE", "CORRUPT"];

/** `etcdserverpb.AlarmMember`, which is the key: `memberID uint64 = 1, alarm enum = 2`. */
function decodeAlarm(bytes: Uint8Array): Alarm | undefined {
  const fields = varints(bytes);
  const member = fields?.get(1);
  if (fields === undefined || member === undefined) return undefined;
  const type = Number(fields.get(2) ?? 0n);
  return { member: member.toString(16), type: ALARMS[type] ?? String(type) };
}
