/**
 * What changes an etcd cluster or one of its members, over the v3 API (`etcdserverpb/rpc.proto`: Cluster, Maintenance
 * and KV.Compact). The requests are the bare ones: who may ask for what, and in which order, is decided in
 * `cluster/member-guards.ts`.
 */
import { encodeMessage } from "../../protobuf/message.ts";
import type { EtcdClient } from "./etcd-client.ts";
import {
  type ClusterMember,
  decodeAddedMember,
  decodeAlarms,
  decodeMemberList,
  type MemberAlarm,
  type ResponseHeader,
} from "./etcd-messages.ts";

export interface MemberChange {
  readonly header: ResponseHeader;
  /** All members after the change; etcd before 3.2 answers without them. */
  readonly members: readonly ClusterMember[];
}

/** Adds a member that is to be started afterwards. A learner needs etcd 3.4. */
export async function addMember(
  client: EtcdClient,
  peerUrls: readonly string[],
  isLearner: boolean,
): Promise<MemberChange & { readonly member: ClusterMember }> {
  const request = encodeMessage((writer) => {
    for (const url of peerUrls) writer.string(1, url);
    if (isLearner) writer.varint(2, 1);
  });
  return decodeAddedMember(await client.call("Cluster/MemberAdd", request));
}

export async function removeMember(client: EtcdClient, id: bigint): Promise<MemberChange> {
  return decodeMemberList(await client.call("Cluster/MemberRemove", withId(id)));
}

export async function updateMember(client: EtcdClient, id: bigint, peerUrls: readonly string[]): Promise<MemberChange> {
  const request = encodeMessage((writer) => {
    writer.varint(1, id);
    for (const url of peerUrls) writer.string(2, url);
  });
  return decodeMemberList(await client.call("Cluster/MemberUpdate", request));
}

/** Makes a voter of a learner. etcd refuses while the learner lags behind its leader. */
export async function promoteMember(client: EtcdClient, id: bigint): Promise<MemberChange> {
  return decodeMemberList(await client.call("Cluster/MemberPromote", withId(id)));
}

/** The client must be connected to the leader. */
export async function moveLeader(client: EtcdClient, target: bigint): Promise<void> {
  await client.call("Maintenance/MoveLeader", withId(target));
}

/** Forgets revisions before `revision`. `physical`: answers when they are off the disk. */
export async function compact(client: EtcdClient, revision: number, physical: boolean): Promise<void> {
  const request = encodeMessage((writer) => {
    writer.varint(1, revision);
    if (physical) writer.varint(2, 1);
  });
  await client.call("KV/Compact", request);
}

/** The member answers nothing else until it is done. `timeout` in milliseconds. */
export async function defragment(client: EtcdClient, timeout: number): Promise<void> {
  await client.call("Maintenance/Defragment", new Uint8Array(0), timeout);
}

const DEACTIVATE = 2;
const ALARM_NUMBERS = { UNKNOWN: 0, NOSPACE: 1, CORRUPT: 2 } as const;

/** Ends an alarm of one member. Returns those that ended. */
export async function disarm(client: EtcdClient, alarm: MemberAlarm): Promise<readonly MemberAlarm[]> {
  const request = encodeMessage((writer) => {
    writer.varint(1, DEACTIVATE);
    writer.varint(2, alarm.memberId);
    writer.varint(3, ALARM_NUMBERS[alarm.type]);
  });
  return decodeAlarms(await client.call("Maintenance/Alarm", request));
}

function withId(id: bigint): Uint8Array {
  return encodeMessage((writer) => writer.varint(1, id));
}
