/** Why a component's permanent pod does not even appear, or stays without a node: refused by the API server, or nobody there to make or to place it. */
import { textOf } from "../controlplane/fields.ts";
import { isHeldAt, type LeaseHolderName, leasePlaceOf } from "../controlplane/lease.ts";
import { listAll, listFirst } from "../io/api-lists.ts";
import type { ClusterApi } from "../io/cluster-api.ts";
import { creationTrouble, refusedTrouble, type Trouble } from "../rescue/pod-state.ts";
import type { RescueTarget } from "../rescue/target.ts";
import { WORKLOAD_VERSIONS } from "./read-api-server.ts";
import { readComponentLease } from "./read-leases.ts";

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
  const selector = encodeURIComponent(`involvedObject.uid=${uid},reason=FailedCreate`);
  const events = await listAll(api, `/api/v1/${place}/events`, `fieldSelector=${selector}`, signal);
  const last = events
    .map(({ lastTimestamp, message }) => ({ at: textOf(lastTimestamp), message: textOf(message) }))
    .sort((a, b) => (a.at < b.at ? -1 : 1))
    .at(-1);
  return last === undefined ? undefined : refusedTrouble(`${kind} "${workload.metadata.name}"`, last.message);
}

/** Pods are made by the controller manager and placed by the scheduler: while one is rescued the other may be lost, too. */
export async function readMissingHelper(
  api: ClusterApi,
  component: LeaseHolderName,
  isUnmade: boolean,
  now: number,
  signal: AbortSignal,
): Promise<Trouble | undefined> {
  const other: LeaseHolderName = isUnmade ? "kube-controller-manager" : "kube-scheduler";
  if (other === component) return undefined;
  if (isHeldAt(await readComponentLease(api, leasePlaceOf(other), signal), now)) return undefined;
  const work = isUnmade ? "makes" : "schedules";
  return {
    kind: "no-pod",
    text: `nobody ${work} its pod, because ${other} is lost, too: rescue both (kubemend rescue scheduler controller-manager)`,
  };
}
