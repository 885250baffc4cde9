/** `cluster restore` and `cluster undo` that are killed, and nodes that die or are cut off, at every step: the same command continues. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect } from "vitest";
import { type KubeadmCluster, startKubeadm } from "../../testbed/kubeadm.ts";
import type { Node } from "../../testbed/node.ts";
import {
  type Administrator,
  administrator,
  backUp,
  type ClusterRun,
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
/** How long a node is away that a proof waits for. */
const AWAY_MS = 15_000;

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

  const soon = () => sleep(SOON_MS);
  /** The step, or one behind it: the run that was cut off may have come further than into the step before. */
  const fromStep = (step: string) => new RegExp(STEPS.slice(STEPS.indexOf(step)).join("|"));
  /** It may have come to its end by itself. */
  const kill = (pid: number): void => {
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  };

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
        const outcome = await clusterUntil(by, words, fromStep(step), async ({ pid }) => {
          await soon();
          kill(pid);
        });
        expect(outcome.code).not.toBe(0);
      });
      const undo = ["undo", killed, "--yes", ...nodeFlags(bed.controlPlanes)];
      for (let times = 0; times < 2; times++) {
        await clusterUntil(by, undo, /taking back/, async ({ pid }) => {
          await soon();
          kill(pid);
        });
      }
      const between = await cluster(by, ...words);
      expect([between.code, between.stderr]).toEqual([1, expect.stringContaining("this operation was taken back on")]);
      expectDone(await cluster(by, ...undo));
      expect(await created(bed, bed.controlPlanes[1]!)).toEqual(["after-1", "before-1"]);
    },
    1_500_000,
  );

  /**
   * Cuts a node off at every step, so that the run ends, and has it back before the next one; but at the proofs, which
   * wait for it. It has to be back, such as after a boot, when `back` ends.
   */
  const nodeLost = (node: Node, cut: () => void | Promise<void>, back: () => void | Promise<void>) => {
    const ends = async (step: string, then: (run: ClusterRun) => Promise<void>) => {
      const outcome = await clusterUntil(by, words, fromStep(step), then);
      await back();
      expect([outcome.code, outcome.stderr]).toEqual([1, expect.stringContaining(`node "${node.name}"`)]);
    };
    return restoreThrough(
      async (step) => {
        // Its proof has to wait, and then the same run continues.
        if (step === "proving etcd") {
          return ends(step, async ({ reported }) => {
            await cut();
            await reported(new RegExp(`etcd on .*${node.name}.* does not answer yet`));
            await back();
            await reported(/starting the control plane/);
            await cut();
          });
        }
        if (STEPS.indexOf(step) < STEPS.indexOf("proving etcd")) await ends(step, async () => cut());
      },
      () =>
        clusterUntil(by, [...words, "-o", "json"], /proving the control plane/, async () => {
          await cut();
          await sleep(AWAY_MS);
          await back();
        }),
    );
  };

  longTest(
    "when a cable is cut at every step, and plugged in again",
    async () => {
      const second = bed.controlPlanes[1]!;
      await nodeLost(
        second,
        () => second.partition(),
        () => second.heal(),
      );
    },
    1_500_000,
  );

  longTest(
    "when a node dies at every step, and starts again",
    async () => {
      const third = bed.controlPlanes[2]!;
      const boot = async () => {
        await third.start();
        await reachable(by, third);
      };
      await nodeLost(third, () => third.kill(), boot);
    },
    1_500_000,
  );
});
