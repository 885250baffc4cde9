import { afterAll, beforeAll, expect, test } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { CHECKPOINTER_IMAGE } from "../../src/bootstrap/checkpointer-image.ts";
import { type ControlPlane, conditionOf, startControlPlane } from "../../testbed/control-plane.ts";
import { kubemendImage } from "../../testbed/images.ts";
import type { Node } from "../../testbed/node.ts";
import { waitFor } from "../../testbed/wait.ts";
import { builtExecutable } from "./executable.ts";
import { describeWithCluster } from "./kubernetes.ts";
import { webDeployment } from "./workloads.ts";

describeWithCluster("real nodes", (kubernetes) => {
  let plane: ControlPlane;
  let first: Node;
  let second: Node;

  beforeAll(async () => {
    plane = await startControlPlane({ kubernetes, nodeMonitorGraceSeconds: 8 });
    const images = [kubemendImage(await builtExecutable())];
    [first, second] = await Promise.all([plane.addNode("node1", { images }), plane.addNode("node2")]);
    await plane.api.apply(webDeployment(4));
  });
  afterAll(() => plane?.[Symbol.asyncDispose]());

  const serves = (from: Node, address: string) =>
    from.run(["busybox", "wget", "-qO-", `http://${address}`], { timeoutSeconds: 5 });
  const readyIs = (node: Node, status: string) =>
    waitFor(
      `node "${node.name}" to have Ready ${status}`,
      async () => conditionOf(await plane.api.get(`/api/v1/nodes/${node.name}`), "Ready") === status,
      { seconds: 90 },
    );

  test("run pods that serve on their own addresses and on a service's, from every node", async () => {
    const pods = await plane.podsReady("default", "app=web", 4);
    expect(new Set(pods.map((pod) => pod.spec.nodeName))).toEqual(new Set(["node1", "node2"]));
    for (const pod of pods) {
      for (const node of [first, second]) {
        expect(await serves(node, `${pod.status.podIP}:8080`)).toBe(`${pod.metadata.name}\n`);
      }
    }
    await waitFor("the service to serve", () => serves(first, "10.96.0.80"), {
      explain: () => plane.logs(["node1-kube-proxy"]),
    });
    const names = pods.map((pod) => `${pod.metadata.name}\n`);
    expect(names).toContain(await serves(second, "10.96.0.80"));
    expect(await plane.kubectl("logs", pods[0].metadata.name)).toBe(""); // the API server reaches the kubelet
  });

  test("run kubemend from the image that is built without Docker", async () => {
    const path = "/api/v1/namespaces/default/pods/kubemend";
    await plane.api.applyObject({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "kubemend", namespace: "default" },
      spec: {
        nodeName: "node1",
        restartPolicy: "Never",
        containers: [{ name: "kubemend", image: CHECKPOINTER_IMAGE, imagePullPolicy: "Never", args: ["--version"] }],
      },
    });
    await waitFor("the pod to be done", async () => (await plane.api.get(path)).status.phase === "Succeeded");
    expect(await plane.kubectl("logs", "kubemend")).toBe(`${packageJson.version}\n`);
    await plane.kubectl("delete", "pod", "kubemend");
  });

  test("share nothing with this machine's network", async () => {
    const links = JSON.parse(await first.run(["ip", "-j", "link"])) as { ifname: string; link_type: string }[];
    const own = links.filter(({ ifname }) => !ifname.startsWith("veth"));
    expect(own.map(({ ifname }) => ifname).sort()).toEqual(["cni0", "eth0", "lo"]);
    expect(await plane.bed.run(["ip", "route", "show", "default"])).toBe("");
    expect(await plane.bed.run(["cat", "/proc/sys/net/ipv4/ip_forward"])).toBe("0\n");
  });

  test("a reboot ends every container and keeps the disk", async () => {
    await first.write("/var/lib/etcd/kept", "disk");
    await first.write("/run/lost", "memory");
    const before = await first.containers();
    expect(before.length).toBeGreaterThan(0);
    const started = await first.run(["stat", "-c", "%Y", "/proc/1"]);
    await first.reboot();
    expect(await first.read("/var/lib/etcd/kept")).toBe("disk");
    expect((await first.runForResult(["cat", "/run/lost"])).code).not.toBe(0);
    expect(await first.run(["stat", "-c", "%Y", "/proc/1"])).not.toBe(started);
    await readyIs(first, "True");
    await waitFor("the pods to run again", async () => (await first.containers()).length === before.length);
    const pods = await plane.podsReady("default", "app=web", 4);
    const restarts = pods
      .filter((pod) => pod.spec.nodeName === "node1")
      .map((pod) => pod.status.containerStatuses[0].restartCount);
    expect(restarts).toEqual(restarts.map(() => 1));
  });

  test("a partition hides a node whose containers continue", async () => {
    const before = await second.containers();
    second.partition();
    await readyIs(second, "Unknown");
    expect(await second.containers()).toEqual(before);
    second.heal();
    await readyIs(second, "True");
  });

  test("a killed node is gone until it is started", async () => {
    await second.kill();
    expect(second.running).toBe(false);
    await readyIs(second, "Unknown");
    await second.start();
    await readyIs(second, "True");
  });

  test("a lost disk is a new machine of the same name", async () => {
    await second.write("/etc/kubernetes/manifests/mine.yaml", "{}");
    await second.loseDisk();
    expect(await second.run(["ls", "/etc/kubernetes/manifests"])).toBe("");
    await readyIs(second, "True");
    await plane.podsReady("default", "app=web", 4);
  });
});
