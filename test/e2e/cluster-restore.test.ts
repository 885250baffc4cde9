/**
 * `cluster restore` and `cluster undo` on clusters of three control-plane nodes that the real kubeadm has made, over
 * the system's own ssh.
 */
import { expect } from "vitest";
import { startKubeadm } from "../../testbed/kubeadm.ts";
import type { Node } from "../../testbed/node.ts";
import {
  administrator,
  askService,
  backUp,
  cluster,
  create,
  created,
  etcdMembers,
  expectDone,
  nodeFlags,
} from "./clustering.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";

/** Random bytes over the middle of etcd's database and of its log, and then etcd ends. */
const DAMAGE =
  "for file in /var/lib/etcd/member/snap/db /var/lib/etcd/member/wal/*.wal; do dd if=/dev/urandom of=$file bs=4096 " +
  "seek=2 count=40 conv=notrunc 2>/dev/null; done; pkill -KILL -x etcd || true";

describeWithCluster("a cluster of one control-plane node", (kubernetes) => {
  longTest(
    "its data lost, restored, taken back, salvaged",
    async () => {
      await using bed = await startKubeadm({ kubernetes, controlPlanes: 1 });
      const [only] = bed.controlPlanes as [Node];
      const by = await administrator(bed);
      const here = `--node=${only.name}=${only.address}`;
      await create(bed, "before-1");
      const outside = await backUp(bed, only);
      await create(bed, "after-1");

      const restored = await cluster(by, "restore", outside, "--yes", "-o", "json");
      expectDone(restored);
      expect(restored.stderr).toContain("proving the control plane");
      const { plan, etcd } = JSON.parse(restored.stdout);
      expect(etcd.members).toBe(1);
      expect(await created(bed, only)).toEqual(["before-1"]);

      const undone = await cluster(by, "undo", plan.id, "--yes", here);
      expect([undone.code, undone.stderr, undone.stdout]).toEqual([0, expect.anything(), `m1: as before ${plan.id}\n`]);
      // The snapshot holds every secret of the cluster, and nobody continues with it.
      const kept = await only.run(["ls", `/var/lib/kubemend/cluster/${plan.id}`]);
      expect(kept).not.toContain("snapshot.db");
      expect(await created(bed, only)).toEqual(["after-1", "before-1"]);

      const salvaged = await cluster(by, "salvage", "--yes", "-o", "json", here);
      expectDone(salvaged);
      expect(salvaged.stderr).toContain("proving the control plane");
      expect(JSON.parse(salvaged.stdout).etcd.members).toEqual(["m1"]);
      expect(await created(bed, only)).toEqual(["after-1", "before-1"]);
    },
    1_800_000,
  );
});

describeWithCluster("a cluster of three control-plane nodes", (kubernetes) => {
  longTest(
    "all etcd data lost or damaged, restored by one command; a restore while an old member runs; undo",
    async () => {
      await using bed = await startKubeadm({ kubernetes, controlPlanes: 3, workers: 1 });
      const [first, second, third] = bed.controlPlanes as [Node, Node, Node];
      const by = await administrator(bed);
      const service = await askService(bed);
      await create(bed, "before-1");
      await create(bed, "before-2");
      const outside = await backUp(bed, first);
      await create(bed, "after-1");

      const plan = await cluster(by, "restore", outside, "--plan", "-o", "json");
      expect(plan.stderr).not.toContain("problem:");
      const { plan: planned, check } = JSON.parse(plan.stdout);
      expect(check.problems).toEqual([]);
      expect(planned.members.map(({ node, address }: { node: string; address: string }) => [node, address])).toEqual(
        bed.controlPlanes.map((node) => [node.name, node.address]),
      );
      expect(await created(bed, first)).toEqual(["after-1", "before-1", "before-2"]);

      // Every disk of etcd is lost but one, whose member runs on.
      for (const node of [first, second]) await node.run(["rm", "-rf", "/var/lib/etcd/member"]);
      const restored = await cluster(by, "restore", outside, "--yes", "-o", "json");
      expectDone(restored);
      expect(restored.stderr).toContain("proving the control plane");
      const result = JSON.parse(restored.stdout);
      expect(result.etcd).toMatchObject({ members: 3 });
      expect(Object.keys(result.controlPlane.leases).sort()).toEqual(["kube-controller-manager", "kube-scheduler"]);
      for (const node of [first, second, third]) expect(await created(bed, node)).toEqual(["before-1", "before-2"]);

      const again = await cluster(by, "undo", result.plan.id, "--yes", ...nodeFlags(bed.controlPlanes));
      expect([again.code, again.stdout]).toEqual([0, `m1, m2, m3: as before ${result.plan.id}\n`]);
      // One old member is whole and two are not: there is no quorum, as before the restore.
      expect(await third.run(["ls", "/var/lib/etcd/member/snap"])).toContain("db");
      await create(bed, "never").then(
        () => expect.unreachable(),
        () => undefined,
      );
      const third2 = await cluster(by, "restore", outside, "--yes", "-o", "json");
      expectDone(third2);
      expect(third2.stderr).toContain("proving the control plane");
      expect(await created(bed, second)).toEqual(["before-1", "before-2"]);

      // Every member's database and log are damaged: none of them can be read, and none starts.
      await create(bed, "after-2");
      for (const node of bed.controlPlanes) await node.run(["sh", "-ec", DAMAGE]);
      const fourth = await cluster(by, "restore", outside, "--yes", "-o", "json");
      expectDone(fourth);
      expect(fourth.stderr).toContain("the old data cannot be read");
      for (const node of bed.controlPlanes) expect(await created(bed, node)).toEqual(["before-1", "before-2"]);
      expect(await etcdMembers(third)).toEqual(["m1", "m2", "m3"]);

      const { answers, failures } = await service.end();
      expect(failures).toEqual([]);
      expect(answers).toBeGreaterThan(100);
    },
    2_700_000,
  );
});
