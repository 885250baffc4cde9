/**
 * `kubemend rescue` beside the runbook's procedure run by hand (rescue-by-hand.ts), in turns, on one self-hosted
 * cluster of the test bed. The component is lost in the same way each time, with pods waiting for it; what is measured
 * is seen from outside, the same way for both.
 */
import { join } from "node:path";
import { deploymentPath, lose, podsOf } from "../test/e2e/losing.ts";
import { KUBEMEND } from "../test/e2e/rendered-cluster.ts";
import { webDeployment } from "../test/e2e/workloads.ts";
import { type ControlPlane, conditionOf } from "../testbed/control-plane.ts";
import { run } from "../testbed/processes.ts";
import { kubernetesOrWhyNot } from "../testbed/requirements.ts";
import { leaseHolder, startSelfHosted } from "../testbed/self-hosted.ts";
import { waitFor } from "../testbed/wait.ts";
import { recordTable } from "./record.ts";

type Component = "kube-scheduler" | "kube-controller-manager";

/** In seconds since the procedure began. */
interface Times {
  /** The pods that waited for the component are Ready. */
  readonly served: number;
  /** The permanent component holds its lease, and all pods of the cluster are Ready. */
  readonly whole: number;
  /** The procedure has ended. */
  readonly end: number;
}

const CASES: readonly (readonly Component[])[] = [
  ["kube-scheduler"],
  ["kube-controller-manager"],
  ["kube-scheduler", "kube-controller-manager"],
];
const WEB = "/apis/apps/v1/namespaces/default/deployments/web";

/** Prints a table, and records it in a file where one is named. */
export async function benchRescue(runs: number, file: string | undefined): Promise<void> {
  const kubernetes = await kubernetesOrWhyNot();
  if (typeof kubernetes === "string") {
    console.error(`rescues are not measured: ${kubernetes}`);
    return;
  }
  await using plane = await startSelfHosted({ kubernetes });
  await plane.api.apply(webDeployment(1));
  await plane.podsReady("default", "app=web", 1);
  const ways: Readonly<Record<string, (components: readonly Component[]) => string[]>> = {
    "kubemend rescue": (components) => [
      ...[...KUBEMEND, "rescue", `--kubeconfig=${plane.kubeconfig}`],
      ...components.map((name) => name.replace("kube-", "")),
    ],
    "by hand, a look every 5 s": (components) => [
      ...[process.execPath, join(import.meta.dirname, "rescue-by-hand.ts")],
      ...[kubernetes.program("kubectl"), plane.kubeconfig, ...components],
    ],
  };
  const record = recordTable(["lost", "until", "way", "all s", "median s"], { file, texts: 4 });
  for (const components of CASES) {
    const times = new Map<string, Times[]>(Object.keys(ways).map((way) => [way, []]));
    for (let i = 0; i < runs; i++) {
      for (const [way, command] of Object.entries(ways)) {
        times.get(way)!.push(await measureRescue(plane, components, command(components)));
      }
    }
    const print = (until: string, value: (each: Times) => number) => {
      for (const [way, each] of times) {
        record.add(components.join(" and "), until, way, ...row(each.map(value)));
      }
    };
    print("waiting pods run", ({ served }) => served);
    print("all pods run, and the permanent one leads", ({ whole }) => whole);
    print("the procedure ends", ({ end }) => end);
  }
  record.end(`Rescues with Kubernetes ${kubernetes.version}, ${runs} each, in turns`);
}

function row(values: readonly number[]): readonly [all: string, median: string] {
  const sorted = [...values].sort((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)]!;
  return [values.map((each) => each.toFixed(1)).join(", "), median.toFixed(1)];
}

async function measureRescue(
  plane: ControlPlane,
  components: readonly Component[],
  command: readonly string[],
): Promise<Times> {
  await plane.api.patch(WEB, { spec: { replicas: 1 } });
  await plane.podsReady("default", "app=web", 1);
  const before = await Promise.all(components.map((name) => leaseHolder(plane, name)));
  await lose(plane, components);
  await plane.api.patch(WEB, { spec: { replicas: 4 } });
  const began = performance.now();
  const since = () => (performance.now() - began) / 1000;
  const procedure = run(command, { timeoutSeconds: 600 }).then(since);
  const [served, whole, end] = await Promise.all([
    waitFor("the waiting pods", async () => (await webReady(plane)) === 4 && since(), { seconds: 600 }),
    waitFor("the permanent components", async () => (await isWhole(plane, components, before)) && since(), {
      seconds: 600,
    }),
    procedure,
  ]);
  // The last one's lease is somebody's whose pod is there.
  await waitFor("the procedure to have left nothing", async () =>
    (await plane.api.list("/api/v1/namespaces/kube-system/pods")).every(
      ({ metadata }) => !metadata.name.endsWith("-rescue"),
    ),
  );
  return { served, whole, end };
}

async function webReady({ api }: ControlPlane): Promise<number> {
  const pods = await api.list("/api/v1/namespaces/default/pods?labelSelector=app%3Dweb");
  return pods.filter((pod) => conditionOf(pod, "Ready") === "True" && !pod.metadata.deletionTimestamp).length;
}

/** All pods are Ready and none is a rescue's, and each lease was taken since by a pod that started after the one before. */
async function isWhole(
  plane: ControlPlane,
  components: readonly Component[],
  before: readonly string[],
): Promise<boolean> {
  const pods = await plane.api.list("/api/v1/pods");
  if (pods.some((pod) => conditionOf(pod, "Ready") !== "True" || pod.metadata.name.endsWith("-rescue"))) return false;
  for (const [i, component] of components.entries()) {
    const { replicas } = (await plane.api.get(deploymentPath(component))).spec;
    const { spec } = await plane.api.get(`/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/${component}`);
    const [pod] = await podsOf(plane, component);
    const started = Date.parse(pod?.status.containerStatuses?.[0]?.state.running?.startedAt ?? "");
    const isOwn = Date.parse(spec.acquireTime) >= started && spec.holderIdentity !== before[i];
    if (replicas !== 1 || !isOwn || !spec.holderIdentity) return false;
  }
  return true;
}
