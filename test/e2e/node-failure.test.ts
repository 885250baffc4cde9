import { afterAll, beforeAll, expect, test } from "vitest";
import { type ControlPlane, conditionOf, startControlPlane } from "../../testbed/control-plane.ts";
import { waitFor } from "../../testbed/wait.ts";
import { budget, kubemendNode, podsOn, settled, startNode, workload } from "./draining.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";

/** Tolerates a failed node for so long. */
const TOLERATED_SECONDS = 25;
const TOLERATIONS = `tolerations: [${["not-ready", "unreachable"]
  .map(
    (word) =>
      `{key: node.kubernetes.io/${word}, operator: Exists, effect: NoExecute, tolerationSeconds: ${TOLERATED_SECONDS}}`,
  )
  .join(", ")}]`;

describeWithCluster("nodes that return, and nodes that fail", (kubernetes) => {
  let plane: ControlPlane;
  let hasNodes = false;

  beforeAll(async () => {
    plane = await startControlPlane({ kubernetes, nodeMonitorGraceSeconds: 24 });
    hasNodes = await kubernetes.has("kubemark");
    if (hasNodes) await plane.addHollowNodes(3);
  });
  afterAll(async () => plane?.[Symbol.asyncDispose]());

  const node = (...args: string[]) => kubemendNode(plane, args);

  test("pods move back to a node that returned, one at a time, inside their budget", async (context) => {
    if (!hasNodes) context.skip("this Kubernetes has no kubemark");
    await node("cordon", "hollow-3");
    await plane.api.apply(workload("web", { replicas: 6 }));
    await plane.api.apply(budget("web", "minAvailable: 6"));
    await plane.api.apply(workload("scaled", { replicas: 2 }));
    await plane.api.apply(`
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {name: scaled, namespace: default}
spec: {minReplicas: 2, maxReplicas: 4, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: scaled}}
`);
    await settled(plane);
    const cordoned = await node("rebalance", "hollow-3");
    expect(cordoned.code).toBe(2);
    expect(cordoned.stderr).toContain("hint: kubemend node uncordon hollow-3\n");
    await node("uncordon", "hollow-3");

    const dry = await node("rebalance", "hollow-3", "--dry-run");
    expect(dry.code, dry.stderr).toBe(0);
    expect(dry.stdout).toMatch(/^pod\/web-\S+ of hollow-[12] to hollow-3 \(dry run\)$/m);
    expect(dry.stdout).toMatch(/^ {2}hollow-3 {2}░{20} +0 pods/m);
    expect(dry.stdout).toMatch(/^2 pods to move \(dry run\)$/m);
    expect(await podsOn(plane, "hollow-3")).toEqual([]);

    const interrupted = startNode(plane, ["rebalance", "hollow-3"]);
    await interrupted.said(/Deployment default\/web: one more replica/);
    interrupted.kill("SIGINT");
    expect((await interrupted.ended).code).toBe(130);
    const left = await plane.api.get("/apis/apps/v1/namespaces/default/deployments/web");
    expect(left.spec.replicas, "as many as before").toBe(6);
    expect(left.metadata.annotations?.["kubemend/rebalance-replicas"]).toBeUndefined();
    await settled(plane);

    let fewest = Number.POSITIVE_INFINITY;
    const watching = new AbortController();
    const watched = (async () => {
      while (!watching.signal.aborted) {
        const pods = await plane.api.list("/api/v1/namespaces/default/pods?labelSelector=app%3Dweb");
        const serving = pods.filter((pod) => !pod.metadata.deletionTimestamp && conditionOf(pod, "Ready") === "True");
        fewest = Math.min(fewest, serving.length);
      }
    })();
    const done = await node("rebalance", "hollow-3");
    watching.abort();
    await watched;
    expect(done.code, done.stderr).toBe(0);
    expect(fewest, "never fewer than before").toBeGreaterThanOrEqual(6);
    const moved = [...done.stderr.matchAll(/^pod\/web-\S+ moved from hollow-[12] to hollow-3 as web-/gm)];
    expect(moved.length, done.stderr).toBeGreaterThan(0);
    expect(done.stdout).toMatch(new RegExp(`^${moved.length} pods? moved$`, "m"));
    for (const each of ["hollow-1", "hollow-2", "hollow-3"])
      expect((await podsOn(plane, each)).filter((name) => name.startsWith("web-"))).toHaveLength(2);
    const { spec, metadata } = await plane.api.get("/apis/apps/v1/namespaces/default/deployments/web");
    expect(spec.replicas).toBe(6);
    expect(metadata.annotations?.["kubemend/rebalance-replicas"]).toBeUndefined();
    const scaled = await plane.api.get("/apis/apps/v1/namespaces/default/deployments/scaled");
    expect(scaled.metadata.generation, "left to its autoscaler").toBe(1);

    await settled(plane);
    const again = await node("rebalance", "hollow-3");
    expect(again.stdout).toMatch(/^nothing to move$/m);
    await plane.kubectl("delete", "deployment/web", "deployment/scaled", "hpa/scaled", "pdb/web", "--wait=false");
    await settled(plane);
  });

  longTest("a node fails: its pods' eviction is foretold, comes to pass, and can be had at once", async (context) => {
    if (!hasNodes) context.skip("this Kubernetes has no kubemark");
    await plane.api.apply(workload("web", { replicas: 6, spec: TOLERATIONS }));
    await plane.api.apply(workload("db", { replicas: 3, kind: "StatefulSet" }));
    await plane.api.apply(workload("agent", { replicas: 0, kind: "DaemonSet" }));
    await settled(plane);
    const healthy = await node("status", "-o", "json");
    expect(healthy.code, healthy.stderr).toBe(0);
    expect(JSON.parse(healthy.stdout)).toMatchObject({
      nodes: [{ ready: "True" }, { ready: "True" }, { ready: "True" }],
      pods: [],
    });
    const answers = await node("evict", "hollow-2", "--yes");
    expect(answers.code).toBe(1);
    expect(answers.stderr).toContain('error: node "hollow-2" is ready: its kubelet can end its pods in order\n');

    await plane.bed.processes.get("hollow-2")!.kill();
    const condition = async () => conditionOf(await plane.api.get("/api/v1/nodes/hollow-2"), "Ready");
    await waitFor("the node to be given up", async () => (await condition()) === "Unknown", { seconds: 90 });
    const isTainted = async () => {
      const { spec } = await plane.api.get("/api/v1/nodes/hollow-2");
      return spec.taints?.some(({ effect }: { effect: string }) => effect === "NoExecute");
    };
    const early = await node("status", "hollow-2", "-o", "json");
    expect(early.code).toBe(1);
    await waitFor("the node controller to taint it", isTainted, {
      seconds: 120,
      explain: () => plane.logs(["kube-controller-manager"]),
    });
    const told = await node("status", "hollow-2");
    expect(told.code).toBe(1);
    expect(told.stdout).toMatch(/^hollow-2 +NotReady .* its kubelet is silent/m);
    expect(told.stdout).toMatch(
      /^default\/web-\S+ +Running +in \d+s +tolerates node.kubernetes.io\/unreachable for 25 s$/m,
    );
    expect(told.stdout).toMatch(/^default\/db-\d +Running +in .* for 300 s$/m);
    expect(told.stdout).toMatch(/^default\/agent-\S+ +Running +never +pods of a DaemonSet tolerate it for ever$/m);

    type Pod = { pod: string; due?: { time: number } };
    const foretold = (JSON.parse((await node("status", "hollow-2", "-o", "json")).stdout).pods as Pod[]).find(
      ({ pod }) => pod.startsWith("default/web-"),
    )!;
    const name = foretold.pod.slice("default/".length);
    const evicted = await waitFor(
      "the pod to be evicted",
      async () => {
        const { metadata } = await plane.api.get(`/api/v1/namespaces/default/pods/${name}`);
        return metadata.deletionTimestamp !== undefined && metadata;
      },
      { seconds: 90 },
    );
    const at = Date.parse(evicted.deletionTimestamp) - evicted.deletionGracePeriodSeconds * 1000;
    expect(Math.abs(at - foretold.due!.time), "foretold and come to pass").toBeLessThan(10_000);

    const plan = await node("evict", "hollow-2", "--dry-run");
    expect(plan.stderr).toMatch(/because two may not run:\n {2}default\/db-\d\n/);
    const unasked = await node("evict", "hollow-2");
    expect(unasked.code).toBe(2);
    const moved = await node("evict", "hollow-2", "--yes");
    expect(moved.code, moved.stderr).toBe(0);
    expect(moved.stdout).toMatch(/^node\/hollow-2 cordoned\npod\/db-\d deleted\n$/);
    const stuck = await node("status", "hollow-2");
    expect(stuck.stdout).toMatch(/^default\/db-\d +Terminating +already +its node's kubelet does not answer/m);
    const db = /^default\/(db-\d)/m.exec(stuck.stdout)![1]!;
    const forced = await node("evict", "hollow-2", "--force-delete-pods", "--yes");
    expect(forced.code, forced.stderr).toBe(0);
    expect(forced.stderr).toMatch(/CAUTION: if the machine still runs, these run twice.*:\n {2}default\/db-\d\n/);
    await waitFor("the StatefulSet's pod to run elsewhere", async () => {
      const pod = await plane.api.get(`/api/v1/namespaces/default/pods/${db}`);
      return (
        pod.spec.nodeName !== undefined && pod.spec.nodeName !== "hollow-2" && conditionOf(pod, "Ready") === "True"
      );
    });
    const early2 = await node("evict", "hollow-2", "--undo");
    expect(early2.code).toBe(1);
    expect(early2.stderr).toContain('error: node "hollow-2" is not ready yet; nothing was changed\n');
  });
});
