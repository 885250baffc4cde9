import { Argument, Command, Option } from "commander";
import { MendError } from "../../errors/errors.ts";
import { namespacedName } from "../../kube/names.ts";
import { since } from "../../kubeapi/columns/age.ts";
import { claimsOf } from "../../nodes/evict-guard.ts";
import type { HalfEvicted, NodeEvictionPlan } from "../../operations/evict/evict-node.ts";
import type { CommandContext } from "../command.ts";
import { type ClusterOptions, clusterFlags, clusterOptions } from "../options/shared-options.ts";
import { confirm } from "../terminal/confirm.ts";

const EXAMPLES = `
Examples:
  kubemend node evict worker-3
  kubemend node evict worker-3 --force-delete-pods
  kubemend node evict worker-3 --undo

For a node that does not answer: its pods are replaced elsewhere now, and not when their tolerations end. Pods of StatefulSets, and volumes that are
for one node at a time, stay with the node until it is certain that it runs nothing: then pass --force-delete-pods.
Pods without a controller are left alone unless --force is given: nobody would make them anew.`;

interface Options extends ClusterOptions {
  readonly force?: true;
  readonly forceDeletePods?: true;
  readonly undo?: true;
  readonly yes?: true;
  readonly dryRun?: true;
  readonly output: "text" | "json";
}

export function nodeEvictCommand({ host }: CommandContext): Command {
  return clusterOptions(new Command("evict"))
    .description("move the pods of a node that does not answer, at once")
    .addArgument(new Argument("<node>", "name of the node"))
    .option("--force", "delete pods without a controller too, which nobody makes anew")
    .option("--force-delete-pods", "the machine is certainly off: free names and volumes without its word")
    .option("--undo", "the node is back: take off the taint, and let it take pods again")
    .option("-y, --yes", "do not ask")
    .option("--dry-run", "change nothing: say what would be done")
    .addOption(new Option("-o, --output <format>", "output format").choices(["text", "json"]).default("text"))
    .addHelpText("after", EXAMPLES)
    .action(async (node: string, options: Options) => {
      const { evictNode, undoEviction } = await import("../../operations/evict/evict-node.ts");
      const isJson = options.output === "json";
      const common = {
        cluster: clusterFlags(host, options),
        node,
        signal: host.signal,
        now: host.now,
        tell: (text: string) => void (isJson ? host.stderr : host.stdout).write(`${text}\n`),
      };
      if (options.undo === true) return await undoEviction(common);
      const { plan, done, failed } = await evictNode({
        ...common,
        force: options.forceDeletePods === true,
        removesUnreplicated: options.force === true,
        dryRun: options.dryRun === true,
        confirm: async (plan) => {
          await host.stderr.write(planText(plan, host.now()));
          return confirm(host, options.yes === true, question(plan));
        },
        leftBehind: (state) => void host.stderr.write(halfText(state)),
      });
      if (options.dryRun === true) await host.stderr.write(planText(plan, host.now()));
      if (isJson) {
        const keys = (pods: NodeEvictionPlan["remove"]) => pods.map(namespacedName);
        const { remove, unreplicated, terminating, stay, waitForProof, by, force, state } = plan;
        const lists = {
          remove: keys(remove),
          unreplicated: keys(unreplicated),
          terminating: keys(terminating),
          stay: keys(stay),
          waitForProof: keys(waitForProof),
        };
        await host.stdout.write(`${JSON.stringify({ node: state.name, done, force, by, ...lists })}\n`);
      }
      if (failed.length > 0) {
        const list = failed.map(({ pod, said }) => `${namespacedName(pod)} (${said})`).join(", ");
        throw new MendError("drain-incomplete", `pods that could not be deleted: ${list}`, {
          hint: "see to what is said of them, and run the same command again",
        });
      }
      if (done) await host.stderr.write(afterText(plan));
      else if (options.dryRun !== true) await host.stderr.write("nothing was changed\n");
    });
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
    force ? "taken away at once" : "asked to end, and replaced elsewhere",
    force ? [...replaced, ...terminating] : replaced,
  );
  list(
    removesUnreplicated
      ? "CAUTION: deleted for good, since no controller makes them anew"
      : "left alone, since no controller makes them anew (--force deletes them)",
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

function halfText({ node, told, pods }: HalfEvicted): string {
  return `not finished: node "${node}" is cordoned, and ${told} of ${pods} pods were asked to end
run the same command again to go on, or once the machine is back: kubemend node evict ${node} --undo
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
