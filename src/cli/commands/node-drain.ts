import { MendError } from "../../errors/errors.ts";
import type { DryRun } from "../../operations/drain/cordon-nodes.ts";
import type { NodeOutcome } from "../../operations/drain/drain-nodes.ts";
import { jsonLine } from "../json-outputs.ts";
import { CLUSTER_FLAGS, clusterFlags, NODE_SELECTOR_FLAG } from "../options/cluster-flags.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { parseDuration } from "../options/duration.ts";
import { duration, parsed, toggle, wholeNumber, words } from "../options/flag.ts";
import { clusterNodes } from "../options/live-values.ts";
import { NODE_DRY_RUN_FLAG } from "../options/node-flags.ts";
import { outputFlag, PROGRESS_FLAG } from "../options/output-flags.ts";
import { DrainReport } from "../reports/drain-report.ts";

export const nodeDrain = defineCommand({
  name: "drain",
  text: "take nodes out of service: cordon them, and evict their pods inside the disruption budgets",
  args: { names: argument("[nodes...]", "names of nodes", clusterNodes) },
  flags: {
    ...CLUSTER_FLAGS,
    selector: NODE_SELECTOR_FLAG,
    force: toggle("--force", "also pods that declare no controller, and those whose DaemonSet no longer exists"),
    ignoreDaemonsets: toggle("--ignore-daemonsets", "leave the pods of DaemonSets where they are"),
    deleteEmptydirData: toggle("--delete-emptydir-data", "also pods with emptyDir volumes, whose data is lost"),
    deleteLocalData: toggle("--delete-local-data", "the same, as kubectl before 1.20 called it", { hidden: true }),
    gracePeriod: parsed("--grace-period <duration>", "for each pod to end; -1: as the pod says", parseGrace, {
      default: -1,
    }),
    podSelector: words("--pod-selector <selector>", "only pods with these labels"),
    disableEviction: toggle("--disable-eviction", "delete pods, past their disruption budgets"),
    timeout: duration("--timeout <duration>", "how long to wait; 0: as long as it takes", {
      default: "0s",
      least: "0",
    }),
    skipWaitForDeleteTimeout: duration(
      "--skip-wait-for-delete-timeout <duration>",
      "do not wait for pods that have been terminating for longer; 0: wait for all",
      { default: "0s", least: "0" },
    ),
    chunkSize: wholeNumber("--chunk-size <n>", "objects in one answer of a list; 0: all", { default: 500 }),
    dryRun: NODE_DRY_RUN_FLAG,
    waitForReplacements: toggle("--wait-for-replacements", "done only when as many pods are ready elsewhere as left"),
    allowControlPlaneLoss: toggle(
      "--allow-control-plane-loss",
      "drain even the last healthy control-plane node, or a member that etcd's quorum needs",
    ),
    output: outputFlag(["text", "json"]),
    progress: PROGRESS_FLAG,
  },
  examples: [
    "kubemend node drain worker-3 --ignore-daemonsets",
    "kubemend node drain worker-3 worker-4 --ignore-daemonsets --delete-emptydir-data --wait-for-replacements",
    "kubemend node drain -l rack=7 --ignore-daemonsets --timeout=10m --dry-run=server",
  ],
  notes: `The flags, rules and lines are kubectl drain's. When it is interrupted, the node stays cordoned; the same command
continues where it was.`,
  page: "docs/maintain-nodes.md",
  async run({ names }, flags, { host }) {
    const { drainNodes } = await import("../../operations/drain/drain-nodes.ts");
    const { dryRun, progress, output } = flags;
    const report = new DrainReport(host, { dryRun, progress, json: output === "json" });
    let outcomes: NodeOutcome[];
    try {
      outcomes = await drainNodes({
        cluster: clusterFlags(host, flags),
        targets: { names, selector: flags.selector },
        rules: {
          force: flags.force,
          ignoreDaemonSets: flags.ignoreDaemonsets,
          deleteEmptyDirData: flags.deleteEmptydirData || flags.deleteLocalData,
          skipWaitForDeleteSeconds: flags.skipWaitForDeleteTimeout / 1000,
        },
        podSelector: flags.podSelector ?? "",
        gracePeriodSeconds: flags.gracePeriod < 0 ? undefined : Math.ceil(flags.gracePeriod / 1000),
        disableEviction: flags.disableEviction,
        timeoutMs: flags.timeout,
        chunkSize: flags.chunkSize,
        dryRun,
        waitForReplacements: flags.waitForReplacements,
        allowControlPlaneLoss: flags.allowControlPlaneLoss,
        signal: host.signal,
        now: host.now,
        report: report.report,
      });
    } catch (error) {
      report.leftBehind();
      throw error;
    }
    report.end();
    if (output === "json") await host.stdout.write(jsonLine("node drain", { dryRun, nodes: outcomes }));
    const open = outcomes.filter(({ drained }) => !drained).map(({ node }) => node);
    if (open.length === 0) return;
    await host.stderr.write(`There are pending nodes to be drained:\n${open.map((node) => ` ${node}\n`).join("")}`);
    throw incomplete(open, outcomes.length, dryRun);
  },
});

function incomplete(open: readonly string[], all: number, dryRun: DryRun): MendError {
  const names = open.map((node) => `"${node}"`).join(", ");
  const text = all === 1 ? `node ${names} is not drained` : `${open.length} of ${all} nodes are not drained: ${names}`;
  const it = open.length === 1 ? "it stays" : "they stay";
  return new MendError("drain-incomplete", text, {
    hint:
      dryRun === "none"
        ? `${it} cordoned: resolve what is reported above and run the same command again, or kubemend node uncordon ${open.join(" ")}`
        : "nothing was changed: resolve what is reported above",
  });
}

/** A duration, or any negative number, as kubectl has it. */
function parseGrace(text: string): number {
  return /^-\d+$/.test(text) ? -1 : parseDuration(text, "0");
}
