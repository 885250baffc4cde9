/** `kubemend cluster …`: all control-plane nodes in step. One file a subcommand. */
import { defineGroup } from "../options/define-command.ts";
import { clusterApply } from "./cluster-apply.ts";
import { clusterBundle } from "./cluster-bundle.ts";
import { clusterNode } from "./cluster-node.ts";
import { clusterReplaceNode } from "./cluster-replace-node.ts";
import { clusterRestore } from "./cluster-restore.ts";
import { clusterSalvage } from "./cluster-salvage.ts";
import { clusterUndo } from "./cluster-undo.ts";

export const clusterGroup = defineGroup({
  name: "cluster",
  text: "bring all control-plane nodes of a cluster back",
  page: "docs/restore-a-cluster.md",
  commands: [clusterRestore, clusterSalvage, clusterReplaceNode, clusterBundle, clusterApply, clusterUndo, clusterNode],
});
