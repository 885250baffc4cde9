/** `kubemend objects …`: chosen objects of a backup and of a cluster. One file a subcommand. */
import { defineGroup } from "../options/define-command.ts";
import { objectsChanges } from "./objects-changes.ts";
import { objectsDiff } from "./objects-diff.ts";
import { objectsHistory } from "./objects-history.ts";
import { objectsRestore } from "./objects-restore.ts";
import { objectsUndo } from "./objects-undo.ts";

export const objectsGroup = defineGroup({
  name: "objects",
  text: "compare chosen objects of a backup, and give them back to a cluster",
  page: "docs/give-back-objects.md",
  commands: [objectsDiff, objectsHistory, objectsChanges, objectsRestore, objectsUndo],
});
