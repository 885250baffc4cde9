/** Why a component's permanent pod does not even appear, or stays without a node: refused by the API server, or nobody there to make or to place it. */
import { textOf } from "../../controlplane/fields.ts";
import { isHeldAt, type LeaseHolderName, leasePlaceOf } from "../../controlplane/lease.ts";
import { listAll, listFirst } from "../../io/api-server/api-lists.ts";
import type { ClusterApi } from "../../io/api-server/cluster-api.ts";
import { creationTrouble, podTitle, refusedTrouble, type Trouble } from "../../rescue/pod-state.ts";
import type { RescueTarget } from "../../rescue/target.ts";
import type { KubeObject } from "../../storage/object.ts";
import { readComponentLease } from "../read-leases.ts";
import { WORKLOAD_VERSIONS } from "../recover/read-api-server.ts";

/** A ReplicaSet says it in its conditions, a DaemonSet's controller in events. */
export async function readCreationTrouble(
  api: ClusterApi,
  { kind, workload, namespace }: RescueTarget,
  signal: AbortSignal,
): Promise<Trouble | undefined> {
  if (workload === undefined) return undefined;
  const { uid = "" } = workload.metadata;
  const place = `namespaces/${encodeURIComponent(namespace)}`;
  if (kind === "Deployment") {
    const sets = await listFirst(api, WORKLOAD_VERSIONS, `${place}/replicasets`, signal);
    const own = sets.filter(({ metadata }) => metadata.ownerReferences?.some((owner) => owner.uid === uid));
    return own.map(creationTrouble).find((each) => each !== undefined) ?? creationTrouble(workload);
  }
  const message = await lastWarning(api, namespace, uid, new Set(["FailedCreate"]), signal);
  return message === undefined ? undefined : refusedTrouble(`${kind} "${workload.metadata.name}"`, message);
}

/** Pods are made by the controller manager and placed by the scheduler: while one is rescued the other may be lost, too. */
export async function readMissingHelper(
  api: ClusterApi,
  rescued: readonly LeaseHolderName[],
  isUnmade: boolean,
  now: number,
  signal: AbortSignal,
): Promise<Trouble | undefined> {
  const other: LeaseHolderName = isUnmade ? "kube-controller-manager" : "kube-scheduler";
  if (rescued.includes(other)) return undefined;
  if (isHeldAt(await readComponentLease(api, leasePlaceOf(other), signal), now)) return undefined;
  const work = isUnmade ? "makes" : "schedules";
  return {
    kind: "no-pod",
    text: `nobody ${work} its pod, because ${other} is lost, too: rescue both (kubemend rescue scheduler controller-manager)`,
  };
}

/** What keeps a kubelet from starting a pod that is bound to it: a volume, a network. It tells it in events only. */
export async function readStartTrouble(
  api: ClusterApi,
  pod: KubeObject,
  signal: AbortSignal,
): Promise<Trouble | undefined> {
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
