import { expect, test } from "vitest";
import { conditionOf } from "../../testbed/control-plane.ts";
import { waitFor } from "../../testbed/wait.ts";
import { describeWithCluster } from "./kubernetes.ts";
import { renderedCluster } from "./rendered-cluster.ts";
import { webDeployment } from "./workloads.ts";

describeWithCluster("start", (kubernetes) => {
  test("brings up a rendered cluster that runs by itself, and a Deployment on it", async () => {
    await using cluster = await renderedCluster(kubernetes);
    const { node, api, bed } = cluster;
    const started = await cluster.start("--timeout=5m", "-o", "json");
    if (started.code !== 0) throw new Error(`${started.stderr}\n${bed.processes.get("node1-kubelet")?.lastLines(30)}`);
    if (process.env.KUBEMEND_E2E_STORY) process.stderr.write(started.stderr);
    expect(JSON.parse(started.stdout)).toMatchObject({ node: "node1", failed: [] });

    expect(await node.run(["ls", "/etc/kubernetes/manifests"])).toBe("");
    expect((await node.runForResult(["ls", "/etc/kubernetes/bootstrap-secrets"])).code).not.toBe(0);
    const running = await node.containers();
    for (const component of ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"]) {
      expect(running.filter((name) => name.startsWith(`kube-system/${component}-`)).length).toBeGreaterThan(0);
    }
    expect(running.filter((name) => name.includes("bootstrap-"))).toEqual([]);

    await api.apply(webDeployment(3));
    const pods = await waitFor("the web pods", async () => {
      const list = await api.list("/api/v1/namespaces/default/pods?labelSelector=app%3Dweb");
      return list.length === 3 && list.every((pod) => conditionOf(pod, "Ready") === "True") ? list : undefined;
    });
    for (const pod of pods) {
      const answer = await bed.run(["busybox", "wget", "-qO-", `http://${pod.status.podIP}:8080`]);
      expect(answer).toBe(`${pod.metadata.name}\n`);
    }
  });
});
