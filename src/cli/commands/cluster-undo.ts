import { MendError } from "../../errors/errors.ts";
import { EXIT } from "../command.ts";
import { jsonLine } from "../json-outputs.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { outputFlag, QUIET_FLAG, YES_FLAG } from "../options/output-flags.ts";
import { addresses, REACH_FLAGS, reachOptions } from "../options/reach-flags.ts";
import { showCluster } from "../reports/cluster-progress.ts";
import { confirm } from "../terminal/confirm.ts";

/** What no operation on the control plane's nodes can set right: whoever watches is everywhere. */
const STALE =
  "etcd is back at revisions before those that clients have seen, and tells them nothing new until it has passed these: " +
  "restart the kubelet on every node, and what else watches the API server (kube-proxy, the network, operators)";

export const clusterUndo = defineCommand({
  name: "undo",
  text: "bring every node back to what it was before an operation",
  args: { operation: argument("<operation>", "as the restore printed it, such as restore-20261129-104217-3f9c2a") },
  flags: { ...REACH_FLAGS, output: outputFlag(["text", "json"]), quiet: QUIET_FLAG, yes: YES_FLAG },
  examples: [
    "kubemend cluster undo restore-20261129-104217-3f9c2a --node cp1=10.0.0.11 --node cp2=10.0.0.12 --node cp3=10.0.0.13",
  ],
  notes:
    "What was restored stays beside the old data. Writes since the restore are in it, and no longer in the cluster.",
  page: "docs/restore-a-cluster.md",
  async run({ operation }, flags, { host }) {
    const { undoCluster } = await import("../../operations/cluster/undo-cluster.ts");
    const { reachBySsh } = await import("../../operations/cluster/reach-nodes.ts");
    const targets = [...addresses(flags.node)].map(([name, address]) => ({ name, address }));
    if (targets.length === 0) {
      throw new MendError("usage", "no node is given", {
        hint: "pass --node NAME=ADDRESS for each node of the operation",
      });
    }
    const names = targets.map(({ name }) => name).join(", ");
    if (!(await confirm(host, flags.yes, `take back ${operation} on ${names}?`))) return EXIT.failed;
    const picture = showCluster(host, flags.quiet, 2);
    await using ways = reachBySsh(reachOptions(host, flags));
    const undone = await undoCluster(operation, {
      targets,
      reach: ways.to,
      signal: host.signal,
      on: picture.on,
    });
    const text = `${undone.nodes.join(", ")}: as before ${operation}\n`;
    await host.stdout.write(flags.output === "json" ? jsonLine("cluster undo", { operation, ...undone }) : text);
    if (undone.wasServed) await host.stderr.write(`note: ${STALE}\n`);
    return undefined;
  },
});
