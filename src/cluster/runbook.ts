/**
 * A plan of a restore as a document, for people who go from node to node themselves. Every command is one of kubemend's
 * or of every system; a test runs them as they stand.
 */
import { shellWord } from "../diagnosis/command-line.ts";
import { input } from "../errors/input.ts";
import type { PlannedMember, RestorePlan } from "./restore-plan.ts";

export interface RunbookInput {
  readonly plan: RestorePlan;
  /** What the backup is called on the nodes. */
  readonly file: string;
  /**
   * Of that file; undefined for a moment of a repository, which has to be written to a file first: the command that
   * does so.
   */
  readonly sha256: string | undefined;
  readonly export: string | undefined;
  /** The kubelet's directory of static pods. */
  readonly manifests?: string;
  /**
   * Where etcd is no static pod but a service on hosts of its own: the control-plane nodes, and the files that the API
   * servers reach it with.
   */
  readonly external?: {
    readonly controlPlane: readonly string[];
    readonly cacert: string | undefined;
    readonly cert: string | undefined;
    readonly key: string | undefined;
  };
}

const OTHERS = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"];
const PKI = "/etc/kubernetes/pki/etcd";

/** Markdown. */
export function runbookOf(about: RunbookInput): string {
  const { plan, sha256, external, manifests = "/etc/kubernetes/manifests" } = about;
  const file = shellWord(about.file);
  const { members, backup, without } = plan;
  const kept = `/root/kept-${plan.id}`;
  const names = members.map(({ node }) => node).join(", ");
  const what = external === undefined ? "node" : "etcd host";
  const controlPlaneNodes =
    external === undefined ? `each node` : `each control-plane node (${external.controlPlane.join(", ")})`;
  const isHere = external === undefined ? ["etcd", ...OTHERS] : OTHERS;
  const paths = isHere.map((name) => `${manifests}/${name}.yaml`).join(" ");
  const back = OTHERS.map((name) => `${kept}/${name}.yaml`).join(" ");
  const check =
    sha256 === undefined
      ? `kubemend snapshot verify ${file}`
      : `echo ${shellWord(`${sha256}  ${about.file}`)} | sha256sum -c`;
  return [
    `# Restore of ${names}: ${plan.id}`,
    "",
    `Backup: revision ${backup.revision}, ${backup.keys} keys${sha256 === undefined ? "" : `, SHA-256 \`${sha256}\``}.`,
    `Do each part on **all** ${what}s that it names before you begin the next. Nothing is deleted: ` +
      "everything can be moved back. The commands are for bash.",
    ...(without.length === 0 ? [] : [`Left out: ${without.join(", ")}. No etcd may start there.`]),
    "",
    `## 1. Bring the backup and kubemend onto each ${what}`,
    "",
    ...(about.export === undefined ? [] : ["Where the repository can be reached:", "", ...fence([about.export])]),
    `Copy \`${file}\` and the executable \`kubemend\` to each ${what}, the executable to ` +
      `\`/usr/local/bin\`. Then, in the directory of \`${file}\`:`,
    "",
    ...fence([check, "kubemend --version"]),
    `On ${controlPlaneNodes}: what is missing of certificates and kubeconfigs has to be there before the control plane ` +
      "starts. The second command makes what is lost.",
    "",
    ...fence(["sudo kubemend certificate list || true", "sudo kubemend certificate issue"]),
    `## 2. Stop the control plane on ${controlPlaneNodes}, also where it works`,
    "",
    ...fence([
      `sudo mkdir -p -m 0700 ${kept}`,
      `sudo mv ${paths} ${kept}/`,
      `until ! pgrep -x '${external === undefined ? "etcd|" : ""}kube-apiserver|kube-controller|kube-scheduler'; do sleep 1; done`,
    ]),
    "A manifest that is not there comes from the backup: " +
      `\`kubemend recover ${input("etcdBackupFile")} ${file} ${input("recoveryDir")} recovered\` writes it to ` +
      `\`recovered/nodes/NODE/manifests\`. Put it into \`${kept}\`.`,
    "",
    ...(external === undefined
      ? []
      : [
          `On each etcd host (${names}):`,
          "",
          ...fence(["sudo systemctl stop etcd", "until ! pgrep -x etcd; do sleep 1; done"]),
        ]),
    "Go on only when nothing of these runs on any node: one old member that runs on takes the restored ones " +
      "in, and everything since the backup is back.",
    "",
    "## 3. Restore etcd's data",
    "",
    ...(external === undefined
      ? []
      : [
          "`/var/lib/etcd` is the usual data directory: `systemctl cat etcd` shows another one on its " +
            "command line or in the file with `ETCD_DATA_DIR`.",
          "",
        ]),
    ...members.flatMap((member) => [
      `On ${member.node} (${member.address}), in the directory of \`${file}\`:`,
      "",
      ...fence([restoreCommand(plan, member, file)]),
    ]),
    "## 4. Start etcd on all of them, and prove it on one",
    "",
    ...fence([external === undefined ? `sudo cp -p ${kept}/etcd.yaml ${manifests}/` : "sudo systemctl start etcd"]),
    external === undefined ? "On one node:" : "On one control-plane node, where the backup has to be, too:",
    "",
    ...fence([healthCommand(members, file, external)]),
    "etcd needs up to a minute to start: repeat it while it says that something is not known. It " +
      'has to say "what serves is what was restored".',
    "",
    `## 5. Start the rest on ${controlPlaneNodes}, and prove it on one`,
    "",
    ...fence([`sudo cp -p ${back} ${manifests}/`]),
    "The API server needs up to a few minutes. Then, on one node:",
    "",
    ...fence(["sudo kubemend diagnose"]),
    "## To take it back",
    "",
    "Stop everything as in part 2, move the data directory away and the one that ends in " +
      "`.before-restore` back, on each node; then the manifests. Where API servers have served what was restored, " +
      "restart the kubelet on every node then, and what else watches them: the old revisions are behind what they saw.",
    "",
  ].join("\n");
}

function restoreCommand(plan: RestorePlan, { name, peerUrl, dataDir }: PlannedMember, file: string): string {
  return [
    `sudo kubemend snapshot restore ${file} ${input("replace")} ${input("dataDir")} ${shellWord(dataDir)} ` +
      `${input("name")} ${shellWord(name)}`,
    `  ${input("initialCluster")} ${shellWord(plan.initialCluster)}`,
    `  ${input("initialClusterToken")} ${plan.token} ${input("initialAdvertisePeerUrls")} ${shellWord(peerUrl)}`,
    `  ${input("bumpRevision")} ${plan.bumpRevision} ${input("markCompacted")}`,
  ].join(" \\\n");
}

function healthCommand(members: readonly PlannedMember[], file: string, external: RunbookInput["external"]): string {
  const endpoints = members.flatMap(({ clientUrls }) => clientUrls.slice(0, 1)).join(",");
  const files = external ?? { cacert: `${PKI}/ca.crt`, cert: `${PKI}/server.crt`, key: `${PKI}/server.key` };
  const tls = (["cacert", "cert", "key"] as const).flatMap((name) =>
    files[name] === undefined ? [] : [`${input(name)} ${files[name]}`],
  );
  const lines = [
    `sudo kubemend etcd health ${input("restoredFrom")} ${file} ${input("endpoints")} ${endpoints}`,
    `  ${tls.join(" ")}`,
  ];
  return lines.filter((line) => line.trim() !== "").join(" \\\n");
}

function fence(lines: readonly string[]): string[] {
  return ["```sh", ...lines, "```", ""];
}
