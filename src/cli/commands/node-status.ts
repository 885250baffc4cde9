import { Argument, Command, Option } from "commander";
import type { NodesStatus } from "../../operations/node-status/node-status.ts";
import { type CommandContext, EXIT } from "../command.ts";
import { duration } from "../options/flag.ts";
import { type ClusterOptions, clusterFlags, clusterOptions } from "../options/shared-options.ts";
import { nodeStatusText } from "../reports/node-status-text.ts";
import { lineOf } from "../terminal/escape.ts";

const EXAMPLES = `
Examples:
  kubemend node status
  kubemend node status worker-3 --watch
  kubemend node status -o json

For nodes that are not ready: when each pod will be evicted, and what keeps those that were. Exit code 1 where a node is not ready.`;

const WATCH_MS = 5000;

interface Options extends ClusterOptions {
  readonly selector?: string;
  readonly watch?: true;
  readonly podEvictionTimeout?: number;
  readonly output: "text" | "json";
}

export function nodeStatusCommand({ host, exit }: CommandContext): Command {
  return clusterOptions(new Command("status"))
    .description("each node's condition, and when a failed one's pods will be evicted")
    .addArgument(new Argument("[nodes...]", "names of nodes; all unless given"))
    .option("-l, --selector <selector>", "nodes by their labels, instead of by name")
    .option("-w, --watch", "go on showing what changes, until Ctrl-C")
    .addOption(
      duration(
        "--pod-eviction-timeout <duration>",
        "of the controller manager, on clusters that evict by it (before 1.13), where its pod is not to be seen",
        { least: "0" },
      ).option(),
    )
    .addOption(new Option("-o, --output <format>", "output format").choices(["text", "json"]).default("text"))
    .addHelpText("after", EXAMPLES)
    .action(async (names: string[], options: Options) => {
      const { readNodeStatus, watchNodeStatus } = await import("../../operations/node-status/node-status.ts");
      const request = {
        cluster: clusterFlags(host, options),
        targets: { names, selector: options.selector },
        podEvictionTimeoutSeconds:
          options.podEvictionTimeout === undefined ? undefined : options.podEvictionTimeout / 1000,
        signal: host.signal,
        now: host.now,
      };
      const show = async (status: NodesStatus) => {
        const text = options.output === "json" ? `${JSON.stringify(status)}\n` : nodeStatusText(status);
        await host.stderr.write(status.warnings.map((warning) => lineOf`warning: ${warning}`).join(""));
        await host.stdout.write(text);
      };
      if (options.watch === true) {
        const redraws = host.stdout.isTTY && options.output === "text";
        let last = "";
        const showChange = async (status: NodesStatus) => {
          // Ages alone are no change, except where somebody looks at them.
          const facts = JSON.stringify({ ...status, at: 0, nodes: status.nodes.map((n) => ({ ...n, lastSign: "" })) });
          if (!redraws && facts === last) return;
          if (redraws) await host.stdout.clearScreen();
          else if (last !== "" && options.output === "text") await host.stdout.write("\n");
          last = facts;
          await show(status);
        };
        return await watchNodeStatus(request, redraws ? 1000 : WATCH_MS, showChange);
      }
      const status = await readNodeStatus(request);
      await show(status);
      if (status.nodes.some(({ ready }) => ready !== "True")) exit(EXIT.failed);
    });
}
