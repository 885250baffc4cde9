/**
 * A plan of a restore as a document, for people who go from node to node themselves. Every command is one of kubemend's
 * or of every system.
 */
import { input } from "../errors/input.ts";
import type { PlannedMember, RestorePlan } from "./restore-plan.ts";

const COMPONENTS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/** Markdown. `file` is what the backup is called on the nodes, `manifests` the kubelet's directory of static pods. */
export function runbookOf(plan: RestorePlan, file: string, manifests = "/etc/kubernetes/manifests"): string {
  const { members, backup, without } = plan;
  const nodes = members.map(({ node }) => node).join(", ");
  const kept = `/root/kept-${plan.id}`;
  const names = COMPONENTS.map((name) => `${name}.yaml`).join(",");
  const first = members[0];
  const health = first === undefined ? "" : healthCommand(members, file);
  return [
    `# Restore of ${nodes}: ${plan.id}`,
    "",
    `Backup: revision ${backup.revision}, ${backup.keys} keys, SHA-256 \`${backup.sha256}\`.`,
    "Do each part on **all** nodes before you begin the next. Nothing is deleted: everything can be moved back.",
    ...(without.length === 0 ? [] : [`Left out: ${without.join(", ")}. No etcd may start there.`]),
    "",
    "## 1. Bring the backup and kubemend onto each node",
    "",
    ...fence([`sha256sum ${file}    # ${backup.sha256}`, "kubemend --version"]),
    "## 2. Stop the control plane on each node, also where it works",
    "",
    ...fence([
      `sudo mkdir -m 0700 ${kept}`,
      `sudo mv ${manifests}/{${names}} ${kept}/`,
      `until ! pgrep -x 'etcd|kube-apiserver|kube-controller|kube-scheduler'; do sleep 1; done`,
    ]),
    "Go on only when nothing of these runs on any node: one old member that runs on takes the restored ones " +
      "in, and everything since the backup is back.",
    "",
    "## 3. Restore etcd's data",
    "",
    ...members.flatMap((member) => [
      `On ${member.node} (${member.address}):`,
      "",
      ...fence([restoreCommand(plan, member, file)]),
    ]),
    "## 4. Start etcd on each node, and prove it on one",
    "",
    ...fence([`sudo cp ${kept}/etcd.yaml ${manifests}/`]),
    ...fence([health]),
    "## 5. Start the rest on each node, and prove it on one",
    "",
    ...fence([`sudo cp ${kept}/{${names}} ${manifests}/`]),
    ...fence(["kubemend diagnose"]),
    "## To take it back",
    "",
    "Stop everything as in part 2, move the data directory away and the one that ends in `.before-restore` back, on each node; then the manifests.",
    "",
  ].join("\n");
}

function restoreCommand(plan: RestorePlan, { name, peerUrl, dataDir }: PlannedMember, file: string): string {
  return [
    `sudo kubemend snapshot restore ${file} ${input("replace")} ${input("dataDir")} ${dataDir} ${input("name")} ${name}`,
    `  ${input("initialCluster")} ${plan.initialCluster}`,
    `  ${input("initialClusterToken")} ${plan.token} ${input("initialAdvertisePeerUrls")} ${peerUrl}`,
    `  ${input("bumpRevision")} ${plan.bumpRevision} ${input("markCompacted")}`,
  ].join(" \\\n");
}

function healthCommand(members: readonly PlannedMember[], file: string): string {
  const endpoints = members.flatMap(({ clientUrls }) => clientUrls.slice(0, 1)).join(",");
  const pki = "/etc/kubernetes/pki/etcd";
  return [
    `sudo kubemend etcd health ${input("restoredFrom")} ${file} ${input("endpoints")} ${endpoints}`,
    `  ${input("cacert")} ${pki}/ca.crt ${input("cert")} ${pki}/server.crt ${input("key")} ${pki}/server.key`,
  ].join(" \\\n");
}

function fence(lines: readonly string[]): string[] {
  return ["```sh", ...lines, "```", ""];
}
