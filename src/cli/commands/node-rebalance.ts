import { Argument, Command, Option } from "commander";
import { namespacedName } from "../../kube/names.ts";
import type { NodeLoad } from "../../nodes/rebalance.ts";
import type { Rebalance } from "../../operations/rebalance/rebalance-nodes.ts";
import type { CommandContext } from "../command.ts";
import { duration } from "../options/flag.ts";
import { type ClusterOptions, clusterFlags, clusterOptions } from "../options/shared-options.ts";
import { loadChart } from "../reports/load-chart.ts";
import { hanging, lineOf } from "../terminal/escape.ts";

const EXAMPLES = `
Examples:
  kubemend node rebalance worker-3 --dry-run
  kubemend node rebalance worker-3
  kubemend node rebalance

Pods do not move back by themselves to a node that returned. One replica at a time is started anew and, when it is ready, one taken away where there are too
many: never fewer run than before. Pods of StatefulSets, DaemonSets and Jobs stay, and so do those that an autoscaler counts.`;

interface Options extends ClusterOptions {
  readonly deleteEmptydirData?: true;
  readonly readyTimeout: number;
  readonly dryRun?: true;
  readonly output: "text" | "json";
}

export function nodeRebalanceCommand({ host }: CommandContext): Command {
  return clusterOptions(new Command("rebalance"))
    .description("move just enough replicas back to a node that returned")
    .addArgument(new Argument("[nodes...]", "nodes to fill; all are evened out unless given"))
    .option("--delete-emptydir-data", "also pods with emptyDir volumes, whose data is lost")
    .addOption(
      duration("--ready-timeout <duration>", "how long one replica may take to become ready", {
        default: "5m",
      }).option(),
    )
    .option("--dry-run", "change nothing: show what would be moved, before and after")
    .addOption(new Option("-o, --output <format>", "output format").choices(["text", "json"]).default("text"))
    .addHelpText("after", EXAMPLES)
    .action(async (nodes: string[], options: Options) => {
      const { rebalanceNodes } = await import("../../operations/rebalance/rebalance-nodes.ts");
      const isDryRun = options.dryRun === true;
      const result = await rebalanceNodes({
        cluster: clusterFlags(host, options),
        nodes,
        moveEmptyDir: options.deleteEmptydirData === true,
        dryRun: isDryRun,
        readyTimeoutMs: options.readyTimeout,
        signal: host.signal,
        now: host.now,
        tell: (text) => void host.stderr.write(`${hanging(text)}\n`),
      });
      await host.stdout.write(
        options.output === "json" ? `${JSON.stringify(asJson(result, isDryRun))}\n` : asText(result, isDryRun),
      );
      for (const { owner, reason } of result.skipped) await host.stderr.write(lineOf`left alone: ${owner}: ${reason}`);
    });
}

function asJson({ before, after, moves, skipped }: Rebalance, dryRun: boolean) {
  const shown = moves.map(({ pod, from, to, because }) => ({ pod: namespacedName(pod), from, to, because }));
  return { dryRun, before, after, moves: shown, skipped };
}

function asText({ before, after, moves }: Rebalance, dryRun: boolean): string {
  const suffix = dryRun ? " (dry run)" : "";
  const lines = dryRun
    ? moves.map(({ pod, from, to }) => `pod/${pod.metadata.name} of ${from} to ${to}${suffix}\n`)
    : [];
  const pods = (loads: readonly NodeLoad[]) => loadChart(loads);
  const count = `${moves.length} pod${moves.length === 1 ? "" : "s"}`;
  const verdict = moves.length === 0 ? "nothing to move" : `${count} ${dryRun ? "to move" : "moved"}`;
  return `${lines.join("")}before\n${pods(before)}after\n${pods(after)}${verdict}${suffix}\n`;
}
