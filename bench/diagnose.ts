/**
 * `kubemend diagnose` on a healthy control plane of processes with hollow nodes and their pods, beside the lists that a
 * person would pipe through jq. KUBEMEND_BENCH_NODES and KUBEMEND_BENCH_PODS say how many there are: 100 and 3,000
 * unless told. KUBEMEND_BENCH_SIMULATED=1 takes the nodes of simulated-nodes.ts, where a machine has no space for as
 * many kubelets.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { startControlPlane } from "../testbed/control-plane.ts";
import { runForResult } from "../testbed/processes.ts";
import { kubernetesOrWhyNot } from "../testbed/requirements.ts";
import { waitFor } from "../testbed/wait.ts";
import { recordTable } from "./record.ts";
import { startSimulatedNodes } from "./simulated-nodes.ts";

const NODES = Number(process.env.KUBEMEND_BENCH_NODES ?? 100);
const PODS = Number(process.env.KUBEMEND_BENCH_PODS ?? 3000);
const SIMULATED = process.env.KUBEMEND_BENCH_SIMULATED === "1";
const REPLICAS = 50;

/** Prints a table. Runs what `npm run build` made, else the sources. */
export async function benchDiagnose(runs: number, file: string | undefined): Promise<void> {
  const kubernetes = await kubernetesOrWhyNot();
  if (typeof kubernetes === "string") {
    console.error(`diagnose is not measured: ${kubernetes}`);
    return;
  }
  const built = join(import.meta.dirname, "../dist/kubemend.js");
  const program = existsSync(built) ? built : join(import.meta.dirname, "../src/cli/main.ts");
  await using plane = await startControlPlane({ kubernetes, members: 3 });
  const kind = SIMULATED ? "simulated" : "hollow";
  console.error(`starting ${NODES} ${kind} nodes, then ${PODS} pods`);
  await using _nodes = SIMULATED ? await startSimulatedNodes(plane, NODES) : undefined;
  if (!SIMULATED) await plane.addHollowNodes(NODES);
  for (let i = 0; i * REPLICAS < PODS; i++) {
    await plane.api.applyObject(deployment(`load-${i}`, Math.min(REPLICAS, PODS - i * REPLICAS)));
  }
  await waitFor("all pods to run", async () => (await running()) === PODS, { seconds: 1800, everyMilliseconds: 2000 });

  async function running(): Promise<number> {
    const path = "/api/v1/pods?fieldSelector=status.phase%3DRunning&limit=1";
    const { items, metadata } = await plane.api.get(path);
    return metadata.continue === undefined ? items.length : (await plane.api.list(path.replace("&limit=1", ""))).length;
  }

  const kubeconfig = plane.kubeconfig;
  const kubectl = [kubernetes.program("kubectl"), `--kubeconfig=${kubeconfig}`, "get", "-A", "-o", "json"];
  const ways: Readonly<Record<string, readonly string[]>> = {
    "kubemend diagnose": [process.execPath, program, "diagnose", "-o", "json", `--kubeconfig=${kubeconfig}`],
    "kubectl get pods,nodes,deployments,replicasets -o json": [...kubectl, "pods,nodes,deployments,replicasets"],
  };
  const record = recordTable(["what", "all s", "best s"], { file, texts: 2 });
  for (const [way, command] of Object.entries(ways)) {
    const times: number[] = [];
    const shown: string[] = [];
    for (let run = 0; run < runs; run++) {
      const began = performance.now();
      const { code, stderr, stdout } = await runForResult(command);
      const seconds = (performance.now() - began) / 1000;
      times.push(seconds);
      // A probe that ran into its deadline ends early, and says so: such a run is no measurement of the whole.
      shown.push(`${seconds.toFixed(2)}${stdout.includes("no answer within") ? " (not all answered)" : ""}`);
      if (code !== 0) throw new Error(`"${way}" ended with ${code}: ${stderr}${stdout.slice(0, 2000)}`);
    }
    record.add(`\`${way}\``, shown.join(", "), Math.min(...times).toFixed(2));
  }
  const { version } = kubernetes;
  record.end(`A healthy cluster of ${NODES} ${kind} nodes and ${PODS} pods, Kubernetes ${version}, ${runs} runs each`);
}

function deployment(name: string, replicas: number): unknown {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "default" },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          tolerations: [{ operator: "Exists" }],
          containers: [{ name: "web", image: "kubemend.test/web:1", imagePullPolicy: "IfNotPresent" }],
        },
      },
    },
  };
}
