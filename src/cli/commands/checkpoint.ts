/** `kubemend checkpoint …`: the pod checkpointer of a node. One file a subcommand. */
import type { Command } from "commander";
import type { CommandContext } from "../command.ts";
import { checkpointManifestsCommand } from "./checkpoint-manifests.ts";
import { checkpointRunCommand } from "./checkpoint-run.ts";
import { checkpointStatusCommand } from "./checkpoint-status.ts";

/** In the order in which the help lists them. */
const COMMANDS: readonly ((context: CommandContext) => Command)[] = [
  checkpointRunCommand,
  checkpointStatusCommand,
  checkpointManifestsCommand,
];

export function registerCheckpoint(program: Command, context: CommandContext): void {
  const checkpoint = program
    .command("checkpoint")
    .description("keep a node's control plane pods so that they come back without an API server")
    .helpCommand(false);
  for (const make of COMMANDS) checkpoint.addCommand(make(context).copyInheritedSettings(checkpoint));
}
