/**
 * A self-hosted control plane loses its scheduler, its controller manager, or both, in many ways, and gets them back.
 * One cluster for all of it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import type { ControlPlane } from "../../testbed/control-plane.ts";
import { leaseHolder, newLeaseHolder, startSelfHosted } from "../../testbed/self-hosted.ts";
import { waitFor } from "../../testbed/wait.ts";
import { startFaultyProxy } from "../faulty-proxy.ts";
import { diagnoseAt, namesOf, placeIn } from "./diagnosing.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";
import { deploymentPath, lose, podsOf, rescue, rescuePods } from "./losing.ts";
import { expectMended, expectRescued } from "./rescued.ts";
import { SCHEDULER_CONF, SCHEDULER_MANIFEST, schedulerManifest } from "./static-scheduler.ts";
import { webDeployment } from "./workloads.ts";

const WEB = "/apis/apps/v1/namespaces/default/deployments/web";

describeWithCluster("a self-hosted control plane that has lost its scheduler or controller manager", (kubernetes) => {
  let plane: ControlPlane;

  beforeAll(async () => {
    plane = await startSelfHosted({ kubernetes });
    await plane.api.apply(webDeployment(1));
    await plane.podsReady("default", "app=web", 1);
  });
  afterAll(() => plane?.[Symbol.asyncDispose]());

  const scaleWeb = (replicas: number) => plane.api.patch(WEB, { spec: { replicas } });
  test("a scheduler: what waits for it is scheduled; one that is healthy is left alone", async () => {
    const healthy = await rescue(plane, ["scheduler", "-o", "json"]);
    expect(healthy.code).toBe(0);
    expect(JSON.parse(healthy.stdout).components).toMatchObject([{ component: "kube-scheduler", state: "healthy" }]);

    await lose(plane, ["kube-scheduler"]);
    await scaleWeb(3);
    const before = await leaseHolder(plane, "kube-scheduler");
    const dry = await rescue(plane, ["scheduler", "--dry-run"]);
    expect(dry.stdout).toContain('would create pod "kube-system/kube-scheduler-rescue" on node "node1"');
    expect(await rescuePods(plane)).toEqual([]);
    const result = await rescue(plane, ["scheduler"]);
    await expectMended(plane, result, "kube-scheduler");
    expect(result.stdout).toMatch(/default +web-\S+ +1\/1 +Running +0 +node1 +was Pending/);
    expect(result.stdout).toMatch(/^\d+ pods: all are well/m);
    expect(await leaseHolder(plane, "kube-scheduler")).not.toBe(before);
    await plane.podsReady("default", "app=web", 3);
  });

  longTest("a controller manager: what was deleted is replaced", async () => {
    await lose(plane, ["kube-controller-manager"]);
    await scaleWeb(2);
    await expectMended(plane, await rescue(plane, ["controller-manager"]), "kube-controller-manager");
    await plane.podsReady("default", "app=web", 2);
  });

  longTest("both at once, and both scaled to 0 by hand", async () => {
    await lose(plane, ["kube-scheduler", "kube-controller-manager"]);
    await scaleWeb(3);
    const alone = await rescue(plane, ["scheduler", "-o", "json"]);
    const { fault } = await expectRescued(plane, alone, "no-pod");
    expect(fault.text).toContain("rescue both (kubemend rescue scheduler controller-manager)");
    const both = ["kube-scheduler", "kube-controller-manager"];
    await expectMended(plane, await rescue(plane, ["scheduler", "controller-manager"]), ...both);
    await plane.podsReady("default", "app=web", 3);

    await lose(plane, ["kube-scheduler"]);
    await plane.api.patch(deploymentPath("kube-scheduler"), { spec: { replicas: 0 } });
    const result = await rescue(plane, ["scheduler"]);
    await expectMended(plane, result, "kube-scheduler");
    expect(result.stderr).toContain("was scaled to 0: scaling it to 1");
  });

  longTest("interrupted it leaves nothing behind, or says how to take it away; run again it continues", async () => {
    await lose(plane, ["kube-scheduler"]);
    const early = await rescue(plane, ["scheduler"], { reported: /is lost/, signal: "SIGINT" });
    expect(early, early.stderr).toMatchObject({ code: 130, stdout: "" });
    expect(await rescuePods(plane)).toEqual([]);
    const interrupted = await rescue(plane, ["scheduler"], { reported: /created pod/, signal: "SIGINT" });
    expect(interrupted, interrupted.stderr).toMatchObject({ code: 130, stdout: "" });
    expect(interrupted.stderr).toContain('removed pod "kube-system/kube-scheduler-rescue"');
    expect(await rescuePods(plane)).toEqual([]);

    const { proxy, kubeconfig } = await startCutter(plane);
    const cut = () => void proxy.close();
    const unreached = { reported: /created pod/, signal: "SIGINT", first: cut } as const;
    const left = await rescue({ kubeconfig }, ["scheduler"], unreached);
    expect(left, left.stderr).toMatchObject({ code: 130, stdout: "" });
    expect(left.stderr).toContain("is left over: kubectl -n kube-system delete pod kube-scheduler-rescue");
    expect(await rescuePods(plane)).toEqual(["kube-scheduler-rescue"]);

    const goingOn = await rescue(plane, ["scheduler"], { reported: /continuing with it/, signal: "SIGINT" });
    expect(goingOn, goingOn.stderr).toMatchObject({ code: 130, stdout: "" });
    expect(goingOn.stderr).toContain(
      "stays as it was found; to take it away: kubectl -n kube-system delete pod kube-scheduler-rescue",
    );
    expect(await rescuePods(plane)).toEqual(["kube-scheduler-rescue"]);
    const killed = await rescue(plane, ["scheduler"], { reported: /renews the lease$/m, signal: "SIGKILL" });
    expect(killed.code).toBeNull();
    const again = await rescue(plane, ["scheduler"]);
    await expectMended(plane, again, "kube-scheduler");
    expect(again.stderr).toContain("is there from an earlier rescue: continuing with it");
  });

  longTest(
    "interrupted when its pod leads, or in the hand-over, nothing is left and the permanent one comes",
    async () => {
      for (const reported of [/renews the lease$/m, /removing pod/]) {
        await lose(plane, ["kube-scheduler"]);
        const interrupted = await rescue(plane, ["scheduler"], { reported, signal: "SIGINT" });
        expect(interrupted, interrupted.stderr).toMatchObject({ code: 130, stdout: "" });
        await waitFor("its rescue pod to go", async () => (await rescuePods(plane)).length === 0);
      }
      await plane.podsReady("kube-system", "k8s-app=kube-scheduler", 1);
      const healthy = await rescue(plane, ["scheduler"]);
      expect(healthy, healthy.stderr).toMatchObject({ code: 0 });
      expect(healthy.stdout).toContain("kube-scheduler is healthy: nothing was done");
    },
  );

  longTest("by hand: the printed pod is one that kubectl takes, and the next rescue takes over from it", async () => {
    await lose(plane, ["kube-scheduler"]);
    const printed = await rescue(plane, ["scheduler", "-o", "yaml"]);
    expect(printed.code).toBe(0);
    const pod = parse(printed.stdout);
    expect(pod).toMatchObject({ kind: "Pod", spec: { nodeName: "node1" } });
    expect(pod).not.toHaveProperty("status");
    await plane.bed.run(["tee", plane.bed.path("rescue.yaml")], { input: printed.stdout });
    await plane.kubectl("create", "-f", plane.bed.path("rescue.yaml"));
    await expectMended(plane, await rescue(plane, ["scheduler"]), "kube-scheduler");
  });

  const container = (change: object) => ({
    template: { spec: { containers: [change] } },
  });

  longTest.each([
    ["a flag that it does not know", "command", ["kube-scheduler", "--no-such-flag"], "unknown flag: --no-such-flag"],
    ["an image that is nowhere", "image", "kubemend.test/none:1", 'has no image "kubemend.test/none:1"'],
  ])("a Deployment with %s: an earlier revision stands in", async (_, field, value, why) => {
    const { spec } = await plane.api.get(deploymentPath("kube-scheduler"));
    const [current] = spec.template.spec.containers;
    await lose(plane, ["kube-scheduler"], container({ ...current, [field]: value }));
    await scaleWeb(4);
    const result = await rescue(plane, ["scheduler"]);
    expect(result, result.stderr).toMatchObject({ code: 1 });
    expect(result.stdout).toContain(
      'works by its rescue pod alone, "kube-system/kube-scheduler-rescue" on node "node1"',
    );
    expect(result.stdout).toMatch(/from revision \d+ of Deployment/);
    expect(result.stdout).toContain(why);
    expect(result.stdout).toContain("rollout undo deployment/kube-scheduler");
    expect(await rescuePods(plane)).toEqual(["kube-scheduler-rescue"]);
    await plane.podsReady("default", "app=web", 4); // it schedules

    const command = /kubectl (-n kube-system rollout undo deployment\/kube-scheduler)/.exec(result.stdout)![1]!;
    await plane.kubectl(...command.split(" "));
    await expectMended(plane, await rescue(plane, ["scheduler"]), "kube-scheduler");
    await scaleWeb(2);
    await plane.podsReady("default", "app=web", 2);
  });

  longTest("a Deployment whose pod fits nowhere: the rescue pod stays, and says why", async () => {
    await lose(plane, ["kube-scheduler"], { template: { spec: { nodeSelector: { disk: "none" } } } });
    const nowhere = await rescue(plane, ["scheduler", "-o", "json"]);
    expect(nowhere.code).toBe(1);
    const [outcome] = JSON.parse(nowhere.stdout).components;
    expect(outcome).toMatchObject({
      state: "rescued",
      rescuePod: { name: "kube-scheduler-rescue", node: "node1" },
      fault: { kind: "unschedulable" },
    });
    // It works, and nobody starts it again once its rescue pod ends.
    const seen = await diagnoseAt(placeIn(plane));
    expect([seen.verdict, namesOf(seen)]).toEqual([
      "broken",
      ["error scheduler-by-rescue-pod", "warning pods-unschedulable"],
    ]);
    await plane.api.patch(deploymentPath("kube-scheduler"), {
      spec: { template: { spec: { nodeSelector: { disk: null } } } },
    });
    await expectMended(plane, await rescue(plane, ["scheduler"]), "kube-scheduler");
  });

  longTest("a scheduler that is a static pod whose manifest is gone: etcd still knows it", async () => {
    const node = plane.nodes.get("node1")!;
    const { spec } = await plane.api.get(deploymentPath("kube-scheduler"));
    await plane.api.delete(deploymentPath("kube-scheduler"), { propagationPolicy: "Foreground" });
    await waitFor("the Deployment's pod to be gone", async () => (await podsOf(plane, "kube-scheduler")).length === 0);
    const config = await plane.issueKubeconfig("static-scheduler", "system:kube-scheduler");
    await node.write(SCHEDULER_CONF, readFileSync(config, "utf8"));
    const manifest = schedulerManifest(plane, spec.template.spec.containers[0].command);
    const path = SCHEDULER_MANIFEST;
    const before = await leaseHolder(plane, "kube-scheduler");
    await node.write(path, manifest);
    await newLeaseHolder(plane, "kube-scheduler", before);
    const mirror = "/api/v1/namespaces/kube-system/pods/kube-scheduler-node1";
    await waitFor("its mirror pod", () => plane.api.get(mirror));

    await node.run(["rm", path]);
    await waitFor("its mirror pod to be gone", () =>
      plane.api.get(mirror).then(
        () => false,
        () => true,
      ),
    );
    const result = await rescue(plane, ["scheduler"]);
    expect(result, result.stderr).toMatchObject({ code: 1 });
    expect(result.stderr).toContain('from static pod "kube-system/kube-scheduler-node1", as it last was');
    expect(result.stdout).toContain("its manifest is missing");
    await scaleWeb(3);
    await plane.podsReady("default", "app=web", 3);
    const still = await rescue(plane, ["scheduler", "-o", "json"]);
    await expectRescued(plane, still, "manifest-missing"); // though etcd may know it no more
    expect(still.stderr).toContain("continuing with it");

    await node.write(path, manifest);
    await waitFor("its mirror pod", () => plane.api.get(mirror));
    await expectMended(plane, await rescue(plane, ["scheduler"]), "kube-scheduler");

    await node.write(path, manifest.replace("--leader-elect=true", "--no-such-flag"));
    await waitFor("it to crash", async () => {
      const pod = await plane.api.get(mirror);
      const [status] = pod.status.containerStatuses ?? [];
      // The mirror pod of the manifest before it may have been restarted as well.
      return JSON.stringify(pod.spec).includes("no-such") && status?.restartCount > 0;
    });
    const broken = await rescue(plane, ["scheduler", "-o", "json"]);
    const { rescuePod } = await expectRescued(plane, broken, "bad-flag");
    expect(rescuePod.template).toContain("as it last was");
    await node.write(path, manifest);
    await waitFor(
      "its mirror pod",
      async () => !JSON.stringify((await plane.api.get(mirror)).spec).includes("no-such"),
    );
    await expectMended(plane, await rescue(plane, ["scheduler"]), "kube-scheduler");

    // It hangs until the time is up, and then continues: it is not called lost.
    const send = (signal: string) => node.run(["pkill", signal, "-f", "^kube-scheduler "]);
    await send("-STOP");
    let continued: Promise<string> | undefined;
    const late = await rescue(plane, ["scheduler", "--timeout=1s"], {
      reported: /watching whether the permanent kube-scheduler comes back by itself/,
      first: () => {
        continued = send("-CONT");
      },
      signal: "SIGCONT",
    });
    await continued;
    await expectMended(plane, late, "kube-scheduler");
    expect(late.stderr).toContain("the permanent kube-scheduler has come back by itself");
  });
});

/** A way to the API server that can be cut. */
async function startCutter(plane: ControlPlane) {
  const text = readFileSync(plane.kubeconfig, "utf8");
  const [server] = /https:\/\/127\.0\.0\.1:\d+/.exec(text)!;
  const proxy = await startFaultyProxy(server, "cut", Number.POSITIVE_INFINITY);
  const kubeconfig = plane.bed.path("cut.kubeconfig");
  writeFileSync(kubeconfig, text.replace(server, proxy.endpoint.replace("http:", "https:")));
  return { proxy, kubeconfig };
}
