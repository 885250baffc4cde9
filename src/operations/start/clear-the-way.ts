/**
 * What stands in the way of a permanent control plane and does not go by itself: a label that its node lacks, a
 * component scaled to 0, pods bound to nodes that are gone. Each can be done again at every look.
 */

import { objectTitle } from "../../bootstrap/manifest-objects.ts";
import {
  movablePods,
  type Observation,
  podsOf,
  type RequiredPod,
  rejectedPods,
  silentNodes,
  strandedPods,
} from "../../bootstrap/pivot.ts";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { ApiError, type ClusterApi } from "../../io/api-server/cluster-api.ts";
import { objectOf, textOf } from "../../kube/fields.ts";
import type { ClusterView } from "./cluster-view.ts";

/** The part of a start that is needed here. */
export interface Clearing {
  readonly api: ClusterApi;
  readonly options: { readonly signal: AbortSignal; readonly report: (text: string) => void };
  /** This machine's. */
  readonly node: string;
  readonly required: readonly RequiredPod[];
}

/**
 * The labels of nodes that the permanent components ask for, and that no kubelet may give itself. Those components are
 * in the cluster, also where no manifest is among the assets.
 */
export async function nodeRoleLabels({ api, options, required }: Clearing): Promise<ReadonlyMap<string, string>> {
  const labels = new Map<string, string>();
  for (const { namespace, prefix } of required) {
    for (const resource of ["daemonsets", "deployments"]) {
      const path = `/apis/apps/v1/namespaces/${namespace}/${resource}/${prefix}`;
      const workload = await unlessAbsent(api.get(path, options.signal));
      const template = objectOf(objectOf(workload?.spec).template);
      for (const [label, value] of Object.entries(objectOf(objectOf(template.spec).nodeSelector))) {
        if (label.startsWith("node-role.kubernetes.io/")) labels.set(label, textOf(value));
      }
    }
  }
  return labels;
}

/** Gives this node what no living node has. */
export async function labelNode(
  start: Clearing,
  look: Observation,
  labels: ReadonlyMap<string, string>,
): Promise<void> {
  const node = look.nodes.find(({ metadata }) => metadata.name === start.node);
  if (node === undefined) return;
  for (const [label, value] of labels) {
    const has = look.nodes.some(
      ({ metadata }) => look.aliveNodes.has(metadata.name) && metadata.labels?.[label] === value,
    );
    if (has || node.metadata.labels?.[label] === value) continue;
    const path = `/api/v1/nodes/${start.node}`;
    await start.api.patch(path, { metadata: { labels: { [label]: value } } }, start.options.signal);
    start.options.report(`node "${start.node}" is labelled "${value === "" ? label : `${label}=${value}`}"`);
  }
}

/** A component whose Deployment was scaled to 0 never comes: it is what the start is asked for, so it gets one pod. */
export async function raiseScaledAway(start: Clearing, look: Observation): Promise<void> {
  const { api, options } = start;
  for (const each of start.required) {
    if (podsOf(each, look).length > 0) continue;
    const path = `/apis/apps/v1/namespaces/${each.namespace}/deployments/${each.prefix}`;
    const deployment = await unlessAbsent(api.get(path, options.signal)); // absent: a DaemonSet's
    if (objectOf(deployment?.spec).replicas !== 0) continue;
    options.report(`${objectTitle(defined(deployment))} was scaled to 0: scaling it to 1`);
    await api.patch(path, { spec: { replicas: 1 } }, options.signal);
  }
}

/** Pods of the control plane on nodes that are gone hold the place of those that would replace them. */
export async function releaseStranded(start: Clearing, look: Observation): Promise<void> {
  for (const pod of strandedPods(start.required, look)) {
    if (!pod.metadata.ownerReferences?.some(({ kind }) => kind === "ReplicaSet")) continue;
    start.options.report(
      `${objectTitle(pod)} stands on node "${textOf(objectOf(pod.spec).nodeName)}", which gives no sign of life: deleting it`,
    );
    await deletePod(start, pod);
  }
}

/**
 * What etcd believes to run on a node whose machine this one has replaced runs nowhere. Some of it would wait there for
 * minutes, and what tolerates everything for ever, or be scheduled there again. Without the node and those pods their
 * controllers make others.
 */
export async function releaseReplaced(start: Clearing, look: Observation, nodes: readonly string[]): Promise<void> {
  const { api, options } = start;
  for (const name of nodes) {
    await ignoringGone(api.delete(`/api/v1/nodes/${name}`, {}, options.signal));
    const pods = movablePods([name], look);
    for (const pod of pods) await deletePod(start, pod);
    options.report(
      `this machine has the address of node "${name}", which gives no sign of life: deleted that node ` +
        `and ${pods.length} pods that were bound to it`,
    );
  }
}

export async function deleteRejectedPods(start: Clearing, view: ClusterView): Promise<void> {
  const look = view.look();
  if (look === undefined) return;
  try {
    for (const pod of rejectedPods(start.required, look)) await deletePod(start, pod);
  } catch (error) {
    if (!(error instanceof MendError)) throw error; // it runs: what is left over does no harm
    start.options.report(`warning: pods that the kubelet has rejected are left over: ${error.message}`);
  }
}

/** Nodes that may come back are not deleted: whoever owns them knows whether they do. */
export function reportLostNodes(start: Clearing, view: ClusterView): void {
  const look = view.look();
  if (look === undefined) return;
  for (const name of silentNodes(look)) {
    const left = movablePods([name], look).length;
    const pods = left === 0 ? "" : `; ${left} pods stay bound to it until they are evicted`;
    start.options.report(
      `warning: node "${name}" gives no sign of life${pods}: if it is gone for good, kubectl delete node ${name}`,
    );
  }
}

export async function deletePod(
  start: Clearing,
  pod: { readonly metadata: { readonly name: string; readonly namespace?: string; readonly uid?: string } },
): Promise<void> {
  const { namespace = "default", name, uid } = pod.metadata;
  const only = uid === undefined ? {} : { preconditions: { uid } };
  await ignoringGone(
    start.api.delete(
      `/api/v1/namespaces/${namespace}/pods/${name}`,
      { gracePeriodSeconds: 0, ...only },
      start.options.signal,
    ),
  );
}

async function unlessAbsent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

async function ignoringGone(deletion: Promise<unknown>): Promise<void> {
  try {
    await deletion;
  } catch (error) {
    if (!(error instanceof ApiError) || (error.status !== 404 && error.status !== 409)) throw error;
  }
}
