/** `etcd members`: who is in a cluster, by the v3 API or the v2 one. */
import { withAnyEndpoint } from "../../io/etcd/etcd-client.ts";
import { type EtcdFlags, prepareEtcdAccess } from "../../io/etcd/etcd-connection.ts";
import type { ClusterMember, ResponseHeader } from "../../io/etcd/etcd-messages.ts";
import { listV2Members, type V2Member } from "../../io/etcd/etcd-v2.ts";

export interface MemberList {
  readonly header: ResponseHeader;
  readonly members: readonly ClusterMember[];
}

export async function listMembers(flags: EtcdFlags, signal?: AbortSignal): Promise<MemberList> {
  return withAnyEndpoint(await prepareEtcdAccess(flags), (client) => client.members(), signal);
}

export async function listMembersV2(flags: EtcdFlags, signal?: AbortSignal): Promise<readonly V2Member[]> {
  return listV2Members(await prepareEtcdAccess(flags), signal);
}
