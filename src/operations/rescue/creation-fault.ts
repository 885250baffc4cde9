/**
 * Why a component's permanent pod does not even appear, or stays without a node: refused by the API server, or nobody
 * there to make or to place it.
 */

import { listAll, listFirst, unlessAbsent } from "../../io/api-server/api-lists.ts";
import type { ClusterApi } from "../../io/api-server/cluster-api.ts";
import { objectOf, textOf } from "../../kube/fields.ts";
import { isHeldAt, type LeaseHolderName, latestLease } from "../../kube/lease.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { LeaseTrack } from "../../rescue/lease-track.ts";
import { creationFault, type PodFault, podTitle, uncreatedFault } from "../../rescue/pod-state.ts";
import type { RescueTarget } from "../../rescue/target.ts";
import { findComponentLeases } from "../cluster-access/lease-places.ts";
import { readComponentLease } from "../cluster-access/read-leases.ts";
import { WORKLOAD_VERSIONS } from "../recover/read-api-server.ts";

/** What keeps a controller from creating a pod, and for whom it would: a ReplicaSet, or a Deployment or DaemonSet itself. */
export interface CreationFault {
  readonly fault: PodFault;
  readonly owner: KubeObject;
}

/** A ReplicaSet says it in its conditions, a DaemonSet's controller in events. */
export async function readCreationFault(
  api: ClusterApi,
  { kind, name, workload: before, namespace }: RescueTarget,
  signal: AbortSignal,
): Promise<CreationFault | undefined> {
  if (before === undefined) return undefined;
  const { uid = "" } = before.metadata;
  const workload = await unlessAbsent(api.get(pathOf(before), signal));
  if (workload === undefined) {
    return { owner: before, fault: { kind: "no-pod", text: `${kind} "${namespace}/${name}" is gone` } };
  }
  const place = `namespaces/${encodeURIComponent(namespace)}`;
  if (kind === "ReplicaSet") {
    const fault = creationFault(workload);
    return fault === undefined ? undefined : { owner: workload, fault };
  }
  if (kind === "Deployment") {
    const sets = await listFirst(api, WORKLOAD_VERSIONS, `${place}/replicasets`, signal);
    const own = sets.filter(({ metadata }) => metadata.ownerReferences?.some((owner) => owner.uid === uid));
    for (const owner of [...own, workload]) {
      const fault = creationFault(owner);
      if (fault !== undefined) return { owner, fault };
    }
    return undefined;
  }
  const message = await lastWarning(api, namespace, uid, new Set(["FailedCreate"]), signal);
  if (message !== undefined) return { owner: workload, fault: uncreatedFault(workload, message) };
  const { observedGeneration, desiredNumberScheduled } = objectOf(workload.status);
  const isSeen = Number(observedGeneration ?? 0) >= Number(workload.metadata.generation ?? 0);
  if (!isSeen || Number(desiredNumberScheduled ?? 0) > 0) return undefined;
  const text =
    `${kind} "${namespace}/${name}" finds no node that it may run on: no node has what it selects and only ` +
    "taints that it tolerates";
  return { owner: workload, fault: { kind: "unschedulable", text } };
}

const TRIED_AGAIN = "kubemend/tried-again";

/**
 * A controller that was refused tries again ever later, in the end after a quarter of an hour, and until then what it
 * says may have been mended. A change of the object has it try at once; nothing of it is left.
 */
export async function haveTriedAgain(api: ClusterApi, owner: KubeObject, signal: AbortSignal): Promise<void> {
  for (const value of ["now", null]) {
    await unlessAbsent(api.patch(pathOf(owner), { metadata: { annotations: { [TRIED_AGAIN]: value } } }, signal));
  }
}

function pathOf({ apiVersion, kind, metadata }: KubeObject): string {
  return `/apis/${apiVersion}/namespaces/${metadata.namespace}/${kind.toLowerCase()}s/${metadata.name}`;
}

/**
 * Pods are made by the controller manager and placed by the scheduler: while one is rescued the other may be lost, too.
 * @param track of the other one's lease, from call to call: one that changes is held, whatever this machine's clock says
 */
export async function readMissingHelper(
  api: ClusterApi,
  other: LeaseHolderName,
  track: LeaseTrack,
  pods: readonly KubeObject[],
  now: number,
  signal: AbortSignal,
): Promise<PodFault | undefined> {
  const places = await findComponentLeases(api, other, pods, signal);
  // One whose lease is not known, or that has none, may well be there.
  if (places.some(({ elects, doubt }) => !elects || doubt !== undefined)) return undefined;
  track.see(latestLease(await Promise.all(places.map((place) => readComponentLease(api, place, signal)))));
  if (track.isRenewed || isHeldAt(track.lease, now)) return undefined;
  const isUnmade = other === "kube-controller-manager";
  const work = isUnmade ? "makes" : "schedules";
  return {
    kind: "no-pod",
    text: `nobody ${work} its pod, because ${other} is lost, too: rescue both (kubemend rescue scheduler controller-manager)`,
  };
}

/** What keeps a kubelet from starting a pod that is bound to it: a volume, a network. It tells it in events only. */
export async function readStartFault(
  api: ClusterApi,
  pod: KubeObject,
  signal: AbortSignal,
): Promise<PodFault | undefined> {
  const { namespace = "default", uid = "" } = pod.metadata;
  const message = await lastWarning(api, namespace, uid, START_FAILURES, signal);
  return message === undefined ? undefined : { kind: "volume", text: `${podTitle(pod)} cannot be started: ${message}` };
}

const START_FAILURES = new Set(["FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"]);

/** The latest of an object's events with one of those reasons. */
async function lastWarning(
  api: ClusterApi,
  namespace: string,
  uid: string,
  reasons: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const selector = encodeURIComponent(`involvedObject.uid=${uid}`);
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/events`;
  const events = await listAll(api, path, `fieldSelector=${selector}`, signal);
  return events
    .filter(({ reason }) => reasons.has(textOf(reason)))
    .map(({ lastTimestamp, message }) => ({ at: textOf(lastTimestamp), message: textOf(message) }))
    .sort((a, b) => (a.at < b.at ? -1 : 1))
    .at(-1)?.message;
}
