/** The state of nodes, what becomes of the pods of those that do not answer, and which pods are stuck. */

import { setTimeout as sleep } from "node:timers/promises";
import { recognisePod } from "../../controlplane/sorted-objects.ts";
import { defined } from "../../errors/defined.ts";
import { FROM_CACHE, unlessAbsent } from "../../io/api-server/api-lists.ts";
import { ApiError, type ClusterApi, isConnectionError, METADATA_ONLY } from "../../io/api-server/cluster-api.ts";
import { LiveObjects } from "../../io/api-server/live-objects.ts";
import { NODE_LEASES, NODES } from "../../kube/api-paths.ts";
import { containerIndexOf } from "../../kube/component.ts";
import { flagValue } from "../../kube/container-flags.ts";
import { objectOf, objectsOf, textOf } from "../../kube/fields.ts";
import { nodeOf } from "../../kube/mirror-pod.ts";
import { namespacedName } from "../../kube/names.ts";
import { isNodeReady, type NodeState, nodeState } from "../../kube/node-state.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { isTerminating } from "../../kube/pod.ts";
import {
  DEFAULT_EVICTION_TIMEOUT_S,
  type EvictionDue,
  type EvictionMode,
  evictionDue,
} from "../../nodes/eviction-due.ts";
import { delayOf, type TerminationDelay } from "../../nodes/termination-delay.ts";
import { inParallel } from "../cluster-access/in-parallel.ts";
import { findNodes, type NodeTargets, podPath, podsOfNode } from "../cluster-access/node-targets.ts";
import { type ClusterFlags, type OpenCluster, withCluster } from "../cluster-access/open-cluster.ts";

export interface NodeStatusOptions {
  readonly cluster: ClusterFlags;
  /** No names and no selector: all nodes. */
  readonly targets: NodeTargets;
  /** Of the controller manager, where its flags cannot be seen; undefined: found, or the default. */
  readonly podEvictionTimeoutSeconds: number | undefined;
  readonly signal: AbortSignal;
  readonly now: () => number;
}

export interface NodesStatus {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly nodes: readonly NodeState[];
  /** All pods of nodes that are not ready, and elsewhere those that are overdue to end. */
  readonly pods: readonly PodPrediction[];
  readonly warnings: readonly string[];
}

export interface PodPrediction {
  /** `NAMESPACE/NAME`. */
  readonly pod: string;
  readonly node: string;
  /** `Running`, `Unknown` and so on, or `Terminating`. */
  readonly state: string;
  /** For a pod that is yet to be evicted. */
  readonly due: EvictionDue | undefined;
  /** For a pod that is terminating. */
  readonly delay: TerminationDelay | undefined;
  /** Its controller, such as `ReplicaSet web-5d4`, or empty. */
  readonly owner: string;
}

/** A kubelet takes some time beyond the grace period to end a pod. */
const OVERDUE_MS = 15_000;
const BY_TAINTS: EvictionMode = { by: "taints" };

export function readNodeStatus(options: NodeStatusOptions): Promise<NodesStatus> {
  const { signal, now } = options;
  return withCluster(options.cluster, { signal, now }, async (cluster) => {
    const { api } = cluster;
    const isAll = options.targets.names.length === 0 && !options.targets.selector;
    const nodes = isAll
      ? (await api.listEach(NODES, withoutBulk, { signal, limit: NODES_A_PAGE })).items
      : await findNodes(api, options.targets, signal);
    const warnings: string[] = [];
    const leases = await readLeases(api, isAll ? undefined : nodes, warnings, signal);
    const failed = nodes.filter((node) => !isNodeReady(node));
    const mode = failed.length === 0 ? BY_TAINTS : await evictionMode(cluster, options);
    const pods = await inParallel(
      failed,
      async ({ metadata }) => (await api.list(`${podsOfNode(metadata.name)}&${FROM_CACHE}`, signal)).items,
    );
    const stuck = await stuckPods(api, nodes, options);
    return statusOf(
      {
        nodes,
        leases,
        pods: new Map(failed.map((node, i) => [node.metadata.name, defined(pods[i])])),
        mode,
        stuck,
        warnings,
      },
      now(),
    );
  });
}

/** A node is a long object: smaller pages take less memory. */
const NODES_A_PAGE = 200;

/** Without what makes a node some KB long and is not looked at: of thousands that is most of the memory. */
function withoutBulk(node: KubeObject): KubeObject {
  const { managedFields: _, ...metadata } = node.metadata;
  const { images: __, ...status } = objectOf(node.status);
  return { ...node, metadata, status };
}

/** Pods that are stuck on nodes that are ready are looked for only this often: for that all pods are listed. */
const STUCK_EVERY_MS = 60_000;

/**
 * Shows it again and again, from watches. `show` is called at least every `everyMs`, and sooner when something changes;
 * while the API server does not answer, what it said last is shown with a warning. Resolves never; throws when the
 * signal aborts.
 */
export function watchNodeStatus(
  options: NodeStatusOptions,
  everyMs: number,
  show: (status: NodesStatus) => Promise<void>,
): Promise<never> {
  const { signal, now, targets } = options;
  return withCluster(options.cluster, { signal, now }, async (cluster) => {
    const { api } = cluster;
    const isAll = targets.names.length === 0 && !targets.selector;
    const chosen = isAll
      ? undefined
      : new Set((await findNodes(api, targets, signal)).map((node) => node.metadata.name));
    const warnings: string[] = [];
    // Asked once in the plain: what is forbidden, a watch would ask for without end.
    await api.list(`${NODES}?limit=1`, signal);
    const hasLeases = await mayReadLeases(api, warnings, signal);
    const live = new LiveObjects(api, hasLeases ? [NODES, NODE_LEASES] : [NODES], signal);
    const mode = await evictionMode(cluster, options);
    const followed = new Set<string>();
    let stuck: { readonly at: number; readonly pods: readonly PodPrediction[] } | undefined;
    for (;;) {
      const all = live.get(NODES);
      if (all === undefined) {
        if (!live.reachable) throw live.failure;
        await live.changed(everyMs, signal);
        continue;
      }
      const nodes = all.filter(({ metadata }) => chosen?.has(metadata.name) ?? true);
      const leases = new Map(
        (hasLeases ? live.get(NODE_LEASES) : undefined)?.map((lease) => [lease.metadata.name, lease]),
      );
      const pods = new Map<string, readonly KubeObject[]>();
      for (const { metadata } of nodes.filter((node) => !isNodeReady(node))) {
        const path = podsOfNode(metadata.name);
        if (!followed.has(path)) live.follow(path, { fromCache: true });
        followed.add(path);
        pods.set(metadata.name, live.get(path) ?? []);
      }
      if (stuck === undefined || (now() - stuck.at > STUCK_EVERY_MS && live.reachable))
        stuck = { at: now(), pods: await stuckPods(api, nodes, options).catch(unlessUnreachable(stuck?.pods)) };
      const silent = live.reachable ? [] : ["the API server does not answer: what is shown is what it reported last"];
      await show(statusOf({ nodes, leases, pods, mode, stuck: stuck.pods, warnings: [...warnings, ...silent] }, now()));
      await sleep(AT_MOST_EVERY_MS, undefined, { signal });
      await live.changed(everyMs, signal);
    }
  });
}

/** The watches show that nobody answers. */
function unlessUnreachable(pods: readonly PodPrediction[] = []): (error: unknown) => readonly PodPrediction[] {
  return (error) => {
    if (isConnectionError(error)) return pods;
    throw error;
  };
}

/** What is shown again follows each other no faster. */
const AT_MOST_EVERY_MS = 500;

interface Facts {
  readonly nodes: readonly KubeObject[];
  /** By node. */
  readonly leases: ReadonlyMap<string, KubeObject>;
  /** By node: of those that are not ready. */
  readonly pods: ReadonlyMap<string, readonly KubeObject[]>;
  readonly mode: EvictionMode;
  readonly stuck: readonly PodPrediction[];
  readonly warnings: readonly string[];
}

function statusOf({ nodes, leases, pods, mode, stuck, warnings }: Facts, at: number): NodesStatus {
  const predicted = nodes.flatMap((node) =>
    (pods.get(node.metadata.name) ?? []).map((pod) => {
      const shown = describe(pod, false, at);
      return isTerminating(pod)
        ? shown
        : { ...shown, due: evictionDue(pod, node, mode, leases.get(node.metadata.name)) };
    }),
  );
  const states = nodes.map((node) => nodeState(node, leases.get(node.metadata.name)));
  return { at, nodes: states, pods: [...predicted, ...stuck], warnings };
}

async function mayReadLeases(api: ClusterApi, warnings: string[], signal: AbortSignal): Promise<boolean> {
  try {
    return (await unlessAbsent(api.list(`${NODE_LEASES}?limit=1`, signal))) !== undefined;
  } catch (error) {
    warnings.push(leasesUnreadable(error));
    return false;
  }
}

/** Throws what is no refusal. */
function leasesUnreadable(error: unknown): string {
  if (!(error instanceof ApiError) || error.status !== 403) throw error;
  return `leases of nodes cannot be read (${error.serverMessage}): signs of life are those of the nodes' conditions`;
}

/**
 * Those of the given nodes, or all. Absent before Kubernetes 1.14, and where they may not be read: then the conditions'
 * heartbeats count.
 */
async function readLeases(
  api: ClusterApi,
  nodes: readonly KubeObject[] | undefined,
  warnings: string[],
  signal: AbortSignal,
): Promise<Map<string, KubeObject>> {
  try {
    const leases =
      nodes === undefined
        ? ((await unlessAbsent(api.list(NODE_LEASES, signal)))?.items ?? [])
        : await inParallel(nodes, ({ metadata }) =>
            unlessAbsent(api.get(`${NODE_LEASES}/${encodeURIComponent(metadata.name)}`, signal)),
          );
    return new Map(leases.filter((lease) => lease !== undefined).map((lease) => [lease.metadata.name, lease]));
  } catch (error) {
    warnings.push(leasesUnreadable(error));
    return new Map();
  }
}

/** On nodes that are ready: pods that should have ended. The whole cluster's are looked through by their metadata only. */
async function stuckPods(
  api: ClusterApi,
  nodes: readonly KubeObject[],
  options: NodeStatusOptions,
): Promise<PodPrediction[]> {
  const time = options.now();
  const ready = new Set(nodes.filter(isNodeReady).map(({ metadata }) => metadata.name));
  const overdue: KubeObject[] = [];
  for await (const page of api.pages("/api/v1/pods", { signal: options.signal, accept: METADATA_ONLY })) {
    for (const item of objectsOf(page.items)) {
      const ends = Date.parse(textOf(objectOf(item.metadata).deletionTimestamp));
      if (ends + OVERDUE_MS < time) overdue.push(item as KubeObject);
    }
  }
  const pods = await inParallel(overdue, (pod) => unlessAbsent(api.get(podPath(pod), options.signal)));
  return pods
    .filter((pod) => pod !== undefined)
    .filter((pod) => isTerminating(pod) && ready.has(nodeOf(pod)))
    .map((pod) => describe(pod, true, time));
}

function describe(pod: KubeObject, nodeAnswers: boolean, now: number): PodPrediction {
  const status = objectOf(pod.status);
  const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller === true);
  // Before 1.13 the node controller said so of pods whose node had gone silent.
  const isLost = status.reason === "NodeLost";
  return {
    pod: namespacedName(pod),
    node: nodeOf(pod),
    state: isLost ? "Unknown" : isTerminating(pod) ? "Terminating" : textOf(status.phase) || "Unknown",
    due: undefined,
    delay: isTerminating(pod) ? delayOf(pod, nodeAnswers, now) : undefined,
    owner: owner === undefined ? "" : `${owner.kind} ${owner.name}`,
  };
}

/** By the controller manager's version and flags, where it is a pod; else a timeout that was given says that it goes by that. */
async function evictionMode({ api, minor }: OpenCluster, options: NodeStatusOptions): Promise<EvictionMode> {
  const given = options.podEvictionTimeoutSeconds;
  if (minor >= 27) return BY_TAINTS;
  const flags = await controllerManagerFlags(api, options.signal);
  const gate = /TaintBasedEvictions=(\w+)/.exec(flags?.("feature-gates") ?? "")?.[1]?.toLowerCase();
  const byTaints =
    flags?.("enable-taint-manager") !== "false" && (minor >= 18 || (minor >= 13 ? gate !== "false" : gate === "true"));
  if (byTaints && (flags !== undefined || given === undefined)) return BY_TAINTS;
  const found = secondsOf(flags?.("pod-eviction-timeout"));
  return {
    by: "timeout",
    seconds: given ?? found ?? DEFAULT_EVICTION_TIMEOUT_S,
    assumed: given === undefined && found === undefined && flags === undefined,
  };
}

/** Undefined where its pod is not to be seen. */
async function controllerManagerFlags(
  api: ClusterApi,
  signal: AbortSignal,
): Promise<((name: string) => string | undefined) | undefined> {
  const { items } = await api.list("/api/v1/namespaces/kube-system/pods", signal);
  const pod = items.find((each) => recognisePod(each)?.component === "kube-controller-manager");
  if (pod === undefined) return undefined;
  const spec = objectOf(pod.spec);
  const container: JsonObject = objectsOf(spec.containers)[containerIndexOf("kube-controller-manager", spec)] ?? {};
  return (name) => flagValue(container, name);
}

/** Go's durations of whole seconds, minutes and hours. */
function secondsOf(text: string | undefined): number | undefined {
  const [, hours, minutes, seconds] = /^(?=.)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text ?? "") ?? [];
  const total = Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0);
  return total > 0 ? total : undefined;
}
