/** A lost scheduler where there are two masters: one of them hangs, is not Ready, or is gone. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect } from "vitest";
import { type ControlPlane, conditionOf } from "../../testbed/control-plane.ts";
import { hyperkubeImage } from "../../testbed/images.ts";
import {
  KUBELET_LABEL,
  leaseHolder,
  MASTER_TAINT,
  newLeaseHolder,
  startSelfHosted,
} from "../../testbed/self-hosted.ts";
import { waitFor } from "../../testbed/wait.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";
import { deploymentPath, lose, podsOf, rescue } from "./losing.ts";
import { expectMended, expectRescued } from "./rescued.ts";
import { SCHEDULER_CONF, SCHEDULER_MANIFEST, schedulerManifest } from "./static-scheduler.ts";

/** Both masters have it. The API server stays on the first, where alone the older label is. */
const ROLE_LABEL = "node-role.kubernetes.io/control-plane";

describeWithCluster("two masters, and a scheduler that is lost", (kubernetes) => {
  let plane: ControlPlane;

  beforeAll(async () => {
    plane = await startSelfHosted({ kubernetes });
    await plane.addNode("node2", { images: [hyperkubeImage(kubernetes)], taints: [MASTER_TAINT] });
    for (const name of ["node1", "node2"]) {
      await plane.api.patch(`/api/v1/nodes/${name}`, { metadata: { labels: { [ROLE_LABEL]: "" } } });
    }
    const nodeSelector = { [KUBELET_LABEL]: null, [ROLE_LABEL]: "" };
    await lose(plane, ["kube-scheduler"], { template: { spec: { nodeSelector } } });
    await expectMended(plane, await rescue(plane, ["scheduler"]), "kube-scheduler");
  });
  afterAll(() => plane?.[Symbol.asyncDispose]());

  const notReady = (name: string) =>
    waitFor(
      `${name} not to be Ready`,
      async () => conditionOf(await plane.api.get(`/api/v1/nodes/${name}`), "Ready") !== "True",
      { seconds: 120 },
    );
  const schedulerNode = async (): Promise<string> => {
    const pods = await podsOf(plane, "kube-scheduler");
    return pods.find(({ metadata }) => !metadata.deletionTimestamp)?.spec.nodeName;
  };

  longTest("one that hangs makes way, and the other master stands in", async () => {
    const hung = await schedulerNode();
    const other = hung === "node1" ? "node2" : "node1";
    await plane.nodes.get(hung)!.run(["pkill", "-STOP", "-f", "^kube-scheduler "]);
    const result = await rescue(plane, ["scheduler"]);
    await expectMended(plane, result, "kube-scheduler");
    expect(result.stderr).toContain("runs and does not renew its lease: deleting it");
    expect(result.stderr).toContain(`created pod "kube-system/kube-scheduler-rescue" on node "${other}"`);
  });

  longTest("a master that is not Ready is not picked, one that goes is given up", async () => {
    const first = plane.nodes.get("node1")!;
    await lose(plane, ["kube-scheduler"]);
    await first.stopKubelet(); // its containers continue
    await notReady("node1");
    const picked = await rescue(plane, ["scheduler"]);
    await expectMended(plane, picked, "kube-scheduler");
    expect(picked.stderr).toContain('created pod "kube-system/kube-scheduler-rescue" on node "node2"');
    expect(await schedulerNode()).toBe("node2");
    first.startKubelet();
    await plane.nodesReady(["node1"]);

    await plane.nodes.get("node2")!.kill();
    await notReady("node2");
    const replaced = await rescue(plane, ["scheduler"]);
    await expectMended(plane, replaced, "kube-scheduler");
    expect(replaced.stderr).toContain('node "node2" is not Ready: deleting pod "kube-system/kube-scheduler-');
    expect(await schedulerNode()).toBe("node1");
    await plane.nodes.get("node2")!.start();
    await plane.nodesReady(["node2"]);
  });

  longTest("static pods: the mirror pod of a master that is gone tells what to run", async () => {
    const { spec } = await plane.api.get(deploymentPath("kube-scheduler"));
    await plane.api.delete(deploymentPath("kube-scheduler"), { propagationPolicy: "Foreground" });
    await waitFor(
      "the Deployment's pods to be gone",
      async () => (await podsOf(plane, "kube-scheduler")).length === 0,
      {
        seconds: 120,
      },
    );
    const before = await leaseHolder(plane, "kube-scheduler");
    const config = readFileSync(await plane.issueKubeconfig("static-scheduler", "system:kube-scheduler"), "utf8");
    for (const node of plane.nodes.values()) await node.write(SCHEDULER_CONF, config);
    const second = plane.nodes.get("node2")!;
    await second.write(SCHEDULER_MANIFEST, schedulerManifest(plane, spec.template.spec.containers[0].command));
    await newLeaseHolder(plane, "kube-scheduler", before);
    const mirror = "/api/v1/namespaces/kube-system/pods/kube-scheduler-node2";
    const runs = async () => (await plane.api.get(mirror)).status.containerStatuses?.[0]?.state.running;
    await waitFor("its mirror pod to tell that it runs", runs);

    await second.kill();
    await notReady("node2");
    const result = await rescue(plane, ["scheduler", "-o", "json"]);
    const outcome = await expectRescued(plane, result, "node-lost");
    expect(outcome.rescuePod).toMatchObject({
      node: "node1",
      template: 'static pod "kube-system/kube-scheduler-node2"',
    });
    expect(outcome.hint).toContain("bring the node back");

    await second.start();
    await plane.nodesReady(["node2"]);
    await waitFor("its mirror pod to tell that it runs", runs);
    await expectMended(plane, await rescue(plane, ["scheduler"]), "kube-scheduler");
    expect(await leaseHolder(plane, "kube-scheduler")).toMatch(/^node2_/);
  });
});
