/** `cluster restore` and `cluster undo` of an etcd that is a service of its own hosts, under a control plane of kubeadm. */
import { expect } from "vitest";
import { EXTERNAL_PKI, endpointsOf } from "../../testbed/etcd-hosts.ts";
import { startKubeadm } from "../../testbed/kubeadm.ts";
import type { Node } from "../../testbed/node.ts";
import { administrator, cluster, create, created, expectDone, KUBEMEND, nodeFlags } from "./clustering.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";

const TLS = [
  `--cacert=${EXTERNAL_PKI}/ca.crt`,
  `--cert=${EXTERNAL_PKI}/client.crt`,
  `--key=${EXTERNAL_PKI}/client.key`,
];

describeWithCluster("a control-plane node of kubeadm with three etcd hosts", (kubernetes) => {
  longTest(
    "two hosts lose their data: all are restored by one command, and taken back",
    async () => {
      await using bed = await startKubeadm({ kubernetes, controlPlanes: 1, etcdHosts: 3 });
      const [node] = bed.controlPlanes as [Node];
      const [first, second, third] = bed.etcdHosts as [Node, Node, Node];
      const by = await administrator(bed);
      await create(bed, "before-1");
      const saved = "/root/backup.db";
      const endpoint = `--endpoints=${endpointsOf([third])[0]}`;
      await node.run([...KUBEMEND, "snapshot", "save", saved, endpoint, ...TLS]);
      const backup = bed.bed.path("backup.db");
      await bed.bed.run(["sh", "-ec", `cat '${node.outsidePath(saved)}' >'${backup}'`]);
      await create(bed, "after-1");

      for (const host of [first, second]) {
        await host.run(["sh", "-ec", "rm -rf /var/lib/etcd/data/member; pkill -KILL -x etcd || true"]);
      }
      const restored = await cluster(by, "restore", backup, "--yes", "-o", "json");
      expectDone(restored);
      const { plan, etcd, controlPlane } = JSON.parse(restored.stdout);
      expect(etcd.members).toBe(3);
      expect(plan.members.map(({ dataDir }: { dataDir: string }) => dataDir)).toEqual(
        Array(3).fill("/var/lib/etcd/data"),
      );
      expect(controlPlane.nodesReady).toEqual(["m1"]);
      expect(await created(bed, node)).toEqual(["before-1"]);
      expect(await third.run(["ls", "/var/lib/etcd"])).toContain("data.before-");

      const undone = await cluster(by, "undo", plan.id, "--yes", ...nodeFlags([...bed.etcdHosts, node]));
      expect([undone.code, undone.stdout]).toEqual([0, `e1, e2, e3, m1: as before ${plan.id}\n`]);
      expect(await third.run(["ls", "/var/lib/etcd/data/member/snap"])).toContain("db");
      expectDone(await cluster(by, "restore", backup, "--yes"));
      expect(await created(bed, node)).toEqual(["before-1"]);

      // What the other commands do for static pods only, they say, and which command does it here.
      const refused = async (message: string, hint: string, ...words: string[]) => {
        const isLocal = words[0] === "bundle";
        const run = isLocal ? bed.bed.runForResult([...KUBEMEND, "cluster", ...words]) : cluster(by, ...words);
        const { code, stderr } = await run;
        expect([code, stderr]).toEqual([1, expect.stringContaining(message)]);
        expect(stderr).toContain(hint);
      };
      const living = nodeFlags([node]);
      const [isService, isElsewhere] = ["etcd is a service here (etcd.service)", "etcd runs on other hosts"];
      await refused(
        isService,
        "hint: join the hosts' data with kubemend etcd salvage",
        "salvage",
        ...nodeFlags([first]),
      );
      await refused(isElsewhere, "hint: join the hosts' data with kubemend etcd salvage", "salvage", ...living);
      await refused(isElsewhere, "kubeadm join there", "replace-node", "m2", `--to=${second.address}`, ...living);
      const bundles = `--out=${bed.bed.path("bundles")}`;
      await refused("no etcd member runs as a static pod", "cluster restore takes it", "bundle", backup, bundles);
    },
    1_800_000,
  );
});
