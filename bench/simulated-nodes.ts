/**
 * Nodes for benches of clusters that are larger than a machine has space for kubelets: one program registers them,
 * renews their leases, says of each of their pods that it runs, and lets go of it when it is deleted, each a second
 * later. It does what of a kubelet control plane and clients wait for, and no more: no heartbeats but leases, no
 * events, no server.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ClusterApi } from "../src/io/api-server/cluster-api.ts";
import { readKubeconfig } from "../src/io/api-server/kubeconfig.ts";
import type { JsonObject, KubeObject } from "../src/kube/object.ts";
import type { ControlPlane } from "../testbed/control-plane.ts";

/** Longer than a kubelet's 10 s: the bench's control plane is patient. */
const LEASE_MS = 20_000;
const REACTION_MS = 1000;
const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

export interface SimulatedNodes extends AsyncDisposable {
  readonly names: readonly string[];
}

/** Resolves once all nodes are Ready. They continue until they are disposed of; a failure ends the process. */
export async function startSimulatedNodes(plane: ControlPlane, count: number): Promise<SimulatedNodes> {
  const api = new ClusterApi(readKubeconfig(plane.kubeconfig));
  const stop = new AbortController();
  const names = Array.from({ length: count }, (_, i) => `simulated-${i + 1}`);
  for (const [i, name] of names.entries()) {
    await api.create("/api/v1/nodes", nodeObject(name, i));
    await api.create(LEASES, leaseObject(name));
  }
  const ended = Promise.all([renewLeases(api, names, stop.signal), runPods(api, new Set(names), stop.signal)]);
  ended.catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  await plane.nodesReady(names);
  return {
    names,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended.catch(() => {});
      api.close();
    },
  };
}

async function renewLeases(api: ClusterApi, names: readonly string[], signal: AbortSignal): Promise<void> {
  for (;;) {
    for (const name of names) {
      await api.patch(`${LEASES}/${name}`, { spec: { renewTime: microTime() } });
      await sleep(LEASE_MS / names.length, undefined, { signal });
    }
  }
}

/** Each pod is started once, and ended once. */
async function runPods(api: ClusterApi, names: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
  const begun = new Set<string>();
  const once = (key: string, work: () => Promise<unknown>): void => {
    if (begun.has(key)) return;
    begun.add(key);
    void sleep(REACTION_MS).then(work);
  };
  let addresses = 0;
  const see = (pod: KubeObject): void => {
    const { uid, name, namespace, deletionTimestamp } = pod.metadata;
    const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
    if (!names.has(String((pod.spec as JsonObject).nodeName))) return;
    if (deletionTimestamp !== undefined) {
      once(`end ${uid}`, () => api.delete(path, { gracePeriodSeconds: 0, preconditions: { uid } }));
    } else if ((pod.status as JsonObject).phase === "Pending") {
      const address = addresses++;
      once(`start ${uid}`, () => api.patch(`${path}/status`, { status: runningStatus(pod, address) }));
    }
  };
  for await (const event of api.watch("/api/v1/pods?fieldSelector=spec.nodeName%21%3D", signal)) {
    if (event.type === "listed") for (const pod of event.objects) see(pod);
    else if (event.type === "set") see(event.object);
  }
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

function nodeObject(name: string, index: number): JsonObject {
  const now = new Date().toISOString();
  const space = { cpu: "64", memory: "256Gi", pods: "250" };
  const ready = { type: "Ready", status: "True", reason: "KubeletReady", message: "simulated" };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux" } },
    spec: {},
    status: {
      capacity: space,
      allocatable: space,
      conditions: [{ ...ready, lastHeartbeatTime: now, lastTransitionTime: now }],
      addresses: [{ type: "InternalIP", address: `10.199.${index >> 8}.${index & 255}` }],
    },
  };
}

function leaseObject(name: string): JsonObject {
  const spec = { holderIdentity: name, leaseDurationSeconds: (4 * LEASE_MS) / 1000, renewTime: microTime() };
  return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name }, spec };
}

function microTime(): string {
  return new Date().toISOString().replace("Z", "000Z");
}
