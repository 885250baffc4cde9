/** A plan of a restore as text: what happens on which node, from where missing files come, and what speaks against it. */
import { controlPlaneOf, type PlanCheck, type RestorePlan } from "../../cluster/restore-plan.ts";
import { byteText } from "../terminal/byte-text.ts";

export function planText(plan: RestorePlan, { problems, warnings }: PlanCheck): string {
  const { backup, members } = plan;
  const lines = [
    `operation ${plan.id}`,
    `backup    ${backup.path}: revision ${backup.revision}, ${backup.keys} keys, ${byteText(backup.size)}`,
    `token     ${plan.token}`,
    `revision  raised by ${plan.bumpRevision}, so that no client waits for the past`,
    "",
    ...members.map(({ node, address, peerUrl, dataDir }) => `  ${node}  ${address}  ${peerUrl}  ${dataDir}`),
    ...(plan.external === undefined
      ? []
      : [
          "etcd is a service of these hosts; the control plane:",
          ...plan.external.controlPlane.map(({ node, address }) => `  ${node}  ${address}`),
        ]),
    "",
    "on all nodes, each step when all have done the one before:",
    "  1. carry the backup there, and compare its SHA-256",
    "  2. stop etcd, API server, controller manager and scheduler; their manifests are kept",
    "  3. move the old data aside, and restore with the token above",
    "  4. put the files there that are missing, and make the certificates that are",
    "  5. start etcd; prove the members, one hash, the revision and the number of keys",
    "  6. start the rest; prove leases, nodes and static pods",
    ...filesText(plan),
    ...warnings.map((text) => `warning: ${text}`),
    ...problems.map((text) => `problem: ${text}`),
  ];
  return `${lines.join("\n")}\n`;
}

/** Of one node, which knows its peers only by the plan. */
export function ownPlanText(plan: RestorePlan, { problems, warnings }: PlanCheck, node: string): string {
  const { backup, members, files } = plan;
  const peers = members.filter((each) => each.node !== node).map((each) => each.node);
  const steps = [
    "stop etcd, API server, controller manager and scheduler; their manifests are kept",
    "move the old data aside, and restore with a token of its own",
    "put the files there that are missing, and make the certificates that are",
    ...(peers.length === 0 ? [] : [`wait until ${peers.join(", ")} have come this far: apply their bundles there`]),
    "start etcd; prove the members, one hash, the revision and the number of keys",
    "start the rest; prove leases, nodes and static pods",
  ];
  const lines = [
    `operation ${plan.id} on node ${node}`,
    `backup    revision ${backup.revision}, ${backup.keys} keys, ${byteText(backup.size)}`,
    `members   ${plan.initialCluster}`,
    "",
    ...steps.map((step, at) => `  ${at + 1}. ${step}`),
    ...filesText({ ...plan, files: { [node]: files[node] ?? [] } }),
    ...warnings.map((text) => `warning: ${text}`),
    ...problems.map((text) => `problem: ${text}`),
  ];
  return `${lines.join("\n")}\n`;
}

const ORIGIN_TEXT = {
  repository: "as the backup agent stored it",
  "kubeadm-certs": "from secret kubeadm-certs",
  backup: "from the backup's config maps",
  authority: "recreated",
} as const;

function filesText({ files, ...plan }: Pick<RestorePlan, "files" | "members" | "external">): string[] {
  const lines = controlPlaneOf(plan).flatMap(({ node }) =>
    (files[node] ?? []).map((file) => {
      const origin = file.from === "node" ? `from node ${file.node}` : ORIGIN_TEXT[file.from];
      return `  ${node}  ${file.path}: ${origin}`;
    }),
  );
  return lines.length === 0 ? [] : ["", "files that are missing:", ...lines];
}
