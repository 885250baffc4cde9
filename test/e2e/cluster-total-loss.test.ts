/**
 * The total loss: agents on three control-plane nodes that the real kubeadm has made keep a repository; then all three
 * machines are gone. Empty machines, the repository and its identity bring the cluster back.
 */
import { expect } from "vitest";
import { type KubeadmCluster, startKubeadm } from "../../testbed/kubeadm.ts";
import type { Node } from "../../testbed/node.ts";
import { waitFor } from "../../testbed/wait.ts";
import { type BackupPlace, listed, makeRepository, storedTo } from "../backup/agent.ts";
import { administrator, askService, cluster, create, created, KUBEMEND, nodeFlags, reachable } from "./clustering.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";

/** Where they are the old ones, every credential of the cluster still works. */
const KEYS = ["ca.key", "sa.key", "etcd/ca.key", "front-proxy-ca.key"].map((name) => `/etc/kubernetes/pki/${name}`);

/** As its unit runs it: on the node, for the node's own member of etcd. */
async function startBackupAgent(node: Node, { repository, signingKey }: BackupPlace): Promise<void> {
  const pki = "/etc/kubernetes/pki/etcd";
  const config = {
    repository,
    signingKeyFile: signingKey,
    name: node.name,
    etcd: {
      endpoints: [`https://${node.address}:2379`],
      caFile: `${pki}/ca.crt`,
      certFile: `${pki}/server.crt`,
      keyFile: `${pki}/server.key`,
    },
    interval: "1s",
    nodeFiles: true,
    metricsAddress: "none",
  };
  await node.write("/etc/kubemend/backup.yaml", JSON.stringify(config));
  node.startService("backup", [...KUBEMEND, "backup", "run", "--config", "/etc/kubemend/backup.yaml"]);
}

/** Waits until the repository has every node's files and everything that is written. */
async function stored(bed: KubeadmCluster, place: BackupPlace): Promise<void> {
  const written = await bed.api.list("/api/v1/namespaces/default/configmaps");
  await storedTo(place, Math.max(...written.map(({ metadata }) => Number(metadata.resourceVersion))));
  await waitFor(
    "every node's files to be stored",
    async () => new Set((await listed(place)).nodes.map(({ node }) => node)).size === bed.controlPlanes.length,
    { seconds: 120, explain: async () => JSON.stringify(await listed(place)) },
  );
}

function keysOf(node: Node): Promise<string> {
  return node.run(["sha256sum", ...KEYS]);
}

describeWithCluster("three control-plane nodes with backup agents", (kubernetes) => {
  longTest(
    "all machines are gone: empty ones, the repository and the identity bring the cluster back",
    async () => {
      await using bed = await startKubeadm({ kubernetes, controlPlanes: 3, workers: 1 });
      const by = await administrator(bed);
      const place = await makeRepository(bed.bed.path("backups"));
      for (const node of bed.controlPlanes) await startBackupAgent(node, place);
      const service = await askService(bed);
      for (const name of ["before-1", "before-2", "before-3"]) await create(bed, name);
      await stored(bed, place);
      const keys = await Promise.all(bed.controlPlanes.map(keysOf));

      for (const node of bed.controlPlanes) await node.stopService("backup");
      for (const node of bed.controlPlanes) await node.kill();
      for (const node of bed.controlPlanes) await bed.newMachine(node);
      for (const node of bed.controlPlanes) await reachable(by, node);
      const found = await Promise.all(
        bed.controlPlanes.map((node) => node.runForResult(["ls", "/etc/kubernetes/pki"])),
      );
      expect(found.map(({ code }) => code === 0)).toEqual([false, false, false]);

      const moment = `${place.repository}@latest`;
      const words = ["--identity", place.identity, "--yes", "-o", "json"];
      const restored = await cluster(by, "restore", moment, ...words, ...nodeFlags(bed.controlPlanes));
      expect([restored.code, restored.stderr]).toEqual([0, expect.stringContaining("proving the control plane")]);
      const result = JSON.parse(restored.stdout);
      expect(result.etcd).toMatchObject({ members: 3 });
      expect(Object.keys(result.controlPlane.leases).sort()).toEqual(["kube-controller-manager", "kube-scheduler"]);
      for (const node of bed.controlPlanes)
        expect(await created(bed, node)).toEqual(["before-1", "before-2", "before-3"]);
      expect(await Promise.all(bed.controlPlanes.map(keysOf))).toEqual(keys);
      await create(bed, "after-1", bed.controlPlanes[1]);

      const { answers, failures } = await service.end();
      expect(failures).toEqual([]);
      expect(answers).toBeGreaterThan(100);
    },
    1_800_000,
  );
});
