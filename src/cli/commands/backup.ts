/** `kubemend backup …`: a repository of backups, continuous and proved. One file a subcommand. */
import type { Command } from "commander";
import type { CommandContext } from "../command.ts";
import { backupInitCommand } from "./backup-init.ts";
import { backupListCommand } from "./backup-list.ts";
import { backupNowCommand } from "./backup-now.ts";
import { backupRestoreCommand } from "./backup-restore.ts";
import { backupVerifyCommand } from "./backup-verify.ts";

export function registerBackup(program: Command, context: CommandContext): void {
  const backup = program
    .command("backup")
    .description("keep etcd in a backup repository, and bring back any moment of it")
    .helpCommand(false);
  for (const make of [
    backupInitCommand,
    backupNowCommand,
    backupListCommand,
    backupVerifyCommand,
    backupRestoreCommand,
  ]) {
    backup.addCommand(make(context).copyInheritedSettings(backup));
  }
}
