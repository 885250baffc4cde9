/**
 * A self-hosted control plane as a person wakes up to it: a scheduler or a controller manager that nobody makes, and a
 * machine that comes back to no API server.
 */
import { afterAll, beforeAll, expect } from "vitest";
import type { ControlPlane } from "../../testbed/control-plane.ts";
import { startSelfHosted } from "../../testbed/self-hosted.ts";
import { waitFor } from "../../testbed/wait.ts";
import { diagnosed, mended, type Place, runPrinted } from "./diagnosing.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";
import { webDeployment } from "./workloads.ts";

const DEPLOYMENTS = "/apis/apps/v1/namespaces/kube-system/deployments";
const WEB = "/apis/apps/v1/namespaces/default/deployments/web";
const isShort = process.env.KUBEMEND_E2E === "short";

describeWithCluster("diagnose on a self-hosted control plane", (kubernetes) => {
  let plane: ControlPlane;
  let here: Place;

  beforeAll(async () => {
    if (isShort) return;
    plane = await startSelfHosted({ kubernetes });
    const node = plane.nodes.get("node1")!;
    const { etcd } = plane;
    await plane.api.apply(webDeployment(2));
    await plane.podsReady("default", "app=web", 2);
    here = {
      run: (command, options) => node.runForResult(command, options),
      flags: [
        `--kubeconfig=${plane.authority.directory}/admin-inside.kubeconfig`,
        `--endpoints=${etcd.endpoints.join(",")}`,
        `--cacert=${etcd.authority.certificatePath}`,
        `--cert=${etcd.client.certificatePath}`,
        `--key=${etcd.client.keyPath}`,
      ],
      bin: plane.bed.path("bin"),
      kubernetes,
      systemctl: () => Promise.reject(new Error("nothing here is a unit's")),
    };
    await diagnosed(here, []);
  });
  afterAll(() => plane?.[Symbol.asyncDispose]());

  async function scaleAway(name: string): Promise<void> {
    await plane.api.patch(`${DEPLOYMENTS}/${name}`, { spec: { replicas: 0 } });
    await waitFor(`the pods of ${name} to go`, async () => {
      const path = `/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3D${name}`;
      return (await plane.api.list(path)).length === 0;
    });
  }

  longTest("a scheduler that was scaled away", async () => {
    await scaleAway("kube-scheduler");
    await plane.api.patch(WEB, { spec: { replicas: 3 } });
    const { evidence, commands } = await mended(here, "error scheduler-down", 120);
    expect(evidence.join("\n")).toContain("Deployment kube-system/kube-scheduler is scaled to 0");
    expect(commands[0]).toMatch(/^kubemend rescue scheduler --kubeconfig=/);
    await plane.podsReady("default", "app=web", 3);
  });

  longTest("a controller manager that was scaled away, and scaled back with nobody there to make it", async () => {
    await scaleAway("kube-controller-manager");
    await plane.api.patch(`${DEPLOYMENTS}/kube-controller-manager`, { spec: { replicas: 1 } });
    await plane.api.patch(WEB, { spec: { replicas: 2 } });
    const { evidence } = await mended(here, "error controller-manager-down", 120);
    expect(evidence.join("\n")).toContain("Deployment kube-system/kube-controller-manager has no pod");
    await plane.podsReady("default", "app=web", 2);
  });

  // The last one: start does not get along yet with a scheduler and a controller manager on the host's network, as this bed has them.
  longTest("a master that was rebooted: nobody starts its API server", async () => {
    await plane.api.patch(WEB, { spec: { replicas: 3 } });
    await plane.podsReady("default", "app=web", 3);
    await plane.nodes.get("node1")!.reboot();
    const { troubles } = await diagnosed(here, ["error kube-apiserver-not-running"]);
    const { commands } = troubles[0]!;
    expect(commands.map((line) => line.split(" ")[2])).toEqual(["recover", "start"]);
    await runPrinted(commands, here);
    await diagnosed(here, []);
    await plane.podsReady("default", "app=web", 3);
  });
});
