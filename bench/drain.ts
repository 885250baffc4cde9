/**
 * Draining many nodes of a large cluster at once, beside kubectl: wall time, memory, and what the API server is asked.
 *
 * usage: sudo npm run bench:drain -- [--nodes 200] [--pods 5000] [--drain 20] [--kubectl PROGRAM] [--only kubemend|kubectl]
 * Needs what the end-to-end tests need (docs/testbed.md), and kubemark. Runs what `npm run build` made. A hollow node takes some 40 MB of memory.
 *
 * Both drain the same nodes of one cluster, one after the other; in between the nodes are filled again. Requests go through a proxy that counts them.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readKubeconfig } from "../src/io/api-server/kubeconfig.ts";
import { type ControlPlane, startControlPlane } from "../testbed/control-plane.ts";
import { runForResult } from "../testbed/processes.ts";
import { waitFor } from "../testbed/wait.ts";
import { startCountingProxy } from "./counting-proxy.ts";
import type { Cost } from "./measure.ts";

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "200" },
    pods: { type: "string", default: "5000" },
    drain: { type: "string", default: "20" },
    kubectl: { type: "string" },
    only: { type: "string", default: "" },
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

await using plane = await startControlPlane();
console.error(`starting ${nodeCount} hollow nodes`);
for (let done = 0; done < nodeCount; done += 20) await plane.addHollowNodes(Math.min(20, nodeCount - done), 600);
console.error(`starting ${podCount} pods`);
const DEPLOYMENTS = 20;
for (let i = 0; i < DEPLOYMENTS; i++) await plane.api.apply(deployment(`web-${i}`, Math.ceil(podCount / DEPLOYMENTS)));
await allReady(plane);

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
const names = Array.from({ length: drainCount }, (_, i) => `hollow-${i + 1}`);
const kubectl = values.kubectl ?? plane.kubernetes.program("kubectl");
const tools: readonly (readonly [name: string, command: readonly string[]])[] = [
  ["kubemend", [process.execPath, program, "node", "drain", ...names, "--kubeconfig", kubeconfig]],
  ["kubectl", [kubectl, "drain", ...names, `--kubeconfig=${kubeconfig}`]],
];
console.log(
  `${drainCount} of ${nodeCount} nodes, ${podCount} pods, Kubernetes ${plane.kubernetes.version}\n\n| tool | wall s | CPU s | peak MiB | requests | of these |\n|---|--:|--:|--:|--:|---|`,
);
for (const [name, command] of tools.filter(([name]) => name.includes(values.only))) {
  proxy.take();
  const cost = await costOf(command);
  console.log(`| ${name} | ${typeof cost === "string" ? `${cost} | | | | |` : row(cost, proxy.take())}`);
  await plane.kubectl("uncordon", ...names);
  // The drained nodes are filled again before the next one's turn.
  await plane.kubectl("delete", "pods", "--all", "--wait=false");
  await allReady(plane);
}
proxy.close();
rmSync(scratch, { recursive: true });

function row({ wallSeconds, cpuSeconds, peakMemory }: Cost, counts: ReadonlyMap<string, number>): string {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const most = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 6);
  const parts = most.map(([what, count]) => `${count} ${what}`).join(", ");
  return `${wallSeconds.toFixed(1)} | ${cpuSeconds.toFixed(1)} | ${Math.round(peakMemory)} | ${total} | ${parts} |`;
}

function deployment(name: string, replicas: number): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}, namespace: default}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: web, image: "kubemend.test/web:1", imagePullPolicy: IfNotPresent}]
`;
}

async function allReady(on: ControlPlane): Promise<void> {
  await waitFor(
    "all pods to be ready",
    async () => {
      const deployments = await on.api.list("/apis/apps/v1/namespaces/default/deployments");
      return deployments.every(
        ({ status, spec }) => status.readyReplicas === spec.replicas && status.replicas === spec.replicas,
      );
    },
    { seconds: 1800, everyMilliseconds: 2000 },
  );
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
