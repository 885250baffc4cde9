/** `cluster restore` and `cluster undo` that are killed, and nodes that die or are cut off, at every step: the same command continues. */
import { expect } from "vitest";
import { startKubeadm } from "../../testbed/kubeadm.ts";
import type { Node } from "../../testbed/node.ts";
import {
  administrator,
  backUp,
  cluster,
  clusterUntil,
  create,
  created,
  etcdMembers,
  expectDone,
  nodeFlags,
  reachable,
} from "./clustering.ts";
import { builtExecutable } from "./executable.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";

/** What a restore says of its steps, in order. */
const STEPS = [
  "carrying the backup",
  "stopping the control plane",
  "putting etcd's data in place",
  "putting missing files in place",
  "starting etcd",
  "proving etcd",
  "starting the control plane",
  "proving the control plane",
];
/** How long after a step began it is cut off: its nodes are then somewhere in it. */
const SOON_MS = 700;

describeWithCluster("a cluster of three control-plane nodes", (kubernetes) => {
  longTest(
    "a restore that is killed, or loses a node or a cable, at every step continues; an undo as well",
    async () => {
      await using bed = await startKubeadm({ kubernetes, controlPlanes: 3 });
      const [first, second, third] = bed.controlPlanes as [Node, Node, Node];
      const by = await administrator(bed, await builtExecutable()); // which is carried there and back
      await create(bed, "before-1");
      const backup = await backUp(bed, first);
      await create(bed, "after-1");
      const soon = () => new Promise((resolve) => setTimeout(resolve, SOON_MS));

      const restoreThrough = async (cut: (step: string) => Promise<void>): Promise<string> => {
        for (const step of STEPS) await cut(step);
        const restored = await cluster(by, "restore", backup, "--yes", "-o", "json");
        expectDone(restored);
        const { plan, etcd } = JSON.parse(restored.stdout);
        expect(etcd.members).toBe(3);
        for (const node of bed.controlPlanes) expect(await created(bed, node)).toEqual(["before-1"]);
        expect(await etcdMembers(third)).toEqual(["m1", "m2", "m3"]);
        for (const node of bed.controlPlanes) expect(await node.run(["ls", "/var/lib/kubemend"])).toBe("cluster\n");
        return plan.id;
      };
      const words = ["restore", backup, "--yes"];

      // The one that leads is killed.
      const killed = await restoreThrough(async (step) => {
        const outcome = await clusterUntil(by, words, new RegExp(step), async (pid) => {
          await soon();
          process.kill(pid, "SIGKILL");
        });
        expect(outcome.code).not.toBe(0);
      });
      const undo = ["undo", killed, "--yes", ...nodeFlags(bed.controlPlanes)];
      for (let times = 0; times < 2; times++) {
        await clusterUntil(by, undo, /taking back/, async (pid) => {
          await soon();
          process.kill(pid, "SIGKILL");
        });
      }
      const between = await cluster(by, ...words);
      expect([between.code, between.stderr]).toEqual([1, expect.stringContaining("this operation was taken back on")]);
      expectDone(await cluster(by, ...undo));
      expect(await created(bed, second)).toEqual(["after-1", "before-1"]);

      // A cable is cut, and plugged in again. A proof waits for that by itself.
      await restoreThrough(async (step) => {
        if (STEPS.indexOf(step) > STEPS.indexOf("starting etcd")) return;
        const outcome = await clusterUntil(by, words, new RegExp(step), async () => second.partition());
        second.heal();
        expect([outcome.code, outcome.stderr]).toEqual([1, expect.stringContaining('node "m2"')]);
      });

      // A node dies, and starts again.
      await restoreThrough(async (step) => {
        if (STEPS.indexOf(step) > STEPS.indexOf("starting etcd")) return;
        const outcome = await clusterUntil(by, words, new RegExp(step), () => third.kill());
        expect([outcome.code, outcome.stderr]).toEqual([1, expect.stringContaining('node "m3"')]);
        await third.start();
        await reachable(by, third);
      });
    },
    3_600_000,
  );
});
