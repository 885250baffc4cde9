/**
 * Nodes for benches of clusters that are larger than a machine has space for kubelets: one program registers them,
 * renews their leases, says of each of their pods that it runs, and lets go of it when it is deleted, each a second
 * later. It does what of a kubelet control plane and clients wait for, and no more: no heartbeats but leases, no
 * events, no server. It also schedules the pods that ask for that. What a node says of itself is as long as a kubelet
 * makes it, because lists of nodes are read.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError, ClusterApi } from "../src/io/api-server/cluster-api.ts";
import { readKubeconfig } from "../src/io/api-server/kubeconfig.ts";
import type { JsonObject, KubeObject } from "../src/kube/object.ts";
import { inParallel } from "../src/operations/cluster-access/in-parallel.ts";
import type { ControlPlane } from "../testbed/control-plane.ts";

/** Longer than a kubelet's 10 s, and longer still for so many that renewing would take a core: the bench's control plane is patient. */
const LEAST_LEASE_MS = 20_000;
const RENEWALS_PER_SECOND = 50;
const REACTION_MS = 1000;
/** Requests that are under way at a time. */
const AT_ONCE = 16;
/** Pods that ask for this scheduler are put on the nodes in turn: the real one takes 15 ms of a core to choose one of thousands. */
export const SIMULATED_SCHEDULER = "simulated";
/** A kubelet asks again, too. */
const MOST_ATTEMPTS = 20;
/** As many as a kubelet reports unless told otherwise. */
const IMAGES = 50;
const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

/** How long such a control plane has to wait for a silent node: more than the leases of any number of nodes that is tried. */
export const PATIENCE_SECONDS = 240;

/** For its controllers, each: their defaults would take half an hour over the pods of thousands of nodes. */
export const REQUESTS_PER_SECOND = 1000;

export interface SimulatedNodes extends AsyncDisposable {
  readonly names: readonly string[];
  /** Nobody renews the leases of these from now on. */
  silence(names: readonly string[]): void;
}

/**
 * Resolves once all nodes are Ready. They continue until they are disposed of; a failure ends the process. {@link
 * SIMULATED_SCHEDULER} puts no pods on the first `skipped`.
 */
export async function startSimulatedNodes(plane: ControlPlane, count: number, skipped = 0): Promise<SimulatedNodes> {
  const api = new ClusterApi(readKubeconfig(plane.kubeconfig));
  const stop = new AbortController();
  const names = Array.from({ length: count }, (_, i) => `simulated-${i + 1}`);
  const leaseMs = Math.max(LEAST_LEASE_MS, (count / RENEWALS_PER_SECOND) * 1000);
  await inParallel(
    names.map((name, i) => ({ name, i })),
    async ({ name, i }) => {
      await again(() => api.create("/api/v1/nodes", nodeObject(name, i, plane.kubernetes.version)));
      await again(() => api.create(LEASES, leaseObject(name, leaseMs)));
    },
    AT_ONCE,
  );
  const speaking = new Set(names);
  const ended = Promise.all([
    renewLeases(api, names, speaking, leaseMs, stop.signal),
    runPods(api, names, skipped, stop.signal),
  ]);
  ended.catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  await plane.nodesReady(names, 60 + count / 10);
  return {
    names,
    silence(lost) {
      for (const name of lost) speaking.delete(name);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended.catch(() => {});
      api.close();
    },
  };
}

/** Each lane has a share of the nodes, so that one slow answer does not hold up the leases of all. */
async function renewLeases(
  api: ClusterApi,
  names: readonly string[],
  speaking: ReadonlySet<string>,
  leaseMs: number,
  signal: AbortSignal,
): Promise<void> {
  const renew = async (own: readonly string[]): Promise<void> => {
    for (;;) {
      const began = Date.now();
      for (const [i, name] of own.entries()) {
        await sleep(Math.max(0, began + (i * leaseMs) / own.length - Date.now()), undefined, { signal });
        if (speaking.has(name))
          await again(() => api.patch(`${LEASES}/${name}`, { spec: { renewTime: microTime() } }, signal));
      }
      await sleep(Math.max(0, began + leaseMs - Date.now()), undefined, { signal });
    }
  };
  const lanes = Math.min(AT_ONCE, names.length);
  await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => renew(names.filter((_, i) => i % lanes === lane))),
  );
}

/** Each pod is put on a node once, started once, and ended once. */
async function runPods(api: ClusterApi, names: readonly string[], skipped: number, signal: AbortSignal): Promise<void> {
  const own = new Set(names);
  const free = names.slice(skipped);
  const begun = new Set<string>();
  const waiting: (() => Promise<unknown>)[] = [];
  let working = 0;
  const work = async (): Promise<void> => {
    working++;
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await again(next);
    working--;
  };
  const once = (key: string, reaction: () => Promise<unknown>, afterMs = REACTION_MS): void => {
    if (begun.has(key)) return;
    begun.add(key);
    void sleep(afterMs).then(async () => {
      waiting.push(reaction);
      if (working < AT_ONCE) await work();
    });
  };
  let addresses = 0;
  let turns = 0;
  const see = (pod: KubeObject): void => {
    const { uid, name, namespace, deletionTimestamp } = pod.metadata;
    const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
    const { nodeName, schedulerName } = pod.spec as JsonObject;
    if (nodeName === undefined && schedulerName === SIMULATED_SCHEDULER) {
      const target = { apiVersion: "v1", kind: "Node", name: free[turns++ % free.length]! };
      once(`bind ${uid}`, () => api.create(`${path}/binding`, bindingObject(name, target)), 0);
    }
    if (!own.has(String(nodeName))) return;
    if (deletionTimestamp !== undefined) {
      once(`end ${uid}`, () => api.delete(path, { gracePeriodSeconds: 0, preconditions: { uid } }));
    } else if ((pod.status as JsonObject).phase === "Pending") {
      const address = addresses++;
      once(`start ${uid}`, () => api.patch(`${path}/status`, { status: runningStatus(pod, address) }));
    }
  };
  for await (const event of api.watch("/api/v1/pods", signal)) {
    if (event.type === "listed") for (const pod of event.objects) see(pod);
    else if (event.type === "set") see(event.object);
  }
}

/** Until it succeeds, or what it is about is there already, or no more. */
async function again(request: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await request();
      return;
    } catch (error) {
      if (error instanceof ApiError && (error.status === 404 || error.status === 409)) return;
      if (attempt === MOST_ATTEMPTS || (error instanceof Error && error.name === "AbortError")) throw error;
      await sleep(1000);
    }
  }
}

function bindingObject(name: string, target: JsonObject): JsonObject {
  return { apiVersion: "v1", kind: "Binding", metadata: { name }, target };
}

function runningStatus(pod: KubeObject, address: number): JsonObject {
  const now = new Date().toISOString();
  const podIP = `10.${200 + (address >> 16)}.${(address >> 8) & 255}.${address & 255}`;
  const containers = (pod.spec as { containers: readonly { name: string; image: string }[] }).containers;
  const conditions = ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map((type) => ({
    ...{ type, status: "True", lastProbeTime: null, lastTransitionTime: now },
  }));
  const containerStatuses = containers.map(({ name, image }) => ({
    ...{ name, image, imageID: "", ready: true, started: true, restartCount: 0 },
    state: { running: { startedAt: now } },
  }));
  return { phase: "Running", podIP, podIPs: [{ ip: podIP }], startTime: now, conditions, containerStatuses };
}

function nodeObject(name: string, index: number, version: string): JsonObject {
  const now = new Date().toISOString();
  const space = { cpu: "64", memory: "256Gi", pods: "250" };
  const machine = hexadecimal(index, 32);
  const condition = (type: string, status: string, reason: string) => ({
    ...{ type, status, reason, message: `simulated: ${reason}`, lastHeartbeatTime: now, lastTransitionTime: now },
  });
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      labels: {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/region": "bench",
        "topology.kubernetes.io/zone": `bench-${index % 3}`,
      },
    },
    spec: {},
    status: {
      capacity: space,
      allocatable: space,
      conditions: [
        condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
        condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
        condition("PIDPressure", "False", "KubeletHasSufficientPID"),
        condition("Ready", "True", "KubeletReady"),
      ],
      addresses: [
        { type: "InternalIP", address: `10.199.${index >> 8}.${index & 255}` },
        { type: "Hostname", address: name },
      ],
      nodeInfo: {
        machineID: machine,
        systemUUID: machine,
        bootID: machine,
        kernelVersion: "6.1.0-28-amd64",
        osImage: "Debian GNU/Linux 12 (bookworm)",
        containerRuntimeVersion: "containerd://1.6.20",
        kubeletVersion: version,
        kubeProxyVersion: version,
        operatingSystem: "linux",
        architecture: "amd64",
      },
      images: Array.from({ length: IMAGES }, (_, i) => {
        const image = `registry.example.org/team-${i % 7}/application-${i}`;
        return { names: [`${image}@sha256:${hexadecimal(i, 64)}`, `${image}:1.${i}.0`], sizeBytes: 1e8 + i };
      }),
    },
  };
}

function hexadecimal(seed: number, digits: number): string {
  return createHash("sha256").update(String(seed)).digest("hex").slice(0, digits);
}

function leaseObject(name: string, leaseMs: number): JsonObject {
  const spec = { holderIdentity: name, leaseDurationSeconds: Math.ceil((4 * leaseMs) / 1000), renewTime: microTime() };
  return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name }, spec };
}

function microTime(): string {
  return new Date().toISOString().replace("Z", "000Z");
}
