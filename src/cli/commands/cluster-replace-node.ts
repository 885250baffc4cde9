import type { ReplacePlan } from "../../cluster/replace-plan.ts";
import { MendError } from "../../errors/errors.ts";
import type { Replaced } from "../../operations/cluster/replace-node.ts";
import { EXIT } from "../command.ts";
import { jsonLine } from "../json-outputs.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { repeated, toggle, words } from "../options/flag.ts";
import { outputFlag, QUIET_FLAG, YES_FLAG } from "../options/output-flags.ts";
import { addresses, REACH_FLAGS, reachOptions } from "../options/reach-flags.ts";
import { showCluster } from "../reports/cluster-progress.ts";
import { confirm } from "../terminal/confirm.ts";

export const clusterReplaceNode = defineCommand({
  name: "replace-node",
  text: "one control-plane node of a living cluster is gone: let a new machine take its place",
  args: { name: argument("<name>", "the lost node, whose name the new machine gets") },
  flags: {
    ...REACH_FLAGS,
    to: words("--to <address>", "the new machine, with the cluster's versions of kubelet and kubeadm", {
      required: true,
    }),
    joinFlag: repeated(
      "--join-flag <flag>",
      "one more flag for kubeadm join, such as --join-flag=--ignore-preflight-errors=Swap",
    ),
    plan: toggle("--plan", "look at all machines, print the plan, and stop"),
    output: outputFlag(["text", "json"]),
    quiet: QUIET_FLAG,
    yes: YES_FLAG,
  },
  examples: ["kubemend cluster replace-node cp3 --to 10.0.0.23 --node cp1=10.0.0.11 --node cp2=10.0.0.12"],
  notes: `Name the living control-plane nodes with --node. The lost member and Node object are removed, kubeadm on a living node
uploads the certificates under a fresh key (they travel encrypted), and kubeadm join runs on the new machine.`,
  page: "docs/restore-a-cluster.md",
  async run({ name }, flags, { host }) {
    const { replaceNode } = await import("../../operations/cluster/replace-node.ts");
    const { reachBySsh } = await import("../../operations/cluster/reach-nodes.ts");
    const living = [...addresses(flags.node)].map(([each, address]) => ({ name: each, address }));
    if (living.length === 0 || living.some((each) => each.name === name)) {
      throw new MendError("usage", "the living control-plane nodes have to be named, without the lost one", {
        hint: "pass --node NAME=ADDRESS for each of them",
      });
    }
    const picture = showCluster(host, flags.quiet, 0);
    let shown: ReplacePlan | undefined;
    await using ways = reachBySsh(reachOptions(host, flags));
    const replaced = await replaceNode({
      living,
      machine: { name, address: flags.to },
      reach: ways.to,
      joinFlags: flags.joinFlag,
      signal: host.signal,
      now: host.now,
      on: picture.on,
      agree: async (plan) => {
        shown = plan;
        if (flags.plan) return false;
        await host.stderr.write(planText(plan));
        return plan.problems.length > 0 || confirm(host, flags.yes, `let ${flags.to} take the place of ${name}?`);
      },
    });
    const isJson = flags.output === "json";
    if (replaced !== undefined) {
      await host.stdout.write(isJson ? jsonLine("cluster replace-node", replaced) : replacedText(replaced));
      return undefined;
    }
    if (flags.plan && shown !== undefined) {
      await host.stdout.write(isJson ? jsonLine("cluster replace-node --plan", shown) : planText(shown));
      return shown.problems.length > 0 ? EXIT.failed : undefined;
    }
    await host.stderr.write("nothing was changed\n");
    return EXIT.failed;
  },
});

function planText({ lead, machine, removeMembers, deleteNode, problems }: ReplacePlan): string {
  const steps = [
    ...removeMembers.map(({ id, name }) =>
      name === ""
        ? `remove etcd member ${id}, which was added for this machine and never started`
        : `remove etcd member ${id} (${name}), which does not answer`,
    ),
    ...(deleteNode ? [`delete the Node object "${machine.name}", which is not Ready`] : []),
    `on ${lead.name}: kubeadm uploads the certificates under a fresh key, and makes a token for an hour`,
    `on ${machine.address}: kubeadm join as control-plane node "${machine.name}"`,
    "prove etcd's members and one hash, leases, nodes and static pods",
  ];
  const lines = [
    ...steps.map((text, index) => `  ${index + 1}. ${text}`),
    ...problems.map((text) => `problem: ${text}`),
  ];
  return `${lines.join("\n")}\n`;
}

function replacedText({ node, etcd, controlPlane, seconds }: Replaced): string {
  const lines = [
    `replaced ${node} in ${seconds} s`,
    `etcd: members ${etcd.members.join(", ")}, revision ${etcd.revision}`,
    `nodes Ready: ${controlPlane.nodesReady.join(", ")}`,
    ...controlPlane.left.map((text) => `left to do: ${text}`),
  ];
  return `${lines.join("\n")}\n`;
}
