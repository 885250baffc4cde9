/**
 * What each command leaves in the audit log, by the words that its lines have under `action`. A command without an entry
 * is one that changes nothing. The page docs/audit-lines.md is made from it, and test/audit-lines.test.ts runs the
 * commands and compares.
 */

export interface AuditLines {
  /** What is changed, for the page. */
  readonly of: string;
  /** The words under `action`; a run has one of them at least, if it changed anything. */
  readonly actions: readonly string[];
}

const files = (of: string, ...more: readonly string[]): AuditLines => ({ of, actions: ["create", "write", ...more] });
const objects = (of: string, ...actions: readonly string[]): AuditLines => ({ of, actions });
const etcd = (method: string, of: string): AuditLines => ({ of, actions: [method] });
const MOVED = "move aside";
const store = (of: string, ...more: readonly string[]): AuditLines => ({ of, actions: ["add objects", ...more] });

/** On the nodes, by kubemend there: a command that leads them has lines of its own where it writes files. */
const NODE_STEPS = ["create", "write", "remove", MOVED, "chown to USER", "stop container", "remove container"];
const SERVICES = ["systemctl stop", "systemctl start", "systemctl restart", "systemctl disable", "systemctl enable"];
const LEADS = "nothing here: what is done on a node is in that node's log, under `cluster node`";
const leads = (): AuditLines => ({ of: LEADS, actions: [] });

export const AUDIT_LINES: Readonly<Record<string, AuditLines>> = {
  "snapshot save": files("the snapshot file, and its folder"),
  "snapshot export": files("the files of the export"),
  "snapshot edit": files("the new snapshot"),
  "snapshot restore": files("the data dir and the WAL dir", MOVED),
  "etcd salvage": files("the data dir", MOVED),
  "support-bundle": files("the bundle"),
  recover: files("the asset dir", MOVED, "remove"),
  render: files("the asset dir", MOVED, "remove"),
  start: files("the kubelet's manifests, and the secrets of the temporary control plane", "remove", "patch"),
  rescue: objects("the rescue pod", "create", "patch", "delete"),
  "backup init": store("the repository, and the files of the new keys", "create", "write", "remove"),
  "backup run": store("the repository, and the files of the spool", "create", "write", "remove", "hide"),
  "backup now": store("the repository"),
  "backup import": store("the repository"),
  "backup verify": store("the repository: a note of when it passed"),
  "backup drill": store("the repository: a note of when it passed"),
  "backup rotate": store("the repository, and the file of the new key", "create", "write", "remove", "hide"),
  "backup prune": store("the repository: each object that is removed has a line", "remove", "hide"),
  "backup restore": files("the data dir, the file, or the files of the node", MOVED, "remove"),
  "objects restore": objects(
    "each object; and the undo file",
    "create",
    "update",
    "patch",
    "delete",
    "write",
    "remove",
  ),
  "objects undo": objects("each object; and the undo file", "create", "update", "patch", "delete", "write", "remove"),
  "etcd member add": etcd("Cluster/MemberAdd", "the members"),
  "etcd member remove": etcd("Cluster/MemberRemove", "the members"),
  "etcd member update": etcd("Cluster/MemberUpdate", "the members"),
  "etcd member promote": etcd("Cluster/MemberPromote", "the members"),
  "etcd move-leader": etcd("Maintenance/MoveLeader", "who leads"),
  "etcd compact": etcd("KV/Compact", "the history"),
  "etcd defrag": etcd("Maintenance/Defragment", "each member that is asked"),
  "etcd alarm disarm": etcd("Maintenance/Alarm", "the alarms"),
  "node cordon": objects("the node", "patch"),
  "node uncordon": objects("the node", "patch"),
  "node drain": objects("the node, and each pod that is evicted or deleted", "patch", "create", "delete", "update"),
  "node evict": objects("the node, its pods and volume attachments", "patch", "create", "delete", "update"),
  "node rebalance": objects("each pod that is moved, and its Deployment for that time", "create", "delete", "patch"),
  "node clean": {
    of: "what is kept, moved or removed, and containers, mounts, services and the kubelet",
    actions: [...NODE_STEPS, "umount", "SIGTERM", "SIGKILL", "start", ...SERVICES],
  },
  "certificate renew": files("certificates, keys and kubeconfigs", MOVED),
  "certificate issue": files("certificates, keys and kubeconfigs", MOVED),
  "checkpoint run": {
    of: "checkpoints, manifests that are put back, containers that are stopped",
    actions: ["create", "write", "remove", MOVED, "stop container", "remove container"],
  },
  "cluster node": {
    of: "on this node: etcd's data, manifests, files, services; each line has its `step` and `operation`",
    actions: [...NODE_STEPS, ...SERVICES, "kubeadm join", "kubeadm token", "start", "METHOD of etcd"],
  },
  "cluster apply": {
    of: "as `cluster node`",
    actions: [...NODE_STEPS, ...SERVICES, "METHOD of etcd"],
  },
  "cluster bundle": files("a file for each node"),
  "cluster restore": leads(),
  "cluster salvage": files("what is gathered from the survivors; the rest is in the nodes' logs", "remove"),
  "cluster replace-node": leads(),
  "cluster undo": leads(),
};

export function auditPage(): string {
  const rows = Object.entries(AUDIT_LINES).map(([command, { of, actions }]) => {
    const words = actions.map((each) => `\`${each}\``).join(", ");
    return `- **\`${command}\`**: ${of}.${words === "" ? "" : `\n  Actions: ${words}.`}`;
  });
  return `# Audit lines of each command

Every command that changes something, what of it is recorded in the [audit log](permissions.md#what-was-changed-by-whom), and the words
under \`action\`. Commands that are not listed change nothing, and leave nothing. A last line of each run says how it ended.
This page is generated from the code; do not edit it.

${rows.flatMap((row) => row.split("\n").flatMap(wrapped)).join("\n")}
`;
}

const MOST = 120;

function wrapped(line: string): readonly string[] {
  const lines: string[] = [];
  let last = "";
  for (const word of line.trimStart().split(" ")) {
    if (last !== "" && last.length + word.length + 1 > MOST) {
      lines.push(last);
      last = `  ${word}`;
    } else last = last === "" ? (line.startsWith(" ") ? `  ${word}` : word) : `${last} ${word}`;
  }
  return [...lines, last];
}
