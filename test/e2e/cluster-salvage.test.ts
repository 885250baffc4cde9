/** `cluster salvage` and `cluster replace-node` on a cluster of three control-plane nodes that the real kubeadm has made. */
import { expect } from "vitest";
import { conditionOf } from "../../testbed/control-plane.ts";
import { startKubeadm } from "../../testbed/kubeadm.ts";
import type { Node } from "../../testbed/node.ts";
import { waitFor } from "../../testbed/wait.ts";
import {
  administrator,
  askService,
  cluster,
  create,
  created,
  etcdMembers,
  expectDone,
  nodeFlags,
  reachable,
} from "./clustering.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";

describeWithCluster("a cluster of three control-plane nodes", (kubernetes) => {
  longTest(
    "two of three lose etcd's data: salvaged from the third; then one machine is lost: a new one takes its place",
    async () => {
      await using bed = await startKubeadm({ kubernetes, controlPlanes: 3, workers: 1 });
      const [first, second, third] = bed.controlPlanes as [Node, Node, Node];
      const by = await administrator(bed);
      const service = await askService(bed);
      for (let i = 1; i <= 20; i++) await create(bed, `before-${i}`);
      const all = await created(bed, third);
      expect(all).toHaveLength(20);

      // A write that only a survivor may have: the other two die with it.
      for (const node of [first, second]) {
        await node.run(["sh", "-ec", "rm -rf /var/lib/etcd/member; pkill -KILL -x etcd || true"]);
      }
      // kubeadm's first member begins a cluster of its own on an empty disk: what it has counts for nothing.
      const without = "--without-data=m1,m2";
      const salvaged = await cluster(by, "salvage", without, "--yes", "-o", "json", ...nodeFlags(bed.controlPlanes));
      expectDone(salvaged);
      const result = JSON.parse(salvaged.stdout);
      expect([...result.etcd.members].sort()).toEqual(["m1", "m2", "m3"]);
      expect(result.salvage).toMatchObject({ isComplete: true, lost: [] });
      for (const node of bed.controlPlanes) expect(await created(bed, node)).toEqual(all);
      expect(await etcdMembers(second)).toEqual(["m1", "m2", "m3"]);
      await create(bed, "after-1", second);

      // A machine is gone for good.
      await third.kill();
      const living = nodeFlags([first, second]);
      await bed.newMachine(third);
      await reachable(by, third);
      await waitFor(
        "m3 not to be Ready",
        async () => conditionOf(await bed.api.get("/api/v1/nodes/m3"), "Ready") !== "True",
        { seconds: 180 },
      );
      const join = ["--to", third.address, "--join-flag=--ignore-preflight-errors=all"];
      const replaced = await cluster(by, "replace-node", "m3", ...join, "--yes", "-o", "json", ...living);
      expectDone(replaced);
      expect([...JSON.parse(replaced.stdout).etcd.members].sort()).toEqual(["m1", "m2", "m3"]);
      expect(await etcdMembers(third)).toEqual(["m1", "m2", "m3"]);
      expect(await created(bed, third)).toEqual([...all, "after-1"].sort());

      // A node that lives is not replaced.
      const refused = await cluster(by, "replace-node", "m3", ...join, "--yes", ...living);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain('node "m3" is Ready: it is not lost');

      const { answers, failures } = await service.end();
      expect(failures).toEqual([]);
      expect(answers).toBeGreaterThan(50);
    },
    2_700_000,
  );
});
