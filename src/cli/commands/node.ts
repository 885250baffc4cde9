/** `kubemend node …`: nodes taken out of service, brought back, and cleaned up. One file a subcommand. */
import type { Command } from "commander";
import type { CommandContext } from "../command.ts";
import { nodeCleanCommand } from "./node-clean.ts";
import { nodeCordonCommand, nodeUncordonCommand } from "./node-cordon.ts";
import { nodeDrainCommand } from "./node-drain.ts";
import { nodeEvictCommand } from "./node-evict.ts";
import { nodeRebalanceCommand } from "./node-rebalance.ts";
import { nodeStatusCommand } from "./node-status.ts";

/** In the order in which the help lists them. */
const COMMANDS: readonly ((context: CommandContext) => Command)[] = [
  nodeCordonCommand,
  nodeUncordonCommand,
  nodeDrainCommand,
  nodeStatusCommand,
  nodeEvictCommand,
  nodeRebalanceCommand,
  nodeCleanCommand,
];

export function registerNode(program: Command, context: CommandContext): void {
  const node = program
    .command("node")
    .description("maintain nodes: drain them, see which fail, bring pods back, clean up")
    .helpCommand(false);
  for (const make of COMMANDS) node.addCommand(make(context).copyInheritedSettings(node));
}
