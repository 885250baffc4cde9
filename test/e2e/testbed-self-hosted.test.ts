import { expect } from "vitest";
import { leaseHolder, startSelfHosted } from "../../testbed/self-hosted.ts";
import { waitFor } from "../../testbed/wait.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";
import { webDeployment } from "./workloads.ts";

describeWithCluster("a self-hosted control plane", (kubernetes) => {
  longTest("runs its own pods and others', and is gone for good after a reboot of its only master", async () => {
    await using plane = await startSelfHosted({ kubernetes });
    const node = plane.nodes.get("node1")!;
    expect([...plane.bed.processes.keys()].filter((name) => name.startsWith("kube-"))).toEqual([]);
    for (const component of ["kube-controller-manager", "kube-scheduler"]) {
      expect(await leaseHolder(plane, component)).toMatch(/^node1_/);
    }
    await plane.api.apply(webDeployment(3));
    const pods = await plane.podsReady("default", "app=web", 3);
    for (const pod of pods) {
      expect(await plane.bed.run(["busybox", "wget", "-qO-", `http://${pod.status.podIP}:8080`])).toBe(
        `${pod.metadata.name}\n`,
      );
    }

    // The disaster that checkpoints are for: the kubelet has no static pods, and nobody to ask for others.
    await node.reboot();
    await waitFor("the kubelet to look for its API server", () =>
      /connection refused/.test(node.kubelet?.lastLines(50) ?? ""),
    );
    expect(await node.containers()).toEqual([]);
    await expect(plane.api.get("/readyz")).rejects.toThrow();
  });
});
