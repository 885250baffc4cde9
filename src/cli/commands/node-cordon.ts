import type { DryRun } from "../../operations/drain/cordon-nodes.ts";
import { jsonLine } from "../json-outputs.ts";
import { CLUSTER_FLAGS, clusterFlags, NODE_SELECTOR_FLAG } from "../options/cluster-flags.ts";
import { argument, defineCommand, type MakeCommand } from "../options/define-command.ts";
import { clusterNodes } from "../options/live-values.ts";
import { NODE_DRY_RUN_FLAG } from "../options/node-flags.ts";
import { outputFlag } from "../options/output-flags.ts";
import { lineOf } from "../terminal/escape.ts";

export const nodeCordon = make("cordon", {
  text: "mark nodes as taking no new pods",
  examples: ["kubemend node cordon worker-3", "kubemend node cordon -l rack=7 --dry-run=server"],
});

export const nodeUncordon = make("uncordon", {
  text: "mark nodes as taking new pods again",
  examples: ["kubemend node uncordon worker-3"],
  notes: "Pods do not move back by themselves: see kubemend node rebalance.",
});

function make(
  name: "cordon" | "uncordon",
  help: { readonly text: string; readonly examples: readonly string[]; readonly notes?: string },
): MakeCommand {
  return defineCommand({
    name,
    ...help,
    args: { names: argument("[nodes...]", "names of nodes", clusterNodes) },
    flags: {
      ...CLUSTER_FLAGS,
      selector: NODE_SELECTOR_FLAG,
      dryRun: NODE_DRY_RUN_FLAG,
      output: outputFlag(["text", "json"]),
    },
    page: "docs/maintain-nodes.md",
    async run({ names }, flags, { host }) {
      const { cordonNodes } = await import("../../operations/drain/cordon-nodes.ts");
      const { selector, dryRun, output } = flags;
      const cordon = name === "cordon";
      await cordonNodes({
        cluster: clusterFlags(host, flags),
        targets: { names, selector },
        cordon,
        dryRun,
        signal: host.signal,
        now: host.now,
        done: ({ node, changed }) =>
          void host.stdout.write(
            output === "json"
              ? jsonLine("node cordon, uncordon (one a line)", { node, cordoned: cordon, changed, dryRun })
              : lineOf`node/${node} ${changed ? "" : "already "}${name}ed${dryRunSuffix(dryRun)}`,
          ),
      });
    },
  });
}

/** What kubectl writes behind a line that did not happen. */
function dryRunSuffix(dryRun: DryRun): string {
  return dryRun === "none" ? "" : dryRun === "server" ? " (server dry run)" : " (dry run)";
}
