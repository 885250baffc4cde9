/**
 * A master as kubeadm makes it: etcd, API server, controller manager and scheduler are static pods, and their
 * certificates lie in /etc/kubernetes/pki.
 */
import { expect } from "vitest";
import { parse } from "yaml";
import { createBed } from "../../testbed/bed.ts";
import { type Node, STATIC_PODS_PATH } from "../../testbed/node.ts";
import { waitFor } from "../../testbed/wait.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";
import { KUBEMEND } from "./rendered-cluster.ts";
import { expectWebServes } from "./starting.ts";
import { apiServerReady, COMPONENTS, ETCD_URL, PKI, startControlPlaneNode } from "./static-control-plane-node.ts";
import { webDeployment } from "./workloads.ts";

describeWithCluster("a control plane of static pods", (kubernetes) => {
  longTest("comes back from a backup when its manifests and etcd's data are gone", async () => {
    using bed = createBed();
    const { node, api } = await startControlPlaneNode(bed, kubernetes);
    await apiServerReady(api, node);
    await api.apply(webDeployment(3));
    await expectWebServes({ api, bed }, 3);
    // The kubelet could tell nobody of its pods when it started them, and tries it again a minute later, or when it is restarted.
    await node.stopKubelet();
    node.startKubelet();
    await waitFor(
      "the mirror pods",
      async () => {
        const pods = await api.list("/api/v1/namespaces/kube-system/pods?labelSelector=tier%3Dcontrol-plane");
        return COMPONENTS.every((name) => pods.some((pod) => pod.metadata.name === `${name}-node1`));
      },
      { seconds: 120 },
    );
    const kubemend = (...args: string[]) => node.run([...KUBEMEND, ...args], { timeoutSeconds: 60 });
    const backup = bed.path("backup.db");
    const tls = [`--cacert=${PKI}/etcd/ca.crt`, `--cert=${PKI}/etcd/client.crt`, `--key=${PKI}/etcd/client.key`];
    await kubemend("snapshot", "save", backup, `--endpoints=${ETCD_URL}`, ...tls);
    const manifests = await manifestsOf(node);
    expect(Object.keys(manifests)).toEqual(COMPONENTS);

    await node.run(["sh", "-c", `rm -r ${STATIC_PODS_PATH}/*.yaml /var/lib/etcd/member`]);
    await waitFor("the control plane to be gone", async () =>
      (await node.containers()).every((name) => !COMPONENTS.some((component) => name.endsWith(`/${component}`))),
    );
    const reported = await kubemend(
      "recover",
      `--recovery-dir=${bed.path("recovered")}`,
      `--etcd-backup-file=${backup}`,
    );
    const [restore, copy, ...more] = reported
      .slice(reported.indexOf("Next:"))
      .split("\n")
      .filter((line) => line.startsWith("    sudo "))
      .map((line) => line.trim().replace(/^sudo (kubemend)?/, (_, own) => (own ? KUBEMEND.join(" ") : "")));
    expect(more).toEqual([]);
    await node.run(["sh", "-ec", restore!]);
    await node.reboot(); // the power goes in the middle of it
    await node.run(["sh", "-ec", copy!]);

    expect(await manifestsOf(node)).toEqual(manifests);
    await apiServerReady(api, node);
    await api.patch("/apis/apps/v1/namespaces/default/deployments/web", { spec: { replicas: 4 } });
    await expectWebServes({ api, bed }, 4);
  });
});

async function manifestsOf(node: Node): Promise<Record<string, unknown>> {
  const names = (await node.run(["ls", STATIC_PODS_PATH])).trim().split("\n");
  const texts = await Promise.all(names.map((name) => node.read(`${STATIC_PODS_PATH}/${name}`)));
  return Object.fromEntries(names.map((name, i) => [name.replace(".yaml", ""), parse(texts[i]!)]));
}
