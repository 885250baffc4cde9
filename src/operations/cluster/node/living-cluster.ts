/** What a living control-plane node says of its cluster, and does for it: etcd's members, a Node object. */
import type { EtcdSeen } from "../../../cluster/replace-plan.ts";
import { unlessAbsent } from "../../../io/api-server/api-lists.ts";
import type { EtcdFlags } from "../../../io/etcd/etcd-connection.ts";
import { componentManifests } from "../../../io/node/local-components.ts";
import { staticPodDirectory } from "../../../io/node/static-pod-directory.ts";
import { NODES } from "../../../kube/api-paths.ts";
import { isReady } from "../../../kube/conditions.ts";
import { withCluster } from "../../cluster-access/open-cluster.ts";
import { removeMember } from "../../etcd/change-members.ts";
import { checkHealth } from "../../etcd/etcd-health.ts";
import { listMembers } from "../../etcd/etcd-members.ts";
import { missingMember } from "./missing-member.ts";
import { ADMIN_ACCESS, etcdTls } from "./prove.ts";

export interface LivingCluster {
  readonly etcd: EtcdSeen;
  /** Undefined where the API server knows no such node. */
  readonly nodeReady: boolean | undefined;
}

/** Of the lost node `name`, as this one sees its cluster. */
export async function seeCluster(name: string, signal: AbortSignal): Promise<LivingCluster> {
  const etcd = await localEtcd();
  const { members, quorum, answeringVoters } = await checkHealth(etcd, { signal });
  const listed = new Map((await listMembers(etcd, signal)).members.map(({ id, peerUrls }) => [id, peerUrls]));
  const node = await withCluster(ADMIN_ACCESS, { signal }, ({ api }) =>
    unlessAbsent(api.get(`${NODES}/${encodeURIComponent(name)}`, signal)),
  );
  return {
    etcd: {
      members: members.map((member) => ({
        id: member.id,
        name: member.name,
        peerUrls: listed.get(BigInt(`0x${member.id}`)) ?? [],
        answers: member.status !== null,
      })),
      quorum,
      answeringVoters,
    },
    nodeReady: node === undefined ? undefined : isReady(node),
  };
}

export async function removeLost(
  { memberIds, node }: { readonly memberIds: readonly string[]; readonly node: string | null },
  signal: AbortSignal,
): Promise<{ readonly removed: readonly string[]; readonly deleted: string | null }> {
  for (const member of memberIds) await removeMember(await localEtcd(), { member, force: false }, signal);
  if (node !== null) {
    await withCluster(ADMIN_ACCESS, { signal }, ({ api }) =>
      unlessAbsent(api.delete(`${NODES}/${encodeURIComponent(node)}`, {}, signal)),
    );
  }
  return { removed: memberIds, deleted: node };
}

/** This node's etcd, by its static pod. Throws `not-found` and `unsupported` as {@link missingMember} has it. */
export async function localEtcd(): Promise<EtcdFlags> {
  const staticPods = staticPodDirectory();
  const etcd = componentManifests(staticPods).find(({ name }) => name === "etcd");
  const url = etcd?.flags.findLast(({ name }) => name === "advertise-client-urls")?.value?.split(",")[0];
  if (url === undefined) throw await missingMember(staticPods);
  return { endpoints: [url], ...etcdTls(staticPods), timeout: 5000 };
}
