/**
 * `cluster restore` and `cluster undo` on clusters of three control-plane nodes that the real kubeadm has made, over
 * the system's own ssh.
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

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the orchestrator in the bed's own network, as on an administrator's machine. */
async function cluster(bed: KubeadmCluster, ssh: readonly string[], ...words: string[]): Promise<Outcome> {
  const reach = ["--ssh-command", ssh.join(" "), "--node-command", KUBEMEND.join(" ")];
  const outcome = await bed.bed.runForResult([...KUBEMEND, "cluster", ...words, ...reach], { timeoutSeconds: 900 });
  return { code: outcome.code ?? -1, stdout: outcome.stdout, stderr: outcome.stderr };
}

/** Saves a snapshot on a node and brings it to this machine. Returns its path here. */
async function backUp(bed: KubeadmCluster, node: Node): Promise<string> {
  const path = "/root/backup.db";
  const endpoint = `https://${node.address}:2379`;
  await node.run([...KUBEMEND, "snapshot", "save", path, "--endpoints", endpoint, ...ETCD_FLAGS]);
  const outside = bed.bed.path("backup.db");
  await bed.bed.run(["sh", "-ec", `cat '${node.outsidePath(path)}' >'${outside}'`]);
  return outside;
}

async function configMaps(bed: KubeadmCluster, node: Node): Promise<string[]> {
  const api = await bed.apiOf(node);
  const items = await waitFor(
    `${node.name}'s API server to list`,
    () => api.list("/api/v1/namespaces/default/configmaps"),
    {
      seconds: 120,
    },
  );
  api.close();
  return items
    .map(({ metadata }) => metadata.name)
    .filter((name: string) => /^(before|after)-/.test(name))
    .sort();
}

async function create(bed: KubeadmCluster, name: string): Promise<void> {
  await bed.api.applyObject({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "default" },
    data: { name },
  });
}

describeWithCluster("a cluster of one control-plane node", (kubernetes) => {
  longTest(
    "its data lost, restored, taken back, salvaged",
    async () => {
      await using bed = await startKubeadm({ kubernetes, controlPlanes: 1 });
      const [only] = bed.controlPlanes as [Node];
      const ssh = await bed.startSsh();
      const here = `--node=${only.name}=${only.address}`;
      await create(bed, "before-1");
      const outside = await backUp(bed, only);
      await create(bed, "after-1");

      const restored = await cluster(bed, ssh, "restore", outside, "--yes", "-o", "json");
      expect([restored.code, restored.stderr]).toEqual([0, expect.stringContaining("proving the control plane")]);
      const { plan, etcd } = JSON.parse(restored.stdout);
      expect(etcd.members).toBe(1);
      expect(await configMaps(bed, only)).toEqual(["before-1"]);

      const undone = await cluster(bed, ssh, "undo", plan.id, "--yes", here);
      expect([undone.code, undone.stderr, undone.stdout]).toEqual([0, expect.anything(), `m1: as before ${plan.id}\n`]);
      expect(await configMaps(bed, only)).toEqual(["after-1", "before-1"]);

      const salvaged = await cluster(bed, ssh, "salvage", "--yes", "-o", "json", here);
      expect([salvaged.code, salvaged.stderr]).toEqual([0, expect.stringContaining("proving the control plane")]);
      expect(JSON.parse(salvaged.stdout).etcd.members).toEqual(["m1"]);
      expect(await configMaps(bed, only)).toEqual(["after-1", "before-1"]);
    },
    1_800_000,
  );
});

describeWithCluster("a cluster of three control-plane nodes", (kubernetes) => {
  longTest(
    "all etcd data lost, restored by one command; a restore while an old member runs; undo",
    async () => {
      await using bed = await startKubeadm({ kubernetes, controlPlanes: 3 });
      const [first, second, third] = bed.controlPlanes as [Node, Node, Node];
      const ssh = await bed.startSsh();
      await create(bed, "before-1");
      await create(bed, "before-2");
      const outside = await backUp(bed, first);
      await create(bed, "after-1");

      const plan = await cluster(bed, ssh, "restore", outside, "--plan", "-o", "json");
      expect(plan.stderr).not.toContain("problem:");
      const { plan: planned, notes } = JSON.parse(plan.stdout);
      expect(notes.problems).toEqual([]);
      expect(planned.members.map(({ node, address }: { node: string; address: string }) => [node, address])).toEqual(
        bed.controlPlanes.map((node) => [node.name, node.address]),
      );
      expect(await configMaps(bed, first)).toEqual(["after-1", "before-1", "before-2"]);

      // Every disk of etcd is lost but one, whose member runs on.
      for (const node of [first, second]) await node.run(["rm", "-rf", "/var/lib/etcd/member"]);
      const restored = await cluster(bed, ssh, "restore", outside, "--yes", "-o", "json");
      expect([restored.code, restored.stderr]).toEqual([0, expect.stringContaining("proving the control plane")]);
      const result = JSON.parse(restored.stdout);
      expect(result.etcd).toMatchObject({ members: 3 });
      expect(Object.keys(result.controlPlane.leases).sort()).toEqual(["kube-controller-manager", "kube-scheduler"]);
      for (const node of [first, second, third]) expect(await configMaps(bed, node)).toEqual(["before-1", "before-2"]);

      const again = await cluster(
        bed,
        ssh,
        "undo",
        result.plan.id,
        "--yes",
        ...bed.controlPlanes.map((node) => `--node=${node.name}=${node.address}`),
      );
      expect([again.code, again.stdout]).toEqual([0, `m1, m2, m3: as before ${result.plan.id}\n`]);
      // One old member is whole and two are not: there is no quorum, as before the restore.
      expect(await third.run(["ls", "/var/lib/etcd/member/snap"])).toContain("db");
      await create(bed, "never").then(
        () => expect.unreachable(),
        () => undefined,
      );
      const third2 = await cluster(bed, ssh, "restore", outside, "--yes", "-o", "json");
      expect([third2.code, third2.stderr]).toEqual([0, expect.stringContaining("proving the control plane")]);
      expect(await configMaps(bed, second)).toEqual(["before-1", "before-2"]);
    },
    2_700_000,
  );
});
