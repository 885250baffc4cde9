/** `kubemend objects …`: chosen objects of a backup and of a cluster. One file a subcommand. */
import type { Command } from "commander";
import type { CommandContext } from "../command.ts";
import { objectsChangesCommand } from "./objects-changes.ts";
import { objectsDiffCommand } from "./objects-diff.ts";
import { objectsHistoryCommand } from "./objects-history.ts";
import { objectsRestoreCommand } from "./objects-restore.ts";
import { objectsUndoCommand } from "./objects-undo.ts";

export function registerObjects(program: Command, context: CommandContext): void {
  const objects = program
    .command("objects")
    .description("compare chosen objects of a backup, and give them back to a cluster")
    .helpCommand(false);
  for (const make of [
    objectsDiffCommand,
    objectsHistoryCommand,
    objectsChangesCommand,
    objectsRestoreCommand,
    objectsUndoCommand,
  ]) {
    objects.addCommand(make(context).copyInheritedSettings(objects));
  }
}
