/**
 * A self-hosted control plane on one master, with its own API server among what is lost, through random kills, reboots
 * and cuts of the network. After each sequence it comes together again: every component runs and holds its lease,
 * nothing runs that should not, and nothing is left half deleted.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { ApiError, type ApiObject } from "../../testbed/api.ts";
import type { ControlPlane } from "../../testbed/control-plane.ts";
import type { Node } from "../../testbed/node.ts";
import { startSelfHosted } from "../../testbed/self-hosted.ts";
import { waitFor } from "../../testbed/wait.ts";
import { checkpointFiles, openSecrets, SERVICE, startCheckpointer, statusOf } from "./checkpointing.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";

const ID = "kube-system/DaemonSet/kube-apiserver";
const PODS = "/api/v1/namespaces/kube-system/pods";
const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
const COMPONENTS = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"];
/** `KUBEMEND_SEEDS=7,12` repeats two of them. */
const SEEDS = process.env.KUBEMEND_SEEDS?.split(",").map(Number) ?? Array.from({ length: 20 }, (_, i) => i + 1);
const STEPS = 3;
/** What has come together must stay so: a pod that fights for its port is up for moments. */
const STEADY_MS = 10_000;

/** mulberry32: the same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Scene {
  readonly plane: ControlPlane;
  readonly node: Node;
  readonly random: () => number;
  /** The uids of the pods that the API server has said it deletes. */
  readonly deleted: Set<string>;
}

/** What each does. Returns what came of it, where that is not certain. */
const FAULTS: Readonly<Record<string, (scene: Scene) => Promise<string | undefined>>> = {
  async reboot({ node }) {
    await node.reboot();
    return undefined;
  },
  async "kill the agent"({ node }) {
    await node.killService(SERVICE);
    return undefined;
  },
  async "kill every container"({ node }) {
    await node.killContainers();
    return undefined;
  },
  async "kill the API server's container"({ node }) {
    await node.killContainers("kube-apiserver");
    return undefined;
  },
  async "delete the API server's pod"({ plane, deleted }) {
    // The fault before may have taken it away: then the first moment in which it is back is the one to delete it in.
    const asked = () => plane.api.list(`${PODS}?labelSelector=k8s-app%3Dkube-apiserver`);
    const pods = await waitFor("an API server", asked, { seconds: 30 }).catch(() => undefined);
    if (pods === undefined) return "not deleted: no API server answered";
    const outcomes: string[] = [];
    for (const { metadata } of pods) {
      if (metadata.annotations?.["kubernetes.io/config.mirror"]) continue;
      try {
        await plane.api.delete(`${PODS}/${metadata.name}`);
        deleted.add(metadata.uid);
        outcomes.push(`deleted ${metadata.name}`);
      } catch (error) {
        outcomes.push(`${error instanceof ApiError ? "not deleted" : "perhaps deleted"}: ${(error as Error).message}`);
      }
    }
    return outcomes.join(", ") || "no pod to delete";
  },
  async "cut the network"({ node, random }) {
    const milliseconds = 5000 + random() * 20_000;
    node.partition();
    await sleep(milliseconds);
    node.heal();
    return `${Math.round(milliseconds / 1000)} s`;
  },
  async "restart the kubelet"({ node, random }) {
    await node.stopKubelet();
    await sleep(random() * 10_000);
    node.startKubelet();
    return undefined;
  },
};

describeWithCluster("a one-master control plane with the checkpointer", (kubernetes) => {
  longTest(
    `comes together after ${SEEDS.length} sequences of faults`,
    async () => {
      await using plane = await startSelfHosted({ kubernetes });
      const node = plane.nodes.get("node1")!;
      await startCheckpointer(plane, node);
      await converged(plane, node);
      for (const seed of SEEDS) {
        const random = randomOf(seed);
        const deleted = new Set<string>();
        const done: string[] = [];
        for (let i = 0; i < STEPS; i++) {
          const names = Object.keys(FAULTS);
          const name = names[Math.floor(random() * names.length)]!;
          const outcome = await FAULTS[name]!({ plane, node, random, deleted });
          done.push(outcome === undefined ? name : `${name} (${outcome})`);
          await sleep(random() * 15_000);
        }
        const began = Date.now();
        await converged(plane, node, deleted).catch((error: Error) => {
          throw new Error(`seed ${seed}: ${done.join(", ")}: ${error.message}`, { cause: error });
        });
        process.stderr.write(`seed ${seed}: ${done.join(", ")}: ${Math.round((Date.now() - began) / 1000)} s\n`);
      }
    },
    SEEDS.length * 600_000,
  );
});

async function converged(plane: ControlPlane, node: Node, deleted: ReadonlySet<string> = new Set()): Promise<void> {
  let wrong: string | undefined;
  let since: number | undefined;
  await waitFor(
    "the control plane to hold its leases, by its own pods, each once",
    async () => {
      wrong = await whatIsWrong(plane, node, deleted).catch((error: Error) => error.message);
      since = wrong === undefined ? (since ?? Date.now()) : undefined;
      return since !== undefined && Date.now() - since >= STEADY_MS;
    },
    {
      seconds: 540,
      everyMilliseconds: 1000,
      explain: async () => {
        const status = await statusOf(node).catch(String);
        const log = node.service(SERVICE)?.lastLines(30);
        return [`at last: ${wrong}`, JSON.stringify(status), log, ...(await node.containers())].join("\n");
      },
    },
  );
  expect(await openSecrets(node)).toEqual([]);
  expect((await checkpointFiles(node)).filter((line) => /\/manifests\/|damaged/.test(line))).toEqual([]);
  // The agent may be at a write just now. What a killed one has left would stay.
  await waitFor(
    "no file to be half written",
    async () => (await checkpointFiles(node)).every((line) => !line.includes(".partial-")),
    { seconds: 20, explain: async () => (await checkpointFiles(node)).join("\n") },
  );
}

/** Why the control plane is not as it should be; undefined when it is. */
async function whatIsWrong(plane: ControlPlane, node: Node, deleted: ReadonlySet<string>): Promise<string | undefined> {
  const { checkpoints } = await statusOf(node);
  if (checkpoints.length !== 1 || checkpoints[0].id !== ID || checkpoints[0].state !== "inactive") {
    return `checkpoints: ${JSON.stringify(checkpoints)}`;
  }
  for (const name of COMPONENTS.slice(1)) {
    const { spec } = await plane.api.get(`${LEASES}/${name}`);
    if (Date.now() - Date.parse(spec.renewTime) >= 8000) return `the lease of ${name} is not held`;
  }
  const pods: ApiObject[] = await plane.api.list("/api/v1/pods");
  for (const { metadata } of pods) {
    if (metadata.deletionTimestamp) return `pod ${metadata.name} is being deleted since ${metadata.deletionTimestamp}`;
    if (metadata.annotations?.["kubernetes.io/config.mirror"]) return `pod ${metadata.name} is a checkpoint's`;
    if (deleted.has(metadata.uid)) return `pod ${metadata.name} was deleted, and is there`;
  }
  const wanted = pods.filter(({ status }) => status.phase !== "Failed" && status.phase !== "Succeeded");
  const names = wanted.map(({ metadata }) => metadata.labels["k8s-app"]).sort();
  if (names.join() !== COMPONENTS.join()) return `pods that should run: ${names.join()}`;
  const should = wanted.flatMap(({ metadata, spec }) =>
    spec.containers.map(({ name }: ApiObject) => `${metadata.namespace}/${metadata.name}/${name}`),
  );
  const running = (await node.containers()).join(); // sorted; one that runs twice is there twice
  return running === should.sort().join() ? undefined : `${running} run, and ${should.join()} should`;
}
