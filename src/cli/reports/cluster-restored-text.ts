/** What a restore has come to: what was proved, what is left to a person, and how it is taken back. */
import type { ClusterRestored } from "../../operations/cluster/restore-cluster.ts";

export function restoredText({ plan, etcd, controlPlane, seconds }: ClusterRestored): string {
  const leases = Object.entries(controlPlane.leases).map(([name, holder]) => `${name} by ${holder}`);
  const all = [...plan.members, ...(plan.external?.controlPlane ?? [])];
  const nodes = all.map(({ node, address }) => `--node ${node}=${address}`);
  const lines = [
    `restored ${all.map(({ node }) => node).join(", ")} in ${seconds} s`,
    `etcd: ${etcd.members} members with one hash (${etcd.hash}), revision ${etcd.revision}, ${etcd.keys} keys`,
    `leases: ${leases.join(", ")}`,
    `nodes Ready: ${controlPlane.nodesReady.join(", ")}`,
    ...controlPlane.left.map((text) => `left to do: ${text}`),
    `to take it back: kubemend cluster undo ${plan.id} ${nodes.join(" ")}`,
  ];
  return `${lines.join("\n")}\n`;
}
