/**
 * One self-hosted cluster that loses more and more: its controllers, its master, its etcd. Each time `start` is killed
 * at every step on the way, too.
 */
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { waitFor } from "../../testbed/wait.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";
import { KUBEMEND, type RenderedCluster, renderedCluster } from "./rendered-cluster.ts";
import { expectNothingTemporary, expectStarted, expectWebServes, startKilledAtEveryStep } from "./starting.ts";
import { webDeployment } from "./workloads.ts";

const WEB = "/apis/apps/v1/namespaces/default/deployments/web";
const CONTROLLERS = ["kube-controller-manager", "kube-scheduler"];

describeWithCluster("a self-hosted control plane with etcd outside comes back", (kubernetes) => {
  let cluster: RenderedCluster;
  let backup: string;

  beforeAll(async () => {
    cluster = await renderedCluster(kubernetes);
    expectStarted(await cluster.start("--timeout=5m"), cluster.node);
    await cluster.api.apply(webDeployment(2));
    await expectWebServes(cluster, 2);
    backup = cluster.bed.path("backup.db");
    await kubemend("snapshot", "save", backup, ...etcdFlags(["--cacert", "--cert", "--key"], "--endpoints"));
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  const kubemend = (...args: string[]) => cluster.node.run([...KUBEMEND, ...args], { timeoutSeconds: 60 });
  const etcdFlags = (tls: readonly [string, string, string], servers: string) => {
    const { authority, client, endpoints } = cluster.etcd;
    const paths = [authority.certificatePath, client.certificatePath, client.keyPath];
    return [`${servers}=${endpoints.join(",")}`, ...tls.map((flag, i) => `${flag}=${paths[i]}`)];
  };
  const kubeconfig = () => `--kubeconfig=${join(cluster.assetDir, "auth/kubeconfig")}`;
  /** From the live etcd, with the flags that `bootkube recover` had. */
  const recoverFromEtcd = (directory: string) =>
    kubemend(
      "recover",
      `--recovery-dir=${directory}`,
      kubeconfig(),
      ...etcdFlags(["--etcd-ca-path", "--etcd-certificate-path", "--etcd-private-key-path"], "--etcd-servers"),
    );
  const pods = (component: string) =>
    cluster.api.list(`/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3D${component}`);
  const isDeleted = (pod: { readonly metadata: { readonly deletionTimestamp?: string } }) =>
    pod.metadata.deletionTimestamp !== undefined;
  const lease = (name: string) =>
    cluster.api.get(`/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/${name}`).then(({ spec }) => spec);

  longTest("after its scheduler and controller manager were scaled away, from the API server", async () => {
    const { api, bed } = cluster;
    // The scheduler goes first: the controller manager has to see to it, and then to its own end.
    for (const name of [...CONTROLLERS].reverse()) {
      await api.patch(`/apis/apps/v1/namespaces/kube-system/deployments/${name}`, { spec: { replicas: 0 } });
      await waitFor(`${name} to be deleted`, async () => (await pods(name)).every(isDeleted));
    }
    const selector = encodeURIComponent(`k8s-app in (${CONTROLLERS.join(",")})`);
    await api.delete(`/api/v1/namespaces/kube-system/pods?labelSelector=${selector}`, { gracePeriodSeconds: 0 });
    await waitFor("both to be gone", async () =>
      (await cluster.node.containers()).every((each) => !CONTROLLERS.some((name) => each.endsWith(`/${name}`))),
    );
    await api.patch(WEB, { spec: { replicas: 3 } });

    const before = await Promise.all(CONTROLLERS.map(lease));
    await kubemend("recover", `--recovery-dir=${bed.path("from-api-server")}`, kubeconfig());
    await startKilledAtEveryStep(cluster.node, bed.path("from-api-server"));
    await expectNothingTemporary(cluster.node);
    for (const [i, name] of CONTROLLERS.entries()) {
      const { holderIdentity, renewTime } = await lease(name);
      expect(holderIdentity).not.toBe(before[i].holderIdentity);
      expect(renewTime > before[i].renewTime).toBe(true);
    }
    await expectWebServes(cluster, 3);
  });

  longTest("after its master was destroyed, on another machine at the same address, from the live etcd", async () => {
    const { bed } = cluster;
    const node = await cluster.replaceControlPlaneNode("node2");
    await recoverFromEtcd(bed.path("from-etcd"));
    const story = await startKilledAtEveryStep(node, bed.path("from-etcd"));
    expect(story).toMatch(/this machine has the address of node "node1", .*: deleted that node/);
    await expectNothingTemporary(node);
    await expectWebServes(cluster, 3);
  });

  longTest("after etcd was lost with the master, from the backup of another time", async () => {
    const { bed, etcd } = cluster;
    const [member] = etcd.members as [(typeof etcd.members)[number]];
    await member.kill();
    member.loseDisk();
    await cluster.node.loseDisk();
    await kubemend(
      "snapshot",
      "restore",
      backup,
      `--data-dir=${member.dataDirectory}`,
      `--name=${member.name}`,
      `--initial-cluster=${member.name}=${member.peerUrl}`,
      `--initial-cluster-token=${bed.id}`,
      `--initial-advertise-peer-urls=${member.peerUrl}`,
    );
    member.start();
    await etcd.ready();
    await recoverFromEtcd(bed.path("from-restored-etcd"));
    await startKilledAtEveryStep(cluster.node, bed.path("from-restored-etcd"));
    await expectNothingTemporary(cluster.node);
    await expectWebServes(cluster, 2); // so many there were when the backup was taken
  });
});
