import { MendError } from "../../errors/errors.ts";
import { namespacedName } from "../../kube/names.ts";
import { since } from "../../kubeapi/columns/age.ts";
import { claimsOf } from "../../nodes/evict-guard.ts";
import type { HalfEvicted, NodeEvictionPlan } from "../../operations/evict/evict-node.ts";
import { jsonLine } from "../json-outputs.ts";
import { CLUSTER_FLAGS, clusterFlags } from "../options/cluster-flags.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { toggle } from "../options/flag.ts";
import { clusterNodes } from "../options/live-values.ts";
import { DRY_RUN_FLAG, outputFlag, YES_FLAG } from "../options/output-flags.ts";
import { confirm } from "../terminal/confirm.ts";

export const nodeEvict = defineCommand({
  name: "evict",
  text: "move the pods of a node that does not answer, at once",
  args: { node: argument("<node>", "name of the node", clusterNodes) },
  flags: {
    ...CLUSTER_FLAGS,
    force: toggle("--force", "also delete pods without a controller, which nothing replaces"),
    forceDeletePods: toggle(
      "--force-delete-pods",
      "the machine is certainly off: free the names and volumes of its pods without its confirmation",
    ),
    undo: toggle("--undo", "the node is back: remove the taint, and let it take pods again"),
    yes: YES_FLAG,
    dryRun: DRY_RUN_FLAG,
    output: outputFlag(["text", "json"]),
  },
  examples: [
    "kubemend node evict worker-3",
    "kubemend node evict worker-3 --force-delete-pods",
    "kubemend node evict worker-3 --undo",
  ],
  notes: `For a node that does not answer: its pods are replaced elsewhere now, and not when their tolerations end. Pods of
StatefulSets, and volumes that are for one node at a time, stay with the node until it is certain that it runs nothing:
then pass --force-delete-pods. Pods without a controller are left alone unless --force is given: nothing replaces them.`,
  page: "docs/maintain-nodes.md",
  async run({ node }, flags, { host }) {
    const { evictNode, undoEviction } = await import("../../operations/evict/evict-node.ts");
    const isJson = flags.output === "json";
    const common = {
      cluster: clusterFlags(host, flags),
      node,
      signal: host.signal,
      now: host.now,
      report: (text: string) => void (isJson ? host.stderr : host.stdout).write(`${text}\n`),
    };
    if (flags.undo) return await undoEviction(common);
    const { plan, done, failed } = await evictNode({
      ...common,
      force: flags.forceDeletePods,
      removesUnreplicated: flags.force,
      dryRun: flags.dryRun,
      confirm: async (plan) => {
        await host.stderr.write(planText(plan, host.now()));
        return confirm(host, flags.yes, question(plan));
      },
      leftBehind: (state) => void host.stderr.write(halfText(state)),
    });
    if (flags.dryRun) await host.stderr.write(planText(plan, host.now()));
    if (isJson) await host.stdout.write(jsonLine("node evict", asJson(plan, done)));
    if (failed.length > 0) {
      const list = failed.map(({ pod, message }) => `${namespacedName(pod)} (${message})`).join(", ");
      throw new MendError("drain-incomplete", `pods that could not be deleted: ${list}`, {
        hint: "resolve what is reported of them, and run the same command again",
      });
    }
    if (done) await host.stderr.write(afterText(plan));
    else if (!flags.dryRun) await host.stderr.write("nothing was changed\n");
  },
});

function asJson(plan: NodeEvictionPlan, done: boolean) {
  const keys = (pods: NodeEvictionPlan["remove"]) => pods.map(namespacedName);
  const { remove, unreplicated, terminating, stay, waitForProof, by, force, state } = plan;
  return {
    node: state.name,
    done,
    force,
    by,
    remove: keys(remove),
    unreplicated: keys(unreplicated),
    terminating: keys(terminating),
    stay: keys(stay),
    waitForProof: keys(waitForProof),
  };
}

function question({ state, force }: NodeEvictionPlan): string {
  return force
    ? `Is the machine of "${state.name}" off, or certain never to run these pods again?`
    : `Move the pods of "${state.name}"?`;
}

function planText(plan: NodeEvictionPlan, now: number): string {
  const { state, remove, unreplicated, removesUnreplicated, terminating, waitForProof, stay, force } = plan;
  const sign = state.lastSign === "" ? "" : `, last sign of life ${since(state.lastSign, now)} ago`;
  const lines = [`node "${state.name}" is not ready since ${since(state.since, now)}${sign}: ${state.why}`];
  const list = (text: string, pods: typeof remove) => {
    if (pods.length > 0) lines.push(`${text}:`, ...pods.map((pod) => `  ${namespacedName(pod)}`));
  };
  const replaced = remove.filter((pod) => !unreplicated.includes(pod));
  list(
    force ? "deleted at once" : "asked to end, and replaced elsewhere",
    force ? [...replaced, ...terminating] : replaced,
  );
  list(
    removesUnreplicated
      ? "CAUTION: deleted for good, since no controller replaces them"
      : "left alone, since no controller replaces them (--force deletes them)",
    unreplicated,
  );
  if (!force) list("asked to end already", terminating);
  if (stay.length > 0) lines.push(`left alone: ${stay.length} of DaemonSets, of the machine's files, or finished`);
  if (waitForProof.length > 0) {
    lines.push(
      force
        ? "CAUTION: if the machine still runs, these run twice, with one name and maybe one volume:"
        : "not replaced until the node answers or is out of service (--force-delete-pods), because two may not run:",
      ...waitForProof.map((pod) => `  ${namespacedName(pod)}`),
    );
  }
  return `${lines.join("\n")}\n`;
}

function halfText({ node, asked, pods }: HalfEvicted): string {
  return `not finished: node "${node}" is cordoned, and ${asked} of ${pods} pods were asked to end
run the same command again to continue, or once the machine is back: kubemend node evict ${node} --undo
`;
}

function afterText({ state, force, by, waitForProof }: NodeEvictionPlan): string {
  const back = `when the machine is back: kubemend node evict ${state.name} --undo\n`;
  if (!force) return back;
  const volumes =
    by === "deletion" && waitForProof.some((pod) => claimsOf(pod).length > 0)
      ? "this Kubernetes frees volumes of a lost node only after 6 minutes: pods that need them wait as long\n"
      : "";
  return `${volumes}${back}`;
}
