/** `cluster restore` and `cluster undo` that are killed, and nodes that die or are cut off, at every step: the same command continues. */
import { afterAll, beforeAll, expect } from "vitest";
import { type KubeadmCluster, startKubeadm } from "../../testbed/kubeadm.ts";
import {
  type Administrator,
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

const isShort = process.env.KUBEMEND_E2E === "short";

describeWithCluster("a restore of three control-plane nodes continues", (kubernetes) => {
  let bed: KubeadmCluster;
  let by: Administrator;
  let words: readonly string[];

  beforeAll(async () => {
    if (isShort) return;
    bed = await startKubeadm({ kubernetes, controlPlanes: 3 });
    by = await administrator(bed, await builtExecutable()); // which is carried there and back
    await create(bed, "before-1");
    words = ["restore", await backUp(bed, bed.controlPlanes[0]!), "--yes"];
    await create(bed, "after-1");
  }, 900_000);
  afterAll(() => bed?.[Symbol.asyncDispose]());

  const soon = () => new Promise((resolve) => setTimeout(resolve, SOON_MS));

  /** Cuts a restore off at each step, and lets the last run end. Returns the operation's id: it is one for all of them. */
  async function restoreThrough(
    cut: (step: string) => Promise<void>,
    last = () => cluster(by, ...words, "-o", "json"),
  ): Promise<string> {
    for (const step of STEPS) await cut(step);
    const restored = await last();
    expectDone(restored);
    const { plan, etcd } = JSON.parse(restored.stdout);
    expect(etcd.members).toBe(3);
    for (const node of bed.controlPlanes) expect(await created(bed, node)).toEqual(["before-1"]);
    expect(await etcdMembers(bed.controlPlanes[2]!)).toEqual(["m1", "m2", "m3"]);
    for (const node of bed.controlPlanes) expect(await node.run(["ls", "/var/lib/kubemend"])).toBe("cluster\n");
    return plan.id;
  }

  longTest(
    "when the one that leads is killed at every step; an undo as well",
    async () => {
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
      expect(await created(bed, bed.controlPlanes[1]!)).toEqual(["after-1", "before-1"]);
    },
    1_500_000,
  );

  longTest(
    "when a cable is cut at every step, and plugged in again",
    async () => {
      const second = bed.controlPlanes[1]!;
      await restoreThrough(async (step) => {
        if (STEPS.indexOf(step) > STEPS.indexOf("starting etcd")) return; // a proof waits for that by itself
        const outcome = await clusterUntil(by, words, new RegExp(step), async () => second.partition());
        second.heal();
        expect([outcome.code, outcome.stderr]).toEqual([1, expect.stringContaining('node "m2"')]);
      });
    },
    1_500_000,
  );

  longTest(
    "when a node dies at every step, and starts again",
    async () => {
      const third = bed.controlPlanes[2]!;
      const isProof = (step: string) => STEPS.indexOf(step) > STEPS.indexOf("starting etcd");
      await restoreThrough(
        async (step) => {
          if (isProof(step)) return;
          const outcome = await clusterUntil(by, words, new RegExp(step), () => third.kill());
          expect([outcome.code, outcome.stderr]).toEqual([1, expect.stringContaining('node "m3"')]);
          await third.start();
          await reachable(by, third);
        },
        // A proof waits for a node that boots: the same run ends well.
        () => clusterUntil(by, [...words, "-o", "json"], /proving etcd/, () => third.reboot()),
      );
      const again = await clusterUntil(by, words, /proving the control plane/, () => third.reboot());
      expectDone(again);
      expect(await created(bed, third)).toEqual(["before-1"]);
    },
    1_500_000,
  );
});
