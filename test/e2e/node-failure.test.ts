import { afterAll, beforeAll, expect } from "vitest";
import { servesOutOfService } from "../../src/nodes/evict-guard.ts";
import { type ControlPlane, conditionOf, startControlPlane } from "../../testbed/control-plane.ts";
import { waitFor } from "../../testbed/wait.ts";
import { kubemendNode, podsOn, settled, startNode, workload } from "./draining.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";

/** Tolerates a failed node for so long. */
const TOLERATED_SECONDS = 25;
const TOLERATIONS = `tolerations: [${["not-ready", "unreachable"]
  .map(
    (word) =>
      `{key: node.kubernetes.io/${word}, operator: Exists, effect: NoExecute, tolerationSeconds: ${TOLERATED_SECONDS}}`,
  )
  .join(", ")}]`;

describeWithCluster("nodes that fail", (kubernetes) => {
  let plane: ControlPlane;
  let hasNodes = false;

  beforeAll(async () => {
    plane = await startControlPlane({ kubernetes, nodeMonitorGraceSeconds: 24 });
    hasNodes = await kubernetes.has("kubemark");
    if (hasNodes) await plane.addHollowNodes(3);
  });
  afterAll(async () => plane?.[Symbol.asyncDispose]());

  const node = (...args: string[]) => kubemendNode(plane, args);

  longTest("a node fails: its pods' eviction is foretold, comes to pass, and can be had at once", async (context) => {
    if (!hasNodes) context.skip("this Kubernetes has no kubemark");
    await plane.api.apply(workload("web", { replicas: 6, spec: TOLERATIONS }));
    await plane.api.apply(workload("agent", { replicas: 0, kind: "DaemonSet" }));
    await settled(plane);
    // The node that will fail has all of the StatefulSet, which may run anywhere.
    expect((await node("cordon", "hollow-1", "hollow-3")).code).toBe(0);
    await plane.api.apply(workload("db", { replicas: 3, kind: "StatefulSet" }));
    await settled(plane);
    expect((await node("uncordon", "hollow-1", "hollow-3")).code).toBe(0);
    const healthy = await node("status", "-o", "json");
    expect(healthy.code, healthy.stderr).toBe(0);
    expect(JSON.parse(healthy.stdout)).toMatchObject({
      nodes: [{ ready: "True" }, { ready: "True" }, { ready: "True" }],
      pods: [],
    });
    const answers = await node("evict", "hollow-2", "--yes");
    expect(answers.code).toBe(1);
    expect(answers.stderr).toContain('error: node "hollow-2" is ready: its kubelet can end its pods in order\n');

    const watching = startNode(plane, ["status", "--watch"]);
    await watching.reported(/^hollow-2 +Ready /m);
    await plane.bed.processes.get("hollow-2")!.kill();
    const condition = async () => conditionOf(await plane.api.get("/api/v1/nodes/hollow-2"), "Ready");
    await waitFor("the node to be given up", async () => (await condition()) === "Unknown", { seconds: 90 });
    const isTainted = async () => {
      const { spec } = await plane.api.get("/api/v1/nodes/hollow-2");
      return spec.taints?.some(({ effect }: { effect: string }) => effect === "NoExecute");
    };
    await watching.reported(/^hollow-2 +NotReady .*[\s\S]*^Pods of hollow-2:$[\s\S]*^default\/web-/m);
    watching.kill("SIGINT");
    expect((await watching.ended).code).toBe(130);
    const early = await node("status", "hollow-2", "-o", "json");
    expect(early.code).toBe(1);
    await waitFor("the node controller to taint it", isTainted, {
      seconds: 120,
      explain: () => plane.logs(["kube-controller-manager"]),
    });
    const reported = await node("status", "hollow-2");
    expect(reported.code).toBe(1);
    expect(reported.stdout).toMatch(/^hollow-2 +NotReady .* its kubelet is silent/m);
    expect(reported.stdout).toMatch(
      /^default\/web-\S+ +Running +in \d+s +tolerates node.kubernetes.io\/unreachable for 25 s$/m,
    );
    expect(reported.stdout).toMatch(/^default\/db-\d +Running +in .* for 300 s$/m);
    expect(reported.stdout).toMatch(/^default\/agent-\S+ +Running +never +pods of a DaemonSet tolerate it for ever$/m);

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
    expect(moved.stdout).toMatch(/^node\/hollow-2 cordoned\n(pod\/db-\d deleted\n)+$/);
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

    plane.bed.startAgain("hollow-2");
    await plane.nodesReady(["hollow-2"]);
    const undone = await node("evict", "hollow-2", "--undo");
    expect(undone.code, undone.stderr).toBe(0);
    const untainted = servesOutOfService(kubernetes.minor) ? "node/hollow-2 untainted\n" : "";
    expect(undone.stdout).toBe(`${untainted}node/hollow-2 uncordoned\n`);
    const again = await node("evict", "hollow-2", "--undo");
    expect([again.code, again.stdout]).toEqual([0, "node/hollow-2 already uncordoned\n"]);
    // The pods that it had lost are not there any more, and it takes new ones.
    await settled(plane);
    expect((await node("cordon", "hollow-1", "hollow-3")).code).toBe(0);
    await plane.api.apply(workload("late", { replicas: 1 }));
    await settled(plane);
    expect(await podsOn(plane, "hollow-2")).toEqual([
      expect.stringMatching(/^agent-/),
      expect.stringMatching(/^late-/),
    ]);
  });
});

describeWithCluster("a node that fails where pods are evicted by --pod-eviction-timeout", (kubernetes) => {
  const TIMEOUT_SECONDS = 60;
  let plane: ControlPlane;
  let hasNodes = false;

  beforeAll(async () => {
    if (kubernetes.minor >= 27) return; // which has no such flag
    plane = await startControlPlane({
      kubernetes,
      nodeMonitorGraceSeconds: 24,
      podEvictionTimeoutSeconds: TIMEOUT_SECONDS,
    });
    hasNodes = await kubernetes.has("kubemark");
    if (hasNodes) await plane.addHollowNodes(2);
  });
  afterAll(async () => plane?.[Symbol.asyncDispose]());

  longTest("the eviction of its pods is foretold, and comes to pass", async (context) => {
    if (!hasNodes) context.skip("this Kubernetes has no kubemark, or evicts by taints only");
    const node = (...args: string[]) => kubemendNode(plane, args);
    await plane.api.apply(workload("web", { replicas: 2, nodes: ["hollow-2"] }));
    await settled(plane);
    await plane.bed.processes.get("hollow-2")!.kill();
    const ready = async () => conditionOf(await plane.api.get("/api/v1/nodes/hollow-2"), "Ready");
    await waitFor("the node to be given up", async () => (await ready()) === "Unknown", { seconds: 90 });
    // The controller manager is a process here, so its flags are not to be seen.
    const flag = `--pod-eviction-timeout=${TIMEOUT_SECONDS}`;
    const reported = await node("status", "hollow-2", flag, "-o", "json");
    expect(reported.code, reported.stderr).toBe(1);
    const { pods } = JSON.parse(reported.stdout) as { pods: { pod: string; due: { time: number; because: string } }[] };
    expect(pods).toHaveLength(2);
    expect(pods[0]!.due.because).toBe("--pod-eviction-timeout is 60 s since the node's last sign of life");
    const evicted = await waitFor(
      "the pods to be evicted",
      async () => {
        const found = await plane.api.list("/api/v1/pods?fieldSelector=spec.nodeName%3Dhollow-2");
        const times = found.map(({ metadata }) =>
          metadata.deletionTimestamp === undefined
            ? Number.NaN
            : Date.parse(metadata.deletionTimestamp) - metadata.deletionGracePeriodSeconds * 1000,
        );
        return times.length === 2 && times.every((time) => time > 0) && times;
      },
      { seconds: 150, explain: () => plane.logs(["kube-controller-manager"]) },
    );
    for (const time of evicted)
      expect(Math.abs(time - pods[0]!.due.time), "foretold and come to pass").toBeLessThan(20_000);
    const { nodes } = JSON.parse(reported.stdout) as { nodes: { since: string }[] };
    expect(pods[0]!.due.time, "not from when it was given up").toBeLessThan(
      Date.parse(nodes[0]!.since) + TIMEOUT_SECONDS * 1000 - 10_000,
    );
  });
});
