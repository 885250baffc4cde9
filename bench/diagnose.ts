/**
 * `kubemend diagnose` on a healthy control plane of processes with hollow nodes and their pods, beside the lists that a
 * person would pipe through jq: CPU time of the tool and of the API server, wall time, memory. KUBEMEND_BENCH_NODES and
 * KUBEMEND_BENCH_PODS say how many there are: 100 and 3,000 unless told. KUBEMEND_BENCH_SIMULATED=1 takes the nodes of
 * simulated-nodes.ts, where a machine has no space for as many kubelets.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startControlPlane } from "../testbed/control-plane.ts";
import { kubernetesOrWhyNot } from "../testbed/requirements.ts";
import { cpuSeconds } from "./at-rest.ts";
import { type Cost, measureMeanwhile } from "./measure.ts";
import { recordTable } from "./record.ts";
import { PATIENCE_SECONDS, REQUESTS_PER_SECOND, SIMULATED_SCHEDULER, startSimulatedNodes } from "./simulated-nodes.ts";
import { spread, spreadText } from "./turns.ts";
import { startWorkloads } from "./workloads.ts";

const NODES = Number(process.env.KUBEMEND_BENCH_NODES ?? 100);
const PODS = Number(process.env.KUBEMEND_BENCH_PODS ?? 3000);
const SIMULATED = process.env.KUBEMEND_BENCH_SIMULATED === "1";
const REPLICAS = 50;

interface Run extends Cost {
  readonly apiServerSeconds: number;
}

/** Prints a table. Runs what `npm run build` made, else the sources. */
export async function benchDiagnose(runs: number, file: string | undefined): Promise<void> {
  const kubernetes = await kubernetesOrWhyNot();
  if (typeof kubernetes === "string") {
    console.error(`diagnose is not measured: ${kubernetes}`);
    return;
  }
  const built = join(import.meta.dirname, "../dist/kubemend.js");
  const program = existsSync(built) ? built : join(import.meta.dirname, "../src/cli/main.ts");
  await using plane = await startControlPlane({
    kubernetes,
    members: SIMULATED ? 1 : 3,
    ...(SIMULATED && { nodeMonitorGraceSeconds: PATIENCE_SECONDS, requestsPerSecond: REQUESTS_PER_SECOND }),
  });
  const kind = SIMULATED ? "simulated" : "hollow";
  console.error(`starting ${NODES} ${kind} nodes, then ${PODS} pods`);
  await using _nodes = SIMULATED ? await startSimulatedNodes(plane, NODES) : undefined;
  if (!SIMULATED) await plane.addHollowNodes(NODES);
  await startWorkloads(plane, "load", {
    ...{ pods: PODS, deployments: Math.ceil(PODS / REPLICAS) },
    ...(SIMULATED && { scheduler: SIMULATED_SCHEDULER }),
  });

  const scratch = mkdtempSync(join(tmpdir(), "kubemend-bench-"));
  const kubeconfig = plane.kubeconfig;
  const kubectl = [kubernetes.program("kubectl"), `--kubeconfig=${kubeconfig}`, "get", "-A", "-o", "json"];
  const ways = Object.entries({
    "kubemend diagnose": [process.execPath, program, "diagnose", "-o", "json", `--kubeconfig=${kubeconfig}`],
    "kubectl get pods,nodes,deployments,replicasets -o json": [...kubectl, "pods,nodes,deployments,replicasets"],
  });
  const found = new Map<string, Run[]>(ways.map(([way]) => [way, []]));
  const { pid } = plane.bed.processes.get("kube-apiserver")!;
  const record = recordTable(["what", "CPU s", "API server CPU s", "wall s", "peak MiB"], { file });
  for (let run = 0; run < runs; run++) {
    for (const [way, command] of ways) {
      const output = join(scratch, "output");
      const before = cpuSeconds(pid);
      const cost = await measureMeanwhile(command, output);
      if (typeof cost === "string")
        throw new Error(`"${way}": ${cost}: ${readFileSync(output, "utf8").slice(0, 2000)}`);
      found.get(way)!.push({ ...cost, apiServerSeconds: cpuSeconds(pid) - before });
      // A probe that ran into its deadline ends early, and says so: such a run is no measurement of the whole.
      const text = way.startsWith("kubemend") ? readFileSync(output, "utf8") : "";
      if (text.includes("no answer within")) throw new Error(`"${way}" did not see everything: ${text.slice(0, 2000)}`);
    }
  }
  rmSync(scratch, { recursive: true });
  for (const [way, each] of found) {
    const column = (of: (run: Run) => number) => spreadText(spread(each.map(of)));
    const peak = Math.max(...each.map(({ peakMemory }) => peakMemory));
    record.add(
      `\`${way}\``,
      column((run) => run.cpuSeconds),
      column((run) => run.apiServerSeconds),
      column((run) => run.wallSeconds),
      String(Math.round(peak)),
    );
  }
  const { version } = kubernetes;
  record.end(
    `A healthy cluster of ${NODES} ${kind} nodes and ${PODS} pods, Kubernetes ${version}, the median of ${runs} runs in turns`,
  );
}
