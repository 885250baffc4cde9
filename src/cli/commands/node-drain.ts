import { Argument, Command, Option } from "commander";
import { MendError } from "../../errors/errors.ts";
import type { DryRun } from "../../operations/drain/cordon-nodes.ts";
import type { NodeOutcome } from "../../operations/drain/drain-nodes.ts";
import type { CommandContext } from "../command.ts";
import { parseDuration } from "../options/duration.ts";
import { duration, parsed, wholeNumber } from "../options/flag.ts";
import { type ClusterOptions, clusterFlags, clusterOptions } from "../options/shared-options.ts";
import { DrainReport } from "../reports/drain-report.ts";
import type { ProgressMode } from "../terminal/progress.ts";
import { dryRunOption } from "./node-cordon.ts";

const EXAMPLES = `
Examples:
  kubemend node drain worker-3 --ignore-daemonsets
  kubemend node drain worker-3 worker-4 --ignore-daemonsets --delete-emptydir-data --wait-for-replacements
  kubemend node drain -l rack=7 --ignore-daemonsets --timeout=10m --dry-run=server

kubectl drain's flags, rules and lines. Interrupted, the node stays cordoned; the same command goes on where it was.`;

interface Options extends ClusterOptions {
  readonly force?: true;
  readonly ignoreDaemonsets?: true;
  readonly deleteEmptydirData?: true;
  readonly deleteLocalData?: true;
  readonly gracePeriod: number;
  readonly podSelector?: string;
  readonly selector?: string;
  readonly disableEviction?: true;
  readonly timeout: number;
  readonly skipWaitForDeleteTimeout: number;
  readonly chunkSize: number;
  readonly dryRun: DryRun;
  readonly waitForReplacements?: true;
  readonly allowControlPlaneLoss?: true;
  readonly output: "text" | "json";
  readonly progress: ProgressMode;
}

export function nodeDrainCommand({ host }: CommandContext): Command {
  return clusterOptions(new Command("drain"))
    .description("take nodes out of service: cordon them, and evict their pods inside the disruption budgets")
    .addArgument(new Argument("[nodes...]", "names of nodes"))
    .option("-l, --selector <selector>", "nodes by their labels, instead of by name")
    .option("--force", "also pods that declare no controller, and those whose DaemonSet is no more")
    .option("--ignore-daemonsets", "leave the pods of DaemonSets where they are")
    .option("--delete-emptydir-data", "also pods with emptyDir volumes, whose data is lost")
    .addOption(new Option("--delete-local-data", "the same, as kubectl before 1.20 called it").hideHelp())
    .addOption(
      parsed("--grace-period <duration>", "for each pod to end; -1: as the pod says", parseGrace, {
        default: -1,
      }).option(),
    )
    .option("--pod-selector <selector>", "only pods with these labels")
    .option("--disable-eviction", "delete pods, past their disruption budgets")
    .addOption(
      duration("--timeout <duration>", "how long to wait; 0: as long as it takes", {
        default: "0s",
        least: "0",
      }).option(),
    )
    .addOption(
      duration("--skip-wait-for-delete-timeout <duration>", "leave alone what is terminating for longer; 0: nothing", {
        default: "0s",
        least: "0",
      }).option(),
    )
    .addOption(
      wholeNumber("--chunk-size <n>", "objects that a list answers at once; 0: all", { default: 500 }).option(),
    )
    .addOption(dryRunOption())
    .option("--wait-for-replacements", "done only when as many pods are ready elsewhere as have left")
    .option("--allow-control-plane-loss", "drain the last healthy control-plane node, or past etcd's quorum")
    .addOption(new Option("-o, --output <format>", "output format").choices(["text", "json"]).default("text"))
    .addOption(new Option("--progress <mode>", "progress on stderr").choices(["auto", "plain", "none"]).default("auto"))
    .addHelpText("after", EXAMPLES)
    .action(async (names: string[], options: Options) => {
      const { drainNodes } = await import("../../operations/drain/drain-nodes.ts");
      const { dryRun, progress, output } = options;
      const report = new DrainReport(host, { dryRun, progress, json: output === "json" });
      let outcomes: NodeOutcome[];
      try {
        outcomes = await drainNodes({
          cluster: clusterFlags(host, options),
          targets: { names, selector: options.selector },
          rules: {
            force: options.force === true,
            ignoreDaemonSets: options.ignoreDaemonsets === true,
            deleteEmptyDirData: options.deleteEmptydirData === true || options.deleteLocalData === true,
            skipWaitForDeleteSeconds: options.skipWaitForDeleteTimeout / 1000,
          },
          podSelector: options.podSelector ?? "",
          gracePeriodSeconds: options.gracePeriod < 0 ? undefined : Math.ceil(options.gracePeriod / 1000),
          disableEviction: options.disableEviction === true,
          timeoutMs: options.timeout,
          chunkSize: options.chunkSize,
          dryRun,
          waitForReplacements: options.waitForReplacements === true,
          allowControlPlaneLoss: options.allowControlPlaneLoss === true,
          signal: host.signal,
          now: host.now,
          tell: report.tell,
        });
      } catch (error) {
        report.leftBehind();
        throw error;
      }
      report.end();
      if (output === "json") await host.stdout.write(`${JSON.stringify({ dryRun, nodes: outcomes })}\n`);
      const open = outcomes.filter(({ drained }) => !drained).map(({ node }) => node);
      if (open.length === 0) return;
      await host.stderr.write(`There are pending nodes to be drained:\n${open.map((node) => ` ${node}\n`).join("")}`);
      throw incomplete(open, outcomes.length, dryRun);
    });
}

function incomplete(open: readonly string[], all: number, dryRun: DryRun): MendError {
  const names = open.map((node) => `"${node}"`).join(", ");
  const text = all === 1 ? `node ${names} is not drained` : `${open.length} of ${all} nodes are not drained: ${names}`;
  const it = open.length === 1 ? "it stays" : "they stay";
  return new MendError("drain-incomplete", text, {
    hint:
      dryRun === "none"
        ? `${it} cordoned: see to what is said above and run the same command again, or kubemend node uncordon ${open.join(" ")}`
        : "nothing was changed: see to what is said above",
  });
}

/** A duration, or any negative number, as kubectl has it. */
function parseGrace(text: string): number {
  return /^-\d+$/.test(text) ? -1 : parseDuration(text, "0");
}
