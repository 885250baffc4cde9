/**
 * Finds what is to be rescued in a cluster of any age: the component's workload with its earlier revisions, or its
 * static pods, also those that are gone.
 */

import { leasePlaceOf } from "../../controlplane/lease-place.ts";
import { recognisePod } from "../../controlplane/sorted-objects.ts";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { listAll, listFirst, unlessAbsent } from "../../io/api-server/api-lists.ts";
import { ApiError, type ClusterApi } from "../../io/api-server/cluster-api.ts";
import { objectOf } from "../../kube/fields.ts";
import type { LeaseHolderName } from "../../kube/lease.ts";
import { isMirrorPod, nodeOf } from "../../kube/mirror-pod.ts";
import type { KubeObject } from "../../kube/object.ts";
import { permanentPods } from "../../rescue/permanent.ts";
import { podState } from "../../rescue/pod-state.ts";
import {
  findOrphanReplicaSet,
  findWorkload,
  goneTarget,
  type RescueTarget,
  staticPodsOf,
  staticTarget,
  workloadTarget,
} from "../../rescue/target.ts";
import { distinctPlaces, findLeasePlace, findPodLease } from "../cluster-access/lease-places.ts";
import { readComponentLease } from "../cluster-access/read-leases.ts";
import { WORKLOAD_VERSIONS } from "../recover/read-api-server.ts";

export interface TargetSearch {
  readonly components: readonly LeaseHolderName[];
  readonly namespace: string | undefined;
  readonly signal: AbortSignal;
}

/** In the order in which they were asked for. Throws `control-plane-not-found` with what was looked for where one is nowhere. */
export async function findRescueTargets(
  api: ClusterApi,
  search: TargetSearch,
  pods: readonly KubeObject[],
): Promise<RescueTarget[]> {
  const { signal } = search;
  const [deployments, daemonSets] = await Promise.all(
    ["deployments", "daemonsets"].map((resource) => listFirst(api, WORKLOAD_VERSIONS, resource, signal)),
  );
  const workloads = [...defined(deployments), ...defined(daemonSets)];
  return Promise.all(
    search.components.map(async (component) => {
      const workload = findWorkload(component, workloads, search.namespace);
      if (workload !== undefined) {
        const target = workloadTarget(component, workload, await revisionsOf(api, workload, signal));
        return withLeases(api, target, pods, signal);
      }
      const alive = await revisionWhenAlive(api, component, signal);
      const gonePods = await asTheyWere(api, alive && `/api/v1/namespaces/${alive.namespace}/pods`, alive, signal);
      // Also where one runs: it may be about to crash again, and then how it ran before is what works.
      const wasThere = staticTarget(component, pods, gonePods);
      const isStatic = [...pods, ...gonePods].some((pod) => staticPodsOf(component, [pod]).length > 0);
      const target =
        (isStatic ? wasThere : undefined) ?? (await deletedTarget(api, component, search, pods, alive)) ?? wasThere;
      if (target === undefined) throw notFound(component, pods, search.namespace);
      return withLeases(api, target, pods, signal);
    }),
  );
}

/** Of a workload that was deleted: the ReplicaSet that it has left, and that makes pods; else what its pods were made of. */
async function deletedTarget(
  api: ClusterApi,
  component: LeaseHolderName,
  { namespace, signal }: TargetSearch,
  pods: readonly KubeObject[],
  alive: Moment | undefined,
): Promise<RescueTarget | undefined> {
  const replicaSets = await listFirst(api, WORKLOAD_VERSIONS, "replicasets", signal);
  const orphan = findOrphanReplicaSet(component, replicaSets, namespace);
  if (orphan !== undefined) return workloadTarget(component, orphan, []);
  const gone = await Promise.all(
    ["deployments", "daemonsets"].map((resource) => asTheyWere(api, `/apis/apps/v1/${resource}`, alive, signal)),
  );
  return goneTarget(component, { replicaSets, pods, gone: gone.flat() }, namespace);
}

/** Where a pod of its template has its lease, and where those do that are there. */
async function withLeases(
  api: ClusterApi,
  target: RescueTarget,
  pods: readonly KubeObject[],
  signal: AbortSignal,
): Promise<RescueTarget> {
  const { component, namespace } = target;
  const [{ podSpec, node }] = target.templates as [RescueTarget["templates"][0]];
  const template = { namespace, podSpec, ...(node !== undefined && { node }) };
  const alive = permanentPods(target, pods).filter((pod) => podState(component, pod).is === "running");
  const [place, ...own] = await Promise.all([
    findLeasePlace(api, component, template, signal),
    ...alive.map((pod) => findPodLease(api, component, pod, signal)),
  ]);
  const leases = distinctPlaces(own);
  // What cannot be read of the template its pods may have said.
  const known = leases.find(({ doubt }) => doubt === undefined);
  const lease = place.doubt === undefined || known === undefined ? place : known;
  return { ...target, lease, leases: leases.length > 0 ? leases : [lease] };
}

/** What the workload's controller keeps of earlier templates. */
function revisionsOf(api: ClusterApi, workload: KubeObject, signal: AbortSignal): Promise<KubeObject[]> {
  const collection = workload.kind === "Deployment" ? "replicasets" : "controllerrevisions";
  const place = `namespaces/${encodeURIComponent(workload.metadata.namespace ?? "default")}/${collection}`;
  return listFirst(api, WORKLOAD_VERSIONS, place, signal);
}

interface Moment {
  /** Of the lease. */
  readonly namespace: string;
  readonly resourceVersion: string;
}

/** When the component last renewed its lease. Undefined where nobody ever has. */
async function revisionWhenAlive(
  api: ClusterApi,
  component: LeaseHolderName,
  signal: AbortSignal,
): Promise<Moment | undefined> {
  const lease = await readComponentLease(api, leasePlaceOf(component), signal);
  return lease === undefined || lease.resourceVersion === "" ? undefined : lease;
}

/**
 * A collection as it was at that moment: etcd keeps what was before for some minutes, and the API server reads it at a
 * revision. Empty where that is too long ago, and from a server that does not know the collection.
 */
async function asTheyWere(
  api: ClusterApi,
  path: string | undefined,
  moment: Moment | undefined,
  signal: AbortSignal,
): Promise<KubeObject[]> {
  if (path === undefined || moment === undefined) return [];
  try {
    return await listAll(api, path, `resourceVersion=${moment.resourceVersion}&resourceVersionMatch=Exact`, signal);
  } catch (error) {
    if (error instanceof ApiError && [400, 404, 410].includes(error.status)) return []; // compacted
    throw error;
  }
}

function notFound(component: LeaseHolderName, pods: readonly KubeObject[], namespace: string | undefined): MendError {
  const where = namespace === undefined ? "in any namespace" : `in namespace "${namespace}"`;
  const controlPlaneNodes = pods.filter((pod) => isMirrorPod(pod) && recognisePod(pod)?.component === "kube-apiserver");
  const nodes = controlPlaneNodes.map((pod) => `"${nodeOf(pod)}"`).join(", ");
  return new MendError(
    "control-plane-not-found",
    `no "${component}" found: looked for a Deployment or DaemonSet with its label, name or command ${where}, ` +
      "for what one that was deleted has left, for static pods of it, and for what etcd still remembers",
    {
      hint:
        controlPlaneNodes.length > 0
          ? `put the manifest of ${component} back into the kubelet's manifest directory on node ${nodes}: a ` +
            "backup of etcd has it (kubemend snapshot get BACKUP pods -n kube-system -o yaml)"
          : `if it runs as a service of a machine, start it there (systemctl status ${component}); if it lives ` +
            `elsewhere, pass ${input("namespace")}`,
    },
  );
}

/** The service account that the pod is to have exists, and may do what the component does first: write its lease. */
export async function serviceAccountWorks(
  api: ClusterApi,
  target: RescueTarget,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  const namespace = encodeURIComponent(target.namespace);
  const account = await unlessAbsent(
    api.get(`/api/v1/namespaces/${namespace}/serviceaccounts/${encodeURIComponent(name)}`, signal),
  );
  return account !== undefined && mayWriteLease(api, target, name, signal);
}

async function mayWriteLease(
  api: ClusterApi,
  { namespace, lease }: RescueTarget,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  const kind = (await readComponentLease(api, lease, signal))?.kind ?? "Lease";
  const [group, resource] =
    kind === "Lease" ? ["coordination.k8s.io", "leases"] : ["", kind === "ConfigMap" ? "configmaps" : "endpoints"];
  const spec = {
    user: `system:serviceaccount:${namespace}:${name}`,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
    resourceAttributes: {
      namespace: lease.namespace,
      verb: "update",
      group,
      resource,
      name: lease.name,
    },
  };
  for (const version of ["v1", "v1beta1"]) {
    const apiVersion = `authorization.k8s.io/${version}`;
    const body = { apiVersion, kind: "SubjectAccessReview", metadata: {}, spec };
    const answer = await unlessAbsent(api.create(`/apis/${apiVersion}/subjectaccessreviews`, body, signal));
    if (answer !== undefined) return objectOf(answer.status).allowed === true;
  }
  return true; // too old to be asked: as the template says
}
