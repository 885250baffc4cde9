/**
 * A master of static pods as a person wakes up to it: what each failure looks like (API server stopped, scheduler
 * stopped, controller manager stopped), while user pods continue, and what only the machine itself can tell. The first
 * three are the steps of the runbook "cluster healing".
 */
import { afterAll, beforeAll, expect } from "vitest";
import { type Bed, createBed } from "../../testbed/bed.ts";
import { conditionOf } from "../../testbed/control-plane.ts";
import { STATIC_PODS_PATH } from "../../testbed/node.ts";
import { waitFor } from "../../testbed/wait.ts";
import { diagnoseAt, diagnosed, mended, type Place, runPrinted } from "./diagnosing.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";
import { expectWebServes } from "./starting.ts";
import {
  apiServerReady,
  PKI,
  type StaticControlPlaneNode,
  startControlPlaneNode,
} from "./static-control-plane-node.ts";
import { webDeployment } from "./workloads.ts";

const WEB = "/apis/apps/v1/namespaces/default/deployments/web";
const PODS = "/api/v1/namespaces/default/pods";

const isShort = process.env.KUBEMEND_E2E === "short";

describeWithCluster("diagnose on a master of static pods", (kubernetes) => {
  let bed: Bed;
  let controlPlaneNode: StaticControlPlaneNode;
  let here: Place;

  beforeAll(async () => {
    if (isShort) return;
    bed = createBed();
    controlPlaneNode = await startControlPlaneNode(bed, kubernetes);
    const { node, api } = controlPlaneNode;
    await apiServerReady(api, node);
    await api.apply(webDeployment(3));
    await expectWebServes({ api, bed }, 3);
    here = {
      run: (command, options) => node.runForResult(command, options),
      flags: [],
      bin: bed.path("bin"),
      kubernetes,
      async systemctl(verb, unit, host) {
        expect([unit, host]).toEqual(["kubelet", undefined]);
        if (verb === "restart") await node.stopKubelet();
        node.startKubelet();
      },
    };
    await diagnosed(here, [], 120);
  });
  afterAll(() => bed?.remove());

  /** Takes a component's manifest out of the kubelet's sight, and waits until its container has gone. */
  async function stop(component: string): Promise<void> {
    await controlPlaneNode.node.run(["mv", `${STATIC_PODS_PATH}/${component}.yaml`, "/root/"]);
    await gone(component);
  }
  const gone = (component: string) =>
    waitFor(`${component} to be gone`, async () =>
      (await controlPlaneNode.node.containers()).every((name) => !name.endsWith(`/${component}`)),
    );

  longTest("API server stopped: user pods still serve", async () => {
    const pods = await controlPlaneNode.api.list(`${PODS}?labelSelector=app%3Dweb`);
    await stop("kube-apiserver");
    await expect(controlPlaneNode.api.get(WEB)).rejects.toThrow();
    for (const { metadata, status } of pods) {
      const answer = await bed.run(["busybox", "wget", "-qO-", `http://${status.podIP}:8080`], { timeoutSeconds: 5 });
      expect(answer).toBe(`${metadata.name}\n`);
    }
    const { consequence, evidence } = await mended(here, "error kube-apiserver-manifest-missing");
    expect(consequence).toContain("running pods keep serving");
    expect(evidence.join("\n")).toContain("/root/kube-apiserver.yaml");
    await expectWebServes({ api: controlPlaneNode.api, bed }, 3);
  });

  longTest("scheduler stopped: scaled pods are Pending, then Running", async () => {
    await stop("kube-scheduler");
    await controlPlaneNode.api.patch(WEB, { spec: { replicas: 6 } });
    await waitFor("three pods to be Pending", async () => {
      const pods = await controlPlaneNode.api.list(`${PODS}?fieldSelector=status.phase%3DPending`);
      return pods.length === 3;
    });
    // They count once they have waited: a scheduler that gives its lease up is missed sooner.
    await waitFor("them to be named", async () => /3 pods waiting/.test(JSON.stringify(await diagnoseAt(here))));
    const { evidence } = await mended(here, "error kube-scheduler-manifest-missing");
    expect(evidence.join("\n")).toContain("no scheduler works");
    expect(evidence.join("\n")).toContain("3 pods waiting for a node");
    await expectWebServes({ api: controlPlaneNode.api, bed }, 6);
  });

  longTest("controller manager stopped: deleted pods are not replaced, then replaced", async () => {
    await controlPlaneNode.api.patch(WEB, { spec: { replicas: 6 } });
    await expectWebServes({ api: controlPlaneNode.api, bed }, 6);
    await stop("kube-controller-manager");
    const [first, second] = await controlPlaneNode.api.list(`${PODS}?labelSelector=app%3Dweb`);
    for (const { metadata } of [first, second]) {
      await controlPlaneNode.api.delete(`${PODS}/${metadata.name}`, { gracePeriodSeconds: 1 });
    }
    await waitFor("four pods to be left", async () => (await controlPlaneNode.api.list(PODS)).length === 4, {
      seconds: 120,
    });
    const { evidence } = await mended(here, "error kube-controller-manager-manifest-missing");
    expect(evidence.join("\n")).toContain("no controller manager works");
    expect(evidence.join("\n")).toMatch(/2 pods of 1 ReplicaSet are missing, and nobody makes them/);
    await expectWebServes({ api: controlPlaneNode.api, bed }, 6);
  });

  longTest("an API server with a flag that it does not know: its last words tell", async () => {
    const { node } = controlPlaneNode;
    const path = `${STATIC_PODS_PATH}/kube-apiserver.yaml`;
    const manifest = await node.read(path);
    await node.write(path, manifest.replace(/^( *)- --allow-privileged.*$/m, "$&\n$1- --insecure-everything=true"));
    const { evidence } = await mended(here, "error kube-apiserver-crash-loop", 120);
    expect(evidence.join("\n")).toContain("unknown flag: --insecure-everything");
    expect(await node.read(path)).toBe(manifest);
  });

  longTest("an API server whose key is not its certificate's: it cannot start", async () => {
    const { node, cluster, api } = controlPlaneNode;
    const other = await cluster.issue("other", { commonName: "other", use: "server" });
    await node.write(`${PKI}/apiserver.key`, other.key);
    await node.killContainers("kube-apiserver");
    await waitFor("the API server to end again and again", async () => {
      const { evidence } = (await diagnosed(here, ["error certificate-key-mismatch"])).troubles[0]!;
      return evidence.some((line) => line.includes("kube-apiserver ends again and again"));
    });
    await mended(here, "error certificate-key-mismatch");
    await apiServerReady(api, node);
  });

  longTest("etcd's manifest put away: the API server and all else is its consequence", async () => {
    await stop("etcd");
    await mended(here, "error etcd-manifest-missing");
  });

  longTest("a kubelet that is stopped, with everything else running", async () => {
    await controlPlaneNode.node.stopKubelet();
    await mended(here, "error kubelet-stopped");
  });

  longTest("a kubelet whose certificate has expired: its node is lost in consequence", async () => {
    const { node, cluster, api } = controlPlaneNode;
    const path = "/etc/kubernetes/kubeconfig";
    const good = await node.read(path);
    const day = 86_400_000;
    const expired = await cluster.issue("expired", {
      commonName: "system:node:node1",
      organizations: ["system:nodes"],
      use: "client",
      notBefore: new Date(Date.now() - 2 * day),
      notAfter: new Date(Date.now() - day),
    });
    const base64 = (text: string) => Buffer.from(text).toString("base64");
    await node.write(
      path,
      good
        .replace(/client-certificate-data: .*/, `client-certificate-data: ${base64(expired.certificate)}`)
        .replace(/client-key-data: .*/, `client-key-data: ${base64(expired.key)}`),
    );
    await node.stopKubelet();
    node.startKubelet();
    await waitFor(
      "the node to be lost",
      async () => conditionOf(await api.get("/api/v1/nodes/node1"), "Ready") === "Unknown",
      { seconds: 120 },
    );
    const { troubles } = await diagnosed(here, ["error certificate-expired"]);
    expect(troubles[0]!.evidence.join("\n")).toContain('node "node1" is not ready');
    await runPrinted(troubles[0]!.commands, here);
    await diagnosed(here, [], 120);
  });
});
