import type { NodesStatus } from "../../operations/node-status/node-status.ts";
import { EXIT } from "../command.ts";
import { jsonLine } from "../json-outputs.ts";
import { CLUSTER_FLAGS, clusterFlags, NODE_SELECTOR_FLAG } from "../options/cluster-flags.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { duration, toggle } from "../options/flag.ts";
import { clusterNodes } from "../options/live-values.ts";
import { outputFlag } from "../options/output-flags.ts";
import { nodeStatusText } from "../reports/node-status-text.ts";
import { lineOf } from "../terminal/escape.ts";

const WATCH_MS = 5000;

export const nodeStatus = defineCommand({
  name: "status",
  text: "each node's condition, and when a failed one's pods will be evicted",
  args: { names: argument("[nodes...]", "names of nodes (default: all)", clusterNodes) },
  flags: {
    ...CLUSTER_FLAGS,
    selector: NODE_SELECTOR_FLAG,
    watch: toggle("-w, --watch", "continue to show what changes, until Ctrl-C"),
    podEvictionTimeout: duration(
      "--pod-eviction-timeout <duration>",
      "of the controller manager, on clusters that evict by it (before 1.13), where its pod cannot be read",
      { least: "0" },
    ),
    output: outputFlag(["text", "json"]),
  },
  examples: ["kubemend node status", "kubemend node status worker-3 --watch", "kubemend node status -o json"],
  notes: `For nodes that are not ready: when each pod will be evicted, and what keeps those that were. Of more than a hundred
nodes, those that are ready and have nothing to remark are counted, and of more than ten that are not ready the pods are
counted: name nodes, or pass -o json, to see each. Exit code 1 where a node is not ready.`,
  page: "docs/maintain-nodes.md",
  async run({ names }, { selector, watch, podEvictionTimeout, output, ...flags }, { host }) {
    const { readNodeStatus, watchNodeStatus } = await import("../../operations/node-status/node-status.ts");
    const request = {
      cluster: clusterFlags(host, flags),
      targets: { names, selector },
      podEvictionTimeoutSeconds: podEvictionTimeout === undefined ? undefined : podEvictionTimeout / 1000,
      signal: host.signal,
      now: host.now,
    };
    const all = names.length > 0 || Boolean(selector);
    const show = async (status: NodesStatus) => {
      const text = output === "json" ? jsonLine("node status", status) : nodeStatusText(status, { all });
      await host.stderr.write(status.warnings.map((warning) => lineOf`warning: ${warning}`).join(""));
      await host.stdout.write(text);
    };
    if (watch) {
      const redraws = host.stdout.isTTY && output === "text";
      let last = "";
      const showChange = async (status: NodesStatus) => {
        // Ages alone are no change, except where somebody looks at them.
        const facts = JSON.stringify({ ...status, at: 0, nodes: status.nodes.map((n) => ({ ...n, lastSign: "" })) });
        if (!redraws && facts === last) return;
        if (redraws) await host.stdout.clearScreen();
        else if (last !== "" && output === "text") await host.stdout.write("\n");
        last = facts;
        await show(status);
      };
      await watchNodeStatus(request, redraws ? 1000 : WATCH_MS, showChange);
      return EXIT.done;
    }
    const status = await readNodeStatus(request);
    await show(status);
    return status.nodes.every(({ ready }) => ready === "True") ? EXIT.done : EXIT.failed;
  },
});
