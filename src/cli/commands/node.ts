/** `kubemend node …`: nodes taken out of service, brought back, and cleaned up. One file a subcommand. */
import { defineGroup } from "../options/define-command.ts";
import { nodeClean } from "./node-clean.ts";
import { nodeCordon, nodeUncordon } from "./node-cordon.ts";
import { nodeDrain } from "./node-drain.ts";
import { nodeEvict } from "./node-evict.ts";
import { nodeRebalance } from "./node-rebalance.ts";
import { nodeStatus } from "./node-status.ts";

export const nodeGroup = defineGroup({
  name: "node",
  text: "maintain nodes: drain them, see which fail, bring pods back, clean up",
  page: "docs/maintain-nodes.md",
  commands: [nodeCordon, nodeUncordon, nodeDrain, nodeStatus, nodeEvict, nodeRebalance, nodeClean],
});
