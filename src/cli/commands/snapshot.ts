/** `kubemend snapshot …`: a snapshot file, offline. One file a subcommand. */
import { defineGroup } from "../options/define-command.ts";
import { snapshotDescribe } from "./snapshot-describe.ts";
import { snapshotEdit } from "./snapshot-edit.ts";
import { snapshotExport } from "./snapshot-export.ts";
import { snapshotGet } from "./snapshot-get.ts";
import { snapshotKeys } from "./snapshot-keys.ts";
import { snapshotRestore } from "./snapshot-restore.ts";
import { snapshotSave } from "./snapshot-save.ts";
import { snapshotStats } from "./snapshot-stats.ts";
import { snapshotStatus } from "./snapshot-status.ts";
import { snapshotVerify } from "./snapshot-verify.ts";

export const snapshotGroup = defineGroup({
  name: "snapshot",
  text: "look into an etcd snapshot, with no etcd and no cluster running",
  page: "docs/read-a-snapshot.md",
  commands: [
    snapshotStatus,
    snapshotVerify,
    snapshotKeys,
    snapshotGet,
    snapshotDescribe,
    snapshotExport,
    snapshotStats,
    snapshotEdit,
    snapshotRestore,
    snapshotSave,
  ],
});
