/**
 * The runbook's "worker failure" (cluster healing) step by step: three workers with real kubelets, three replicas; one
 * worker is drained and comes back, another one's kubelet is stopped until its pod has been moved, and comes back.
 */
import { afterAll, beforeAll, expect } from "vitest";
import { type ControlPlane, conditionOf, startControlPlane } from "../../testbed/control-plane.ts";
import type { Node } from "../../testbed/node.ts";
import { waitFor } from "../../testbed/wait.ts";
import { kubemendNode, settled, workload } from "./draining.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";

const WORKERS = ["worker1", "worker2", "worker3"];
/** How long pods tolerate a node that is lost; five minutes unless told. */
const TOLERATED_SECONDS = 20;
const SPREAD = `
      tolerations: [{key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: ${TOLERATED_SECONDS}}]
      topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway,
        labelSelector: {matchLabels: {app: web}}}]`;

describeWithCluster("a worker's maintenance and failure", (kubernetes) => {
  let plane: ControlPlane;
  const workers = new Map<string, Node>();

  beforeAll(async () => {
    plane = await startControlPlane({ kubernetes, nodeMonitorGraceSeconds: 12 });
    for (const name of WORKERS) workers.set(name, await plane.addNode(name));
    await plane.api.apply(workload("web", { replicas: 3, spec: SPREAD.trim() }));
    await settled(plane);
  });
  afterAll(() => plane?.[Symbol.asyncDispose]());

  const node = async (...args: string[]) => {
    const result = await kubemendNode(plane, args);
    if (result.code !== 0) throw new Error(`node ${args.join(" ")} ended with ${result.code}:\n${result.stderr}`);
    return result;
  };
  const pods = async () =>
    (await plane.api.list("/api/v1/namespaces/default/pods?labelSelector=app%3Dweb")).map((pod) => ({
      name: pod.metadata.name as string,
      node: pod.spec.nodeName as string,
      ready: conditionOf(pod, "Ready") === "True",
      ending: pod.metadata.deletionTimestamp !== undefined,
    }));
  const serving = async () => (await pods()).filter(({ ready, ending }) => ready && !ending);
  const containersOf = async (name: string) =>
    (await workers.get(name)!.containers()).filter((each) => each.startsWith("default/web-"));
  const ready = async (name: string) => conditionOf(await plane.api.get(`/api/v1/nodes/${name}`), "Ready");

  longTest("one is drained and comes back, and its pods do not", async () => {
    expect(new Set((await serving()).map((pod) => pod.node))).toEqual(new Set(WORKERS));
    const drained = await node("drain", "worker1", "--ignore-daemonsets", "--wait-for-replacements");
    expect(drained.stdout).toMatch(/^node\/worker1 (drained|evicted)$/m);
    expect((await serving()).filter((pod) => pod.node === "worker1")).toEqual([]);
    expect(await serving()).toHaveLength(3);
    await waitFor("the drained worker to run nothing of it", async () => (await containersOf("worker1")).length === 0);
    expect((await plane.api.get("/api/v1/nodes/worker1")).spec.unschedulable).toBe(true);

    await node("uncordon", "worker1");
    const after = await serving();
    expect(after.filter((pod) => pod.node === "worker1")).toEqual([]); // as the runbook notes
    await node("rebalance", "worker1");
    await settled(plane);
    expect(new Set((await serving()).map((pod) => pod.node))).toEqual(new Set(WORKERS));
  });

  longTest("one's kubelet stops: its pod is replaced, and goes when the worker returns", async () => {
    const [lost] = (await serving()).filter((pod) => pod.node === "worker2");
    await workers.get("worker2")!.stopKubelet();
    await waitFor("the worker to be NotReady", async () => (await ready("worker2")) === "Unknown", { seconds: 90 });
    expect(await containersOf("worker2")).toHaveLength(1); // what runs keeps running
    await waitFor(
      "its pod to be replaced elsewhere",
      async () => {
        const now = (await serving()).filter((pod) => pod.node !== "worker2");
        return now.length === 3 && now;
      },
      { seconds: 120 },
    );
    const stuck = (await pods()).find(({ name }) => name === lost!.name);
    expect(stuck?.ending).toBe(true); // nobody confirms its end
    const status = await kubemendNode(plane, ["status", "worker2"]);
    expect(status.stdout).toMatch(/^worker2 +NotReady/m);
    expect(status.stdout).toMatch(new RegExp(`^default/${lost!.name} +Terminating`, "m"));

    workers.get("worker2")!.startKubelet();
    await waitFor("the worker to be Ready", async () => (await ready("worker2")) === "True", { seconds: 90 });
    await waitFor("the old pod to go", async () => !(await pods()).some(({ name }) => name === lost!.name), {
      seconds: 90,
    });
    await waitFor("its container to go", async () => (await containersOf("worker2")).length === 0, { seconds: 60 });
    expect((await serving()).filter((pod) => pod.node === "worker2")).toEqual([]); // they do not move back
    expect(await serving()).toHaveLength(3);
  });
});
