/** `kubemend backup …`: a repository of backups, continuous and proved. One file a subcommand. */
import { defineGroup } from "../options/define-command.ts";
import { backupDrill } from "./backup-drill.ts";
import { backupImport } from "./backup-import.ts";
import { backupInit } from "./backup-init.ts";
import { backupList } from "./backup-list.ts";
import { backupNow } from "./backup-now.ts";
import { backupPrune } from "./backup-prune.ts";
import { backupRestore } from "./backup-restore.ts";
import { backupRotate } from "./backup-rotate.ts";
import { backupRun } from "./backup-run.ts";
import { backupStatus } from "./backup-status.ts";
import { backupVerify } from "./backup-verify.ts";

export const backupGroup = defineGroup({
  name: "backup",
  text: "keep etcd in a backup repository, and bring back any moment of it",
  page: "docs/back-up-continuously.md",
  commands: [
    backupInit,
    backupRun,
    backupNow,
    backupList,
    backupStatus,
    backupVerify,
    backupPrune,
    backupRestore,
    backupDrill,
    backupRotate,
    backupImport,
  ],
});
