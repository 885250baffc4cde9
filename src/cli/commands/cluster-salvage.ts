import type { SalvageOfNodes } from "../../cluster/salvage-plan.ts";
import { MendError } from "../../errors/errors.ts";
import type { ClusterSalvaged } from "../../operations/cluster/salvage-cluster.ts";
import type { SalvageResult } from "../../operations/etcd/salvage.ts";
import { EXIT } from "../command.ts";
import { jsonLine } from "../json-outputs.ts";
import { defineCommand } from "../options/define-command.ts";
import { commaList, path, toggle } from "../options/flag.ts";
import { outputFlag, PROGRESS_FLAG, QUIET_FLAG, snapshotOptions, YES_FLAG } from "../options/output-flags.ts";
import { addresses, REACH_FLAGS, reachOptions } from "../options/reach-flags.ts";
import { showCluster } from "../reports/cluster-progress.ts";
import { findingsText } from "../reports/findings-text.ts";
import { confirm } from "../terminal/confirm.ts";

export const clusterSalvage = defineCommand({
  name: "salvage",
  text: "etcd's quorum is lost: bring the cluster back from what the surviving control-plane nodes have",
  flags: {
    ...REACH_FLAGS,
    withoutData: commaList(
      "--without-data <names>",
      "nodes whose etcd started over on an empty disk: they join the others without what it has",
    ),
    plan: toggle("--plan", "ask the nodes, print the plan, and stop"),
    workDir: path(
      "--work-dir <directory>",
      "where the survivors' data is gathered; it needs space for all of it twice",
    ),
    output: outputFlag(["text", "json"]),
    progress: PROGRESS_FLAG,
    quiet: QUIET_FLAG,
    yes: YES_FLAG,
  },
  examples: [
    "kubemend cluster salvage --node cp2=10.0.0.12 --node cp3=10.0.0.13 --plan",
    "kubemend cluster salvage --node cp2=10.0.0.12 --node cp3=10.0.0.13 --ssh ubuntu@",
    "kubemend cluster salvage --node cp1=10.0.0.11 --node cp2=10.0.0.12 --without-data cp1",
  ],
  notes: `Name every node whose disk survives. The newest state that any of them holds is brought back, with the log of another where that
goes further; one node begins, the others join it as learners and are promoted. Old data is moved aside, never deleted.`,
  page: "docs/restore-a-cluster.md",
  async run(_, flags, { host }) {
    const { salvageCluster } = await import("../../operations/cluster/salvage-cluster.ts");
    const { reachBySsh } = await import("../../operations/cluster/reach-nodes.ts");
    const targets = [...addresses(flags.node)].map(([name, address]) => ({ name, address }));
    if (targets.length === 0) {
      throw new MendError("usage", "no node is given", {
        hint: "pass --node NAME=ADDRESS for each node whose disk survives",
      });
    }
    const { line, ...common } = snapshotOptions(host, flags);
    const isJson = flags.output === "json";
    const picture = showCluster(host, flags.quiet);
    let shown: SalvageOfNodes | undefined;
    await using ways = reachBySsh(reachOptions(host, flags));
    const salvaged = await salvageCluster({
      ...common,
      targets,
      withoutData: flags.withoutData,
      ...(flags.workDir === undefined ? {} : { workDirectory: flags.workDir }),
      reach: ways.to,
      signal: host.signal,
      now: host.now,
      on: picture.on,
      agree: async (plan) => {
        shown = plan;
        if (flags.plan) return false;
        await host.stderr.write(planText(plan));
        if (plan.problems.length > 0) return true; // refused with all of them
        return confirm(
          host,
          flags.yes,
          `stop the control plane on ${targets.map(({ name }) => name).join(", ")}, and salvage?`,
        );
      },
      accept: async (result) => {
        await line.end();
        picture.pause();
        await host.stderr.write(salvageText(result));
        return result.isComplete || confirm(host, flags.yes, "continue with what there is?");
      },
    });
    await line.end();
    if (salvaged !== undefined) {
      await host.stdout.write(isJson ? jsonLine("cluster salvage", salvaged) : salvagedText(salvaged));
      return undefined;
    }
    if (flags.plan && shown !== undefined) {
      await host.stdout.write(isJson ? jsonLine("cluster salvage --plan", shown) : planText(shown));
      return shown.problems.length > 0 ? EXIT.failed : undefined;
    }
    const undo = shown === undefined ? "" : `: kubemend cluster undo ${shown.id} starts what was stopped`;
    await host.stderr.write(`nothing was salvaged${undo}\n`);
    return EXIT.failed;
  },
});

function planText({ id, nodes, problems }: SalvageOfNodes): string {
  const lines = [
    `operation ${id}`,
    ...nodes.map(({ name, address, peerUrl, dataDir, hasData }) => {
      return `  ${name}  ${address}  ${peerUrl}  ${dataDir}${hasData ? "" : " (empty)"}`;
    }),
    "",
    "  1. stop the control plane on all of them",
    "  2. gather their data here, and join it to the newest state that any of them holds",
    "  3. start one member with it; the others join it as learners, and are promoted",
    "  4. start the rest; prove members, leases, nodes and static pods",
    ...problems.map((text) => `problem: ${text}`),
  ];
  return `${lines.join("\n")}\n`;
}

function salvageText(result: SalvageResult): string {
  const lines = [
    `newest: ${result.reason}`,
    `last entry ${result.lastIndex} of term ${result.lastTerm}; ${completeness(result)}`,
  ];
  return `${lines.join("\n")}\n${String(findingsText(result.findings))}`;
}

function completeness({ isComplete, findings }: SalvageResult): string {
  if (!isComplete) return "committed entries are missing";
  const isKnown = findings.every(({ code }) => code !== "survivors-too-few");
  return isKnown
    ? "nothing that was committed is missing"
    : "nothing is known to be missing, but too few members are left to be sure";
}

function salvagedText({ id, etcd, controlPlane, seconds }: ClusterSalvaged): string {
  const leases = Object.entries(controlPlane.leases).map(([name, holder]) => `${name} by ${holder}`);
  const lines = [
    `salvaged in ${seconds} s`,
    `etcd: members ${etcd.members.join(", ")}, revision ${etcd.revision}`,
    `leases: ${leases.join(", ")}`,
    `nodes Ready: ${controlPlane.nodesReady.join(", ")}`,
    ...controlPlane.left.map((text) => `left to do: ${text}`),
    `to take it back: kubemend cluster undo ${id}`,
  ];
  return `${lines.join("\n")}\n`;
}
