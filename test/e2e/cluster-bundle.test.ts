/**
 * `cluster bundle` and `cluster apply`: three control-plane nodes that the real kubeadm has made, restored without ssh,
 * each from its own file.
 */
import { join } from "node:path";
import { expect } from "vitest";
import { type KubeadmCluster, startKubeadm } from "../../testbed/kubeadm.ts";
import type { Node } from "../../testbed/node.ts";
import { waitFor } from "../../testbed/wait.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";

const KUBEMEND = [process.execPath, join(import.meta.dirname, "../../src/cli/main.ts")];
const ETCD_FLAGS = [
  "--cacert=/etc/kubernetes/pki/etcd/ca.crt",
  "--cert=/etc/kubernetes/pki/etcd/server.crt",
  "--key=/etc/kubernetes/pki/etcd/server.key",
];

async function create(bed: KubeadmCluster, name: string): Promise<void> {
  const metadata = { name, namespace: "default" };
  await bed.api.applyObject({ apiVersion: "v1", kind: "ConfigMap", metadata, data: { name } });
}

async function marks(bed: KubeadmCluster, node: Node): Promise<string[]> {
  const api = await bed.apiOf(node);
  const path = "/api/v1/namespaces/default/configmaps";
  const items = await waitFor(`${node.name}'s API server to list`, () => api.list(path), { seconds: 120 });
  api.close();
  const found = items.map(({ metadata }) => metadata.name as string);
  return found.filter((name) => /^(before|after)-/.test(name)).sort();
}

describeWithCluster("a cluster of three control-plane nodes, without ssh", (kubernetes) => {
  longTest(
    "each node from its bundle, waiting for its peers; leaf certificates lost on one; taken back",
    async () => {
      await using bed = await startKubeadm({ kubernetes, controlPlanes: 3 });
      const [first, second, third] = bed.controlPlanes as [Node, Node, Node];
      await create(bed, "before-1");
      const backup = "/root/backup.db";
      const endpoint = `--endpoints=https://${first.address}:2379`;
      await first.run([...KUBEMEND, "snapshot", "save", backup, endpoint, ...ETCD_FLAGS]);
      await create(bed, "after-1");
      const outside = bed.bed.path("backup.db");
      await bed.bed.run(["sh", "-ec", `cat '${first.outsidePath(backup)}' >'${outside}'`]);
      const made = await bed.bed.run([
        ...KUBEMEND,
        "cluster",
        "bundle",
        outside,
        `--out=${bed.bed.path("b")}`,
        "-o",
        "json",
      ]);
      const { plan, bundles } = JSON.parse(made) as {
        plan: { id: string };
        bundles: { node: string; path: string }[];
      };
      const file = "/root/node.bundle";
      for (const { node, path } of bundles) {
        const target = bed.controlPlanes.find(({ name }) => name === node)!;
        await bed.bed.run(["sh", "-ec", `cat '${path}' >'${target.outsidePath(file)}'`]);
      }
      // One node has lost what no backup of etcd holds.
      const pki = "/etc/kubernetes/pki";
      const lost = [
        `${pki}/apiserver.crt`,
        `${pki}/etcd/peer.crt`,
        `${pki}/etcd/peer.key`,
        "/etc/kubernetes/admin.conf",
      ];
      await second.run(["rm", "-f", ...lost]);
      await third.run(["rm", "-rf", "/var/lib/etcd/member"]);

      const apply = (node: Node, ...more: string[]) =>
        node.runForResult([...KUBEMEND, "cluster", "apply", file, "--yes", ...more], { timeoutSeconds: 900 });
      const results = await Promise.all(bed.controlPlanes.map((node) => apply(node, "-o", "json")));
      for (const { code, stderr } of results) expect([code, stderr]).toEqual([0, expect.stringContaining("finishing")]);
      const parsed = results.map(({ stdout }) => JSON.parse(stdout) as { etcd: { members: number; hash: string } });
      expect(parsed.map(({ etcd }) => etcd.members)).toEqual([3, 3, 3]);
      for (const node of bed.controlPlanes) expect(await marks(bed, node)).toEqual(["before-1"]);
      for (const path of lost) await second.run(["test", "-f", path]);

      const undone = await Promise.all(bed.controlPlanes.map((node) => apply(node, "--undo")));
      for (const { code, stdout, stderr } of undone) {
        expect([code, stdout, stderr]).toEqual([0, `as before ${plan.id}\n`, expect.anything()]);
      }
      expect((await second.runForResult(["test", "-f", `${pki}/apiserver.crt`])).code).not.toBe(0);
    },
    2_700_000,
  );
});
