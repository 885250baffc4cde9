/**
 * Draining many nodes of a large cluster at once, beside kubectl: wall time, memory, and what the API server is asked.
 *
 * usage: sudo npm run bench:drain -- [--nodes 200] [--pods 5000] [--drain 20] [--leaving PODS] [--simulated] [--kubectl
 * PROGRAM] [--only kubemend|kubectl] [--json FILE] Needs what the end-to-end tests need (docs/testbed.md), and kubemark, of
 * which a hollow node takes some 40 MB of memory and, with its pods, a hundredth of a core and more; with `--simulated` the
 * nodes are those of simulated-nodes.ts. `--leaving`: how many of the pods are on the nodes that are drained; unless told,
 * as many as on any others. Runs what `npm run build` made.
 *
 * Both drain the same nodes of one cluster, one after the other, filled again with the same workloads before each turn;
 * what is evicted starts on the other nodes. Requests go through a proxy that counts them.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readKubeconfig } from "../src/io/api-server/kubeconfig.ts";
import { inParallel } from "../src/operations/cluster-access/in-parallel.ts";
import { startControlPlane } from "../testbed/control-plane.ts";
import { cpuSeconds } from "./at-rest.ts";
import { startCountingProxy } from "./counting-proxy.ts";
import { type Cost, measureMeanwhile } from "./measure.ts";
import { recordTable } from "./record.ts";
import { PATIENCE_SECONDS, REQUESTS_PER_SECOND, SIMULATED_SCHEDULER, startSimulatedNodes } from "./simulated-nodes.ts";
import { endWorkloads, startWorkloads } from "./workloads.ts";

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "200" },
    pods: { type: "string", default: "5000" },
    drain: { type: "string", default: "20" },
    leaving: { type: "string" },
    kubectl: { type: "string" },
    only: { type: "string", default: "" },
    simulated: { type: "boolean", default: false },
    json: { type: "string" },
  },
});
const [nodeCount, podCount, drainCount] = [values.nodes, values.pods, values.drain].map(Number) as [
  number,
  number,
  number,
];
const program = join(import.meta.dirname, "../dist/kubemend.js");
if (!existsSync(program)) {
  console.error("error: dist/kubemend.js is missing\nhint: run npm run build");
  process.exit(1);
}

const WORKLOADS = 20;

// A machine at its limit must not have the node controller give nodes up.
await using plane = await startControlPlane({
  nodeMonitorGraceSeconds: PATIENCE_SECONDS,
  requestsPerSecond: REQUESTS_PER_SECOND,
});
const kind = values.simulated ? "simulated" : "hollow";
console.error(`starting ${nodeCount} ${kind} nodes`);
await using simulated = values.simulated ? await startSimulatedNodes(plane, nodeCount, drainCount) : undefined;
const nodes = [...(simulated?.names ?? [])];
while (nodes.length < nodeCount)
  nodes.push(...(await plane.addHollowNodes(Math.min(20, nodeCount - nodes.length), 600)));
const [names, others] = [nodes.slice(0, drainCount), nodes.slice(drainCount)];
const leaving = values.leaving === undefined ? Math.round((podCount * drainCount) / nodeCount) : Number(values.leaving);
console.error(`starting ${podCount - leaving} pods that stay where they are`);
await cordon(names, true);
await startWorkloads(plane, "web", {
  ...{ pods: podCount - leaving, deployments: WORKLOADS },
  ...(values.simulated && { scheduler: SIMULATED_SCHEDULER }),
});

const scratch = mkdtempSync(join(tmpdir(), "kubemend-bench-"));
const proxy = await startCountingProxy(readKubeconfig(plane.kubeconfig));
const kubeconfig = join(scratch, "kubeconfig");
writeFileSync(
  kubeconfig,
  JSON.stringify({
    "current-context": "bench",
    contexts: [{ name: "bench", context: { cluster: "bench", user: "" } }],
    clusters: [{ name: "bench", cluster: { server: proxy.url } }],
  }),
);
const kubectl = values.kubectl ?? plane.kubernetes.program("kubectl");
const tools: readonly (readonly [name: string, command: readonly string[]])[] = [
  ["kubemend", [process.execPath, program, "node", "drain", ...names, "--kubeconfig", kubeconfig]],
  ["kubectl", [kubectl, "drain", ...names, `--kubeconfig=${kubeconfig}`]],
];
const { pid } = plane.bed.processes.get("kube-apiserver")!;
const record = recordTable(["tool", "of the requests", "CPU s", "API server CPU s", "wall s", "peak MiB", "requests"], {
  file: values.json,
  texts: 2,
});
for (const [name, command] of tools.filter(([name]) => name.includes(values.only))) {
  console.error(`filling the nodes that ${name} drains`);
  await cordon(others, true);
  await cordon(names, false);
  await startWorkloads(plane, "leaving", { pods: leaving, deployments: WORKLOADS });
  await cordon(others, false);
  proxy.take();
  const before = cpuSeconds(pid);
  const cost = await measureMeanwhile(command);
  const apiServer = cpuSeconds(pid) - before;
  if (typeof cost === "string") throw new Error(`${name}: ${cost}`);
  record.add(name, ...row(cost, apiServer, proxy.take()));
  await endWorkloads(plane, "leaving", WORKLOADS);
}
const { version } = plane.kubernetes;
record.end(`${drainCount} of ${nodeCount} ${kind} nodes, ${leaving} of ${podCount} pods, Kubernetes ${version}`);
proxy.close();
rmSync(scratch, { recursive: true });

function row(
  { wallSeconds, cpuSeconds: own, peakMemory }: Cost,
  apiServer: number,
  counts: ReadonlyMap<string, number>,
): readonly string[] {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const most = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 6);
  const parts = most.map(([what, count]) => `${count} ${what}`).join(", ");
  const figures = [own, apiServer, wallSeconds].map((figure) => figure.toFixed(1));
  return [parts, ...figures, String(Math.round(peakMemory)), String(total)];
}

async function cordon(which: readonly string[], unschedulable: boolean): Promise<void> {
  await inParallel(which, (name) => plane.api.patch(`/api/v1/nodes/${name}`, { spec: { unschedulable } }));
}
