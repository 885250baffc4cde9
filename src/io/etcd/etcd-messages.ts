/** etcd's v3 messages, as much of them as we use (`etcdserverpb/rpc.proto`). 64-bit ids are bigint. */
import { MendError } from "../../errors/errors.ts";
import { createWireCursor, encodeMessage, type WireCursor } from "../../protobuf/message.ts";

export interface ResponseHeader {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  readonly revision: number;
  readonly raftTerm: number;
}

export interface ClusterMember {
  readonly id: bigint;
  /** Empty for a member that was added and never started. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
}

export interface MemberStatus {
  readonly header: ResponseHeader;
  readonly version: string;
  /** Bytes. */
  readonly dbSize: number;
  readonly dbSizeInUse: number;
  /** 0 for none. */
  readonly leader: bigint;
  readonly raftIndex: number;
  readonly raftTerm: number;
  readonly raftAppliedIndex: number;
  readonly errors: readonly string[];
  readonly isLearner: boolean;
  /** Since etcd 3.6. */
  readonly dbSizeQuota: number | undefined;
}

export interface KeyspaceHash {
  readonly hash: number;
  /** The member's newest, when it hashed. */
  readonly revision: number;
  readonly compactRevision: number;
}

export interface MemberAlarm {
  readonly memberId: bigint;
  readonly type: "NOSPACE" | "CORRUPT" | "UNKNOWN";
}

const NO_HEADER: ResponseHeader = { clusterId: 0n, memberId: 0n, revision: 0, raftTerm: 0 };
const cursor = (message: Uint8Array): WireCursor => createWireCursor(message, "etcd's answer", "etcd-refused");
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

export function decodeHeader(message: Uint8Array): ResponseHeader {
  const fields = cursor(message);
  let { clusterId, memberId, revision, raftTerm } = NO_HEADER;
  while (fields.next()) {
    if (fields.field === 1) clusterId = fields.bigint();
    else if (fields.field === 2) memberId = fields.bigint();
    else if (fields.field === 3) revision = fields.number();
    else if (fields.field === 4) raftTerm = fields.number();
  }
  return { clusterId, memberId, revision, raftTerm };
}

export function decodeMemberList(message: Uint8Array): { header: ResponseHeader; members: ClusterMember[] } {
  const fields = cursor(message);
  let header = NO_HEADER;
  const members: ClusterMember[] = [];
  while (fields.next()) {
    if (fields.field === 1) header = decodeHeader(fields.bytes());
    else if (fields.field === 2) members.push(decodeClusterMember(fields.bytes()));
  }
  requireHeader(header);
  if (members.length === 0) throw new MendError("etcd-refused", "etcd's answer names no member of its cluster");
  return { header, members };
}

/** Every answer of etcd says which member of which cluster gives it: one that does not is somebody else's. */
function requireHeader({ clusterId, memberId }: ResponseHeader): void {
  if (clusterId !== 0n && memberId !== 0n) return;
  throw new MendError("etcd-refused", "etcd's answer does not say which member gives it", {
    hint: "check that etcd listens at the endpoint",
  });
}

/** MemberAddResponse: the header, the new member, and all of them. */
export function decodeAddedMember(message: Uint8Array): {
  header: ResponseHeader;
  member: ClusterMember;
  members: ClusterMember[];
} {
  const fields = cursor(message);
  let header = NO_HEADER;
  let member: ClusterMember = { id: 0n, name: "", peerUrls: [], clientUrls: [], isLearner: false };
  const members: ClusterMember[] = [];
  while (fields.next()) {
    if (fields.field === 1) header = decodeHeader(fields.bytes());
    else if (fields.field === 2) member = decodeClusterMember(fields.bytes());
    else if (fields.field === 3) members.push(decodeClusterMember(fields.bytes()));
  }
  return { header, member, members };
}

function decodeClusterMember(message: Uint8Array): ClusterMember {
  const fields = cursor(message);
  let id = 0n;
  let name = "";
  let isLearner = false;
  const peerUrls: string[] = [];
  const clientUrls: string[] = [];
  while (fields.next()) {
    if (fields.field === 1) id = fields.bigint();
    else if (fields.field === 2) name = text(fields.bytes());
    else if (fields.field === 3) peerUrls.push(text(fields.bytes()));
    else if (fields.field === 4) clientUrls.push(text(fields.bytes()));
    else if (fields.field === 5) isLearner = fields.number() !== 0;
  }
  return { id, name, peerUrls, clientUrls, isLearner };
}

export function decodeStatus(message: Uint8Array): MemberStatus {
  const fields = cursor(message);
  let header = NO_HEADER;
  let version = "";
  let leader = 0n;
  const numbers = new Map<number, number>();
  const errors: string[] = [];
  while (fields.next()) {
    const { field } = fields;
    if (field === 1) header = decodeHeader(fields.bytes());
    else if (field === 2) version = text(fields.bytes());
    else if (field === 4) leader = fields.bigint();
    else if (field === 8) errors.push(text(fields.bytes()));
    else if (field <= 12 && fields.wireType === 0) numbers.set(field, fields.number());
  }
  requireHeader(header);
  const at = (field: number): number => numbers.get(field) ?? 0;
  return {
    header,
    version,
    dbSize: at(3),
    leader,
    raftIndex: at(5),
    raftTerm: at(6),
    raftAppliedIndex: at(7),
    errors,
    dbSizeInUse: at(9),
    isLearner: at(10) !== 0,
    dbSizeQuota: numbers.get(12),
  };
}

/** Asks for the hash of the keyspace at a revision; 0 for the newest. */
export function encodeHashKvRequest(revision: number): Uint8Array {
  return encodeMessage((writer) => writer.varint(1, revision));
}

export function decodeHashKv(message: Uint8Array): KeyspaceHash {
  const fields = cursor(message);
  let header = NO_HEADER;
  let hash = 0;
  let compactRevision = 0;
  while (fields.next()) {
    if (fields.field === 1) header = decodeHeader(fields.bytes());
    else if (fields.field === 2) hash = fields.number();
    else if (fields.field === 3) compactRevision = Number(BigInt.asIntN(64, fields.bigint()));
  }
  requireHeader(header);
  return { hash, revision: header.revision, compactRevision };
}

const ALARMS = ["UNKNOWN", "NOSPACE", "CORRUPT"] as const;

/** etcd 3.4 answers with the alarms alone, and with nothing where there are none: who asks makes sure first that it is etcd. */
export function decodeAlarms(message: Uint8Array): MemberAlarm[] {
  const alarms: MemberAlarm[] = [];
  const fields = cursor(message);
  while (fields.next()) {
    if (fields.field !== 2) continue;
    const inner = cursor(fields.bytes());
    let memberId = 0n;
    let type = 0;
    while (inner.next()) {
      if (inner.field === 1) memberId = inner.bigint();
      else if (inner.field === 2) type = inner.number();
    }
    alarms.push({ memberId, type: ALARMS[type] ?? "UNKNOWN" });
  }
  return alarms;
}

export function encodeAuthenticate(name: string, password: string): Uint8Array {
  return encodeMessage((writer) => {
    writer.string(1, name);
    writer.string(2, password);
  });
}

export function decodeToken(message: Uint8Array): string {
  const fields = cursor(message);
  let token = "";
  while (fields.next()) if (fields.field === 2) token = text(fields.bytes());
  return token;
}

/** One piece of a snapshot, and how many bytes of the database are still to come. */
export function decodeSnapshotPart(message: Uint8Array): { remaining: number; blob: Uint8Array } {
  const fields = cursor(message);
  let remaining = 0;
  let blob: Uint8Array = new Uint8Array(0);
  while (fields.next()) {
    if (fields.field === 2) remaining = fields.number();
    else if (fields.field === 3) blob = fields.bytes();
  }
  return { remaining, blob };
}
