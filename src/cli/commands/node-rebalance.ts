import { namespacedName } from "../../kube/names.ts";
import type { NodeLoad } from "../../nodes/rebalance.ts";
import type { Rebalance } from "../../operations/rebalance/rebalance-nodes.ts";
import { jsonLine } from "../json-outputs.ts";
import { CLUSTER_FLAGS, clusterFlags } from "../options/cluster-flags.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { duration, toggle } from "../options/flag.ts";
import { clusterNodes } from "../options/live-values.ts";
import { outputFlag } from "../options/output-flags.ts";
import { loadChart } from "../reports/load-chart.ts";
import { hanging, lineOf } from "../terminal/escape.ts";

export const nodeRebalance = defineCommand({
  name: "rebalance",
  text: "move just enough replicas back to a node that returned",
  args: { nodes: argument("[nodes...]", "nodes to fill; all are evened out unless given", clusterNodes) },
  flags: {
    ...CLUSTER_FLAGS,
    deleteEmptydirData: toggle("--delete-emptydir-data", "also pods with emptyDir volumes, whose data is lost"),
    readyTimeout: duration("--ready-timeout <duration>", "how long one replica may take to become ready", {
      default: "5m",
    }),
    dryRun: toggle("--dry-run", "change nothing: show what would be moved, before and after"),
    output: outputFlag(["text", "json"]),
  },
  examples: [
    "kubemend node rebalance worker-3 --dry-run",
    "kubemend node rebalance worker-3",
    "kubemend node rebalance",
  ],
  notes: `Pods do not move back by themselves to a node that returned. One replica at a time is restarted and, when it is ready,
one is taken away where there are too many: never fewer run than before. Pods of StatefulSets, DaemonSets and Jobs stay,
and so do those that an autoscaler counts.`,
  page: "docs/maintain-nodes.md",
  async run({ nodes }, flags, { host }) {
    const { rebalanceNodes } = await import("../../operations/rebalance/rebalance-nodes.ts");
    const { dryRun } = flags;
    const result = await rebalanceNodes({
      cluster: clusterFlags(host, flags),
      nodes,
      moveEmptyDir: flags.deleteEmptydirData,
      dryRun,
      readyTimeoutMs: flags.readyTimeout,
      signal: host.signal,
      now: host.now,
      report: (text) => void host.stderr.write(`${hanging(text)}\n`),
    });
    await host.stdout.write(
      flags.output === "json" ? jsonLine("node rebalance", asJson(result, dryRun)) : asText(result, dryRun),
    );
    for (const { owner, reason } of result.skipped) await host.stderr.write(lineOf`left alone: ${owner}: ${reason}`);
  },
});

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
