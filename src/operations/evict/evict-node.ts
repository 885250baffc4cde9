/** Moves the pods of a node that does not answer at once, instead of waiting until the node controller does. */

import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { ApiError, type ClusterApi } from "../../io/api-server/cluster-api.ts";
import { recordEvidence } from "../../io/audit/audit-trail.ts";
import { namespacedName } from "../../kube/names.ts";
import { isNodeReady, type NodeState, nodeState } from "../../kube/node-state.ts";
import type { KubeObject } from "../../kube/object.ts";
import {
  type EvictPlan,
  isOutOfService,
  planEviction,
  servesOutOfService,
  withOutOfService,
} from "../../nodes/evict-guard.ts";
import { inParallel } from "../cluster-access/in-parallel.ts";
import { findNodes, nodePath, podPath, podsOfNode } from "../cluster-access/node-targets.ts";
import { type ClusterFlags, withCluster } from "../cluster-access/open-cluster.ts";
import { demandPermission } from "../cluster-access/permissions.ts";
import { cordonNode } from "../drain/cordon-nodes.ts";

export interface EvictNodeOptions {
  readonly cluster: ClusterFlags;
  readonly node: string;
  /** Take pods away without the kubelet's word that they have ended. */
  readonly force: boolean;
  /** Pods without a controller, which nobody makes again, go too. */
  readonly removesUnreplicated: boolean;
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
  readonly now: () => number;
  /** Asked with everything in hand and before anything is done; false ends it. */
  readonly confirm: (plan: NodeEvictionPlan) => Promise<boolean>;
  readonly report: (text: string) => void;
  /** Called before an error ends what was begun: what state it leaves. */
  readonly leftBehind: (state: HalfEvicted) => void;
}

export interface HalfEvicted {
  readonly node: string;
  /** How many of the pods were asked to end, or taken away. */
  readonly asked: number;
  readonly pods: number;
}

export interface NodeEvictionPlan extends EvictPlan {
  readonly state: NodeState;
  readonly force: boolean;
  readonly removesUnreplicated: boolean;
  /** How force is used: by the taint, which also frees volumes, or pod by pod. */
  readonly by: "out-of-service" | "deletion";
}

export interface NodeEviction {
  readonly plan: NodeEvictionPlan;
  /** False where it was not confirmed, or with `dryRun`. */
  readonly done: boolean;
  readonly failed: readonly { readonly pod: KubeObject; readonly message: string }[];
}

/** Throws `node-answers` for a node that is ready: that one is drained. */
export function evictNode(options: EvictNodeOptions): Promise<NodeEviction> {
  const { signal, now } = options;
  return withCluster(options.cluster, { signal, now }, async ({ api, minor }) => {
    const [node] = (await findNodes(api, { names: [options.node] }, signal)) as [KubeObject];
    const { name } = node.metadata;
    if (isNodeReady(node)) {
      throw new MendError("node-answers", `node "${name}" is ready: its kubelet can end its pods in order`, {
        hint: `drain it: kubemend node drain ${name} ${input("ignoreDaemonsets")}`,
      });
    }
    const { items } = await api.list(podsOfNode(name), signal);
    const lease = await api
      .get(`/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${encodeURIComponent(name)}`, signal)
      .catch((error: unknown) => {
        if (error instanceof ApiError) return undefined; // Before 1.14, or not readable: the condition shows it as well.
        throw error;
      });
    const state = nodeState(node, lease);
    const by = options.force && servesOutOfService(minor) ? "out-of-service" : "deletion";
    if (options.force && state.ready !== "Unknown") {
      throw new MendError("node-answers", `node "${name}" is not ready, but its kubelet speaks: ${state.why}`, {
        hint: `its pods run for all that is known: leave ${input("forceDeletePods")} out, or stop the machine first`,
      });
    }
    const { removesUnreplicated } = options;
    const plan: NodeEvictionPlan = {
      ...planEviction(items, removesUnreplicated),
      ...{ state, force: options.force, by, removesUnreplicated },
    };
    // The taint takes every pod of the node away, whoever owns it.
    if (by === "out-of-service" && !removesUnreplicated && plan.unreplicated.length > 0) {
      const keys = plan.unreplicated.map(namespacedName).join(", ");
      throw new MendError("control-plane-at-risk", `pods without a controller would be lost for good: ${keys}`, {
        where: `node "${name}"`,
        hint: `keep their manifests (kubectl get pod -o yaml), then pass ${input("force")} to have them deleted too`,
      });
    }
    if (!options.dryRun) {
      await demandPermission(api, { verb: "delete", resource: "pods" }, signal);
      await demandPermission(api, { verb: "patch", resource: "nodes" }, signal);
    }
    if (options.dryRun || !(await options.confirm(plan))) return { plan, done: false, failed: [] };
    recordEvidence({ node: name, ready: state.ready, why: state.why, by });
    const failed = await carryOut(api, node, plan, options);
    return { plan, done: true, failed };
  });
}

async function carryOut(
  api: ClusterApi,
  node: KubeObject,
  plan: NodeEvictionPlan,
  { signal, report, leftBehind }: EvictNodeOptions,
): Promise<NodeEviction["failed"]> {
  const { name } = node.metadata;
  // When the machine comes back, nothing new is to begin there before somebody has looked at it.
  const { changed } = await cordonNode(api, node, true, "none", signal);
  report(`node/${name} ${changed ? "" : "already "}cordoned`);
  const failed: { pod: KubeObject; message: string }[] = [];
  const isForced = plan.force && plan.by === "deletion";
  const pods = isForced ? [...plan.remove, ...plan.terminating] : plan.remove;
  let asked = 0;
  try {
    if (plan.by === "out-of-service" && (await setOutOfService(api, name, true, signal)))
      report(`node/${name} tainted node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`);
    await inParallel(pods, async (pod) => {
      try {
        const options = { preconditions: { uid: pod.metadata.uid }, ...(isForced && { gracePeriodSeconds: 0 }) };
        await api.delete(podPath(pod), options, signal);
        report(`pod/${pod.metadata.name} ${isForced ? "force deleted" : "deleted"}`);
        asked++;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.status === 404 || error.status === 409)
          asked++; // gone, or another of its name by now
        else failed.push({ pod, message: error.message });
      }
    });
  } catch (error) {
    leftBehind({ node: name, asked, pods: pods.length });
    throw error;
  }
  return failed;
}

/** A node that is changed by somebody else in the same moment is read again. */
const MOST_CONFLICTS = 5;

/**
 * Whether something had to be changed. Writes over the version that was read, so that a taint that the node controller
 * sets meanwhile is not lost.
 */
async function setOutOfService(api: ClusterApi, name: string, isOut: boolean, signal: AbortSignal): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    const node = await api.get(nodePath(name), signal);
    if (isOutOfService(node) === isOut) return false;
    const { resourceVersion } = node.metadata;
    try {
      const patch = { metadata: { resourceVersion }, spec: { taints: withOutOfService(node, isOut) } };
      await api.patch(nodePath(name), patch, signal);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 409 || attempt === MOST_CONFLICTS) throw error;
    }
  }
}

export interface UndoEvictionOptions {
  readonly cluster: ClusterFlags;
  readonly node: string;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly report: (text: string) => void;
}

/** For a node that is back: takes off what an eviction has put on. Throws `node-silent` for one that is not. */
export function undoEviction({ cluster, node: given, signal, now, report }: UndoEvictionOptions): Promise<void> {
  return withCluster(cluster, { signal, now }, async ({ api }) => {
    const [node] = (await findNodes(api, { names: [given] }, signal)) as [KubeObject];
    const { name } = node.metadata;
    if (!isNodeReady(node)) {
      throw new MendError("node-silent", `node "${name}" is not ready yet; nothing was changed`, {
        hint: `wait until its kubelet answers: kubemend node status ${name} ${input("watch")}`,
      });
    }
    if (isOutOfService(node) && (await setOutOfService(api, name, false, signal))) report(`node/${name} untainted`);
    const { changed } = await cordonNode(api, node, false, "none", signal);
    report(`node/${name} ${changed ? "" : "already "}uncordoned`);
  });
}
