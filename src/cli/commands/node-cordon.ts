import { Argument, Command, Option } from "commander";
import type { DryRun } from "../../operations/drain/cordon-nodes.ts";
import type { CommandContext } from "../command.ts";
import { type ClusterOptions, clusterFlags, clusterOptions } from "../options/shared-options.ts";

interface Options extends ClusterOptions {
  readonly selector?: string;
  readonly dryRun: DryRun;
  readonly output: "text" | "json";
}

export function nodeCordonCommand(context: CommandContext): Command {
  return command(context, "cordon", true)
    .description("mark nodes as taking no new pods")
    .addHelpText(
      "after",
      "\nExamples:\n  kubemend node cordon worker-3\n  kubemend node cordon -l rack=7 --dry-run=server",
    );
}

export function nodeUncordonCommand(context: CommandContext): Command {
  return command(context, "uncordon", false)
    .description("mark nodes as taking new pods again")
    .addHelpText(
      "after",
      "\nExamples:\n  kubemend node uncordon worker-3\n\nPods do not move back by themselves: see kubemend node rebalance.",
    );
}

function command({ host }: CommandContext, name: string, cordon: boolean): Command {
  return clusterOptions(new Command(name))
    .addArgument(new Argument("[nodes...]", "names of nodes"))
    .option("-l, --selector <selector>", "nodes by their labels, instead of by name")
    .addOption(dryRunOption())
    .addOption(new Option("-o, --output <format>", "output format").choices(["text", "json"]).default("text"))
    .action(async (names: string[], options: Options) => {
      const { cordonNodes } = await import("../../operations/drain/cordon-nodes.ts");
      const { selector, dryRun, output } = options;
      await cordonNodes({
        cluster: clusterFlags(host, options),
        targets: { names, selector },
        cordon,
        dryRun,
        signal: host.signal,
        now: host.now,
        done: ({ node, changed }) =>
          void host.stdout.write(
            output === "json"
              ? `${JSON.stringify({ node, cordoned: cordon, changed, dryRun })}\n`
              : `node/${node} ${changed ? "" : "already "}${name}ed${dryRunSuffix(dryRun)}\n`,
          ),
      });
    });
}

/** `--dry-run`, `--dry-run=client|server`, as kubectl has it. */
export function dryRunOption(): Option {
  return new Option("--dry-run [mode]", "change nothing: say what would be done, or have the API server check it")
    .choices(["none", "client", "server"])
    .preset("client")
    .default("none");
}

/** What kubectl writes behind a line that did not happen. */
export function dryRunSuffix(dryRun: DryRun): string {
  return dryRun === "none" ? "" : dryRun === "server" ? " (server dry run)" : " (dry run)";
}
