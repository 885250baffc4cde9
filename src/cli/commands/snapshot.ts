/** `kubemend snapshot …`: a snapshot file, offline. One file a subcommand. */
import type { Command } from "commander";
import type { CommandContext } from "../command.ts";
import { snapshotExportCommand } from "./snapshot-export.ts";
import { snapshotGetCommand } from "./snapshot-get.ts";
import { snapshotKeysCommand } from "./snapshot-keys.ts";
import { snapshotRestoreCommand } from "./snapshot-restore.ts";
import { snapshotSaveCommand } from "./snapshot-save.ts";
import { snapshotStatsCommand } from "./snapshot-stats.ts";
import { snapshotStatusCommand } from "./snapshot-status.ts";
import { snapshotVerifyCommand } from "./snapshot-verify.ts";

export function registerSnapshot(program: Command, context: CommandContext): void {
  const snapshot = program
    .command("snapshot")
    .description("look into an etcd snapshot, with no etcd and no cluster running")
    .helpCommand(false);
  for (const make of [
    snapshotStatusCommand,
    snapshotVerifyCommand,
    snapshotKeysCommand,
    snapshotGetCommand,
    snapshotExportCommand,
    snapshotStatsCommand,
    snapshotRestoreCommand,
    snapshotSaveCommand,
  ]) {
    snapshot.addCommand(make(context).copyInheritedSettings(snapshot));
  }
}
