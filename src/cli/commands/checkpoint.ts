/** `kubemend checkpoint …`: the pod checkpointer of a node. One file a subcommand. */
import { defineGroup } from "../options/define-command.ts";
import { checkpointManifests } from "./checkpoint-manifests.ts";
import { checkpointRun } from "./checkpoint-run.ts";
import { checkpointStatus } from "./checkpoint-status.ts";

export const checkpointGroup = defineGroup({
  name: "checkpoint",
  text: "keep a node's control plane pods so that they come back without an API server",
  page: "docs/keep-a-node-recoverable.md",
  commands: [checkpointRun, checkpointStatus, checkpointManifests],
});
