/**
 * Draining many nodes of a large cluster at once, beside kubectl: wall time, memory, and what the API server is asked.
 *
 * usage: sudo npm run bench:drain -- [--nodes 200] [--pods 5000] [--drain 20] [--simulated] [--kubectl PROGRAM] [--only
 * kubemend|kubectl] [--json FILE] Needs what the end-to-end tests need (docs/testbed.md), and kubemark, of which a hollow node takes
 * some 40 MB of memory and, with its pods, a hundredth of a core and more; with `--simulated` the nodes are those of
 * simulated-nodes.ts. Runs what `npm run build` made.
 *
 * Both drain the same nodes of one cluster, one after the other, filled again with the same workloads before each turn;
 * what is evicted starts on the other nodes. Requests go through a proxy that counts them.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readKubeconfig } from "../src/io/api-server/kubeconfig.ts";
import { startControlPlane } from "../testbed/control-plane.ts";
import { runForResult } from "../testbed/processes.ts";
import { waitFor } from "../testbed/wait.ts";
import { startCountingProxy } from "./counting-proxy.ts";
import type { Cost } from "./measure.ts";
import { recordTable } from "./record.ts";
import { startSimulatedNodes } from "./simulated-nodes.ts";

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "200" },
    pods: { type: "string", default: "5000" },
    drain: { type: "string", default: "20" },
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
const DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments";
const MINUTES = 60;
/** Of `/proc/PID/stat`, on every architecture that Linux runs Node on. */
const TICKS_PER_SECOND = 100;

// A machine at its limit must not have the node controller give nodes up.
await using plane = await startControlPlane({ nodeMonitorGraceSeconds: 4 * MINUTES });
const kind = values.simulated ? "simulated" : "hollow";
console.error(`starting ${nodeCount} ${kind} nodes`);
await using simulated = values.simulated ? await startSimulatedNodes(plane, nodeCount) : undefined;
const nodes = [...(simulated?.names ?? [])];
while (nodes.length < nodeCount)
  nodes.push(...(await plane.addHollowNodes(Math.min(20, nodeCount - nodes.length), 600)));
const [names, others] = [nodes.slice(0, drainCount), nodes.slice(drainCount)];
const leaving = Math.round((podCount * drainCount) / nodeCount);
console.error(`starting ${podCount - leaving} pods that stay where they are`);
await cordon(names, true);
await startWorkloads("web", podCount - leaving);

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
const record = recordTable(["tool", "of the requests", "wall s", "CPU s", "peak MiB", "API server CPU s", "requests"], {
  file: values.json,
  texts: 2,
});
for (const [name, command] of tools.filter(([name]) => name.includes(values.only))) {
  console.error(`filling the nodes that ${name} drains`);
  await cordon(others, true);
  await cordon(names, false);
  await startWorkloads("leaving", leaving);
  await cordon(others, false);
  proxy.take();
  const before = apiServerCpu();
  const cost = await costOf(command);
  const apiServer = apiServerCpu() - before;
  if (typeof cost === "string") throw new Error(`${name}: ${cost}`);
  record.add(name, ...row(cost, apiServer, proxy.take()));
  for (let i = 0; i < WORKLOADS; i++)
    await plane.api.delete(`${DEPLOYMENTS}/leaving-${i}`, { propagationPolicy: "Background" });
  const left = "/api/v1/namespaces/default/pods?limit=1&labelSelector=group%3Dleaving";
  await waitFor("the evicted pods' successors to go", async () => (await plane.api.list(left)).length === 0, {
    seconds: 60 * MINUTES,
    everyMilliseconds: 2000,
  });
}
const { version } = plane.kubernetes;
record.end(`${drainCount} of ${nodeCount} ${kind} nodes, ${leaving} of ${podCount} pods, Kubernetes ${version}`);
proxy.close();
rmSync(scratch, { recursive: true });

function row(
  { wallSeconds, cpuSeconds, peakMemory }: Cost,
  apiServer: number,
  counts: ReadonlyMap<string, number>,
): readonly string[] {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const most = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 6);
  const parts = most.map(([what, count]) => `${count} ${what}`).join(", ");
  const own = [wallSeconds.toFixed(1), cpuSeconds.toFixed(1), String(Math.round(peakMemory))];
  return [parts, ...own, apiServer.toFixed(1), String(total)];
}

/** So many pods, of some Deployments, once they are all ready. */
async function startWorkloads(group: string, pods: number): Promise<void> {
  for (let i = 0; i < WORKLOADS; i++) {
    const replicas = Math.floor(pods / WORKLOADS) + (i < pods % WORKLOADS ? 1 : 0);
    await plane.api.apply(deployment(`${group}-${i}`, group, replicas));
  }
  await waitFor(
    `${pods} pods to be ready`,
    async () => {
      const deployments = await plane.api.list(DEPLOYMENTS);
      return deployments.every(
        ({ status, spec }) => (status.readyReplicas ?? 0) === spec.replicas && (status.replicas ?? 0) === spec.replicas,
      );
    },
    { seconds: 60 * MINUTES, everyMilliseconds: 2000 },
  );
}

function deployment(name: string, group: string, replicas: number): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}, namespace: default}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}, group: ${group}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: web, image: "kubemend.test/web:1", imagePullPolicy: IfNotPresent}]
`;
}

async function cordon(which: readonly string[], unschedulable: boolean): Promise<void> {
  for (const name of which) await plane.api.patch(`/api/v1/nodes/${name}`, { spec: { unschedulable } });
}

/**
 * Seconds that the API server has computed since it was started: for all of its clients, of which the nodes and
 * controllers are always there.
 */
function apiServerCpu(): number {
  const { pid } = plane.bed.processes.get("kube-apiserver")!;
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const [user, system] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13)
    .map(Number);
  return (user! + system!) / TICKS_PER_SECOND;
}

/** Wall time by our own clock, the rest by GNU time. What it prints is thrown away unless it fails. */
async function costOf(command: readonly string[]): Promise<Cost | string> {
  const report = join(scratch, "time");
  const start = performance.now();
  const { code, stderr } = await runForResult(["/usr/bin/time", "-q", "-o", report, "-f", "%U %S %M", ...command], {
    timeoutSeconds: 3600,
  });
  const wallSeconds = (performance.now() - start) / 1000;
  if (code !== 0) return `exit code ${code}: ${stderr.trim().split("\n").at(-1) ?? ""}`;
  const [user, system, kibibytes] = readFileSync(report, "utf8").trim().split(" ").map(Number);
  return { wallSeconds, cpuSeconds: user! + system!, peakMemory: kibibytes! / 1024 };
}
