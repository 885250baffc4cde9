/** Scheduler and controller manager: their leases, and what in the cluster makes their pods. */

import { type LeasePlace, leasePlaceOf } from "../../../controlplane/lease-place.ts";
import { recognisePod } from "../../../controlplane/sorted-objects.ts";
import type { ClusterFacts, ComponentFacts, ComponentPod, LeaseFacts, LocalFacts } from "../../../diagnosis/facts.ts";
import { defined } from "../../../errors/defined.ts";
import { FROM_CACHE, listAll, unlessAbsent } from "../../../io/api-server/api-lists.ts";
import type { ClusterApi } from "../../../io/api-server/cluster-api.ts";
import { recogniseComponent } from "../../../kube/component.ts";
import { isReady } from "../../../kube/conditions.ts";
import { objectOf, objectsOf, textOf } from "../../../kube/fields.ts";
import { LEASE_HOLDERS, type LeaderLease, type LeaseHolderName, latestLease, renewedAt } from "../../../kube/lease.ts";
import { isMirrorPod, isTemporary, nodeOf } from "../../../kube/mirror-pod.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { podState } from "../../../rescue/pod-state.ts";
import { RESCUE_LABEL } from "../../../rescue/rescue-mark.ts";
import { distinctPlaces, findLeasePlace, findPodLease, localLeasePlace } from "../../cluster-access/lease-places.ts";
import { readHeldLeases } from "../../cluster-access/read-leases.ts";
import type { Probes } from "./probes.ts";

export type LeaseLook = ReadonlyMap<LeaseHolderName, LeaseFacts>;

/** Where each component's leases are. */
export type LeasePlaces = ReadonlyMap<LeaseHolderName, readonly LeasePlace[]>;

/** Of each component the lease that was renewed last, where there is one. `now`: the API server's clock. */
export async function lookAtLeases(
  api: ClusterApi,
  places: LeasePlaces,
  now: () => number,
  signal: AbortSignal,
): Promise<LeaseLook> {
  const wanted = [...places].flatMap(([name, own]) =>
    own.filter(({ elects }) => elects).map((place) => ({ name, place })),
  );
  const byNamespace = [...Map.groupBy(wanted, ({ place }) => place.namespace).values()];
  const found = await Promise.all(
    byNamespace.map(async (group) => {
      const each = group.map(({ place }) => place);
      const leases = await readHeldLeases(api, each, now, signal);
      return group.map(({ name }, i) => ({ name, lease: leases[i] }));
    }),
  );
  const latest = [...Map.groupBy(found.flat(), ({ name }) => name)].map(
    ([name, leases]) => [name, latestLease(leases.map(({ lease }) => lease))] as const,
  );
  return new Map(
    latest.flatMap(([name, lease]): [LeaseHolderName, LeaseFacts][] =>
      lease === undefined ? [] : [[name, leaseFacts(lease)]],
    ),
  );
}

function leaseFacts(lease: LeaderLease): LeaseFacts {
  return {
    place: `${lease.kind.toLowerCase()} ${lease.namespace}/${lease.name}`,
    holder: lease.holder,
    renewed: renewedAt(lease),
    durationSeconds: lease.durationSeconds,
    renewedMeanwhile: undefined,
  };
}

export interface ComponentLook {
  readonly staticPods: ClusterFacts["staticPods"];
  readonly components: readonly ComponentFacts[];
  readonly places: LeasePlaces;
}

export async function gatherComponents(
  api: ClusterApi,
  probes: Probes,
  deployments: Promise<readonly KubeObject[] | undefined>,
  local: LocalFacts | undefined,
  now: () => number,
): Promise<ComponentLook> {
  const [daemonSets, pods] = await Promise.all([
    probes.try("scheduler", "DaemonSets", async (signal) => {
      const path = "/apis/apps/v1/namespaces/kube-system/daemonsets";
      return (await unlessAbsent(listAll(api, path, "", signal))) ?? [];
    }),
    probes.try("scheduler", "the control plane's pods", (signal) => controlPlanePods(api, signal)),
  ]);
  const workloads = [
    ...((await deployments) ?? []).map((object) => ({ kind: "Deployment", object })),
    ...(daemonSets ?? []).map((object) => ({ kind: "DaemonSet", object })),
  ];
  const ofName = (name: LeaseHolderName) => ({
    own: workloads.find(({ object }) => runs(object, name))?.object,
    pods: (pods ?? []).filter((pod) => isPodOf(pod, name)),
  });
  const places = await probes.try("scheduler", "where its lease is", async (signal) => {
    const entries = LEASE_HOLDERS.map(async (name) => {
      const { own, pods } = ofName(name);
      return [name, await placesOf(api, name, own, pods, local, signal)] as const;
    });
    return new Map(await Promise.all(entries));
  });
  const found = places && (await probes.try("scheduler", "leases", (signal) => lookAtLeases(api, places, now, signal)));
  if (found === undefined) {
    const gap = probes.unknown.find(({ area }) => area === "scheduler");
    if (gap !== undefined) probes.unknown.push({ ...gap, area: "controller-manager" });
  }
  const components = LEASE_HOLDERS.map((name): ComponentFacts => {
    const own = workloads.find(({ object }) => runs(object, name));
    return {
      name,
      lease: found?.get(name),
      leaseDoubt: doubtOf(places?.get(name) ?? []),
      workload: own && {
        kind: own.kind,
        namespace: own.object.metadata.namespace ?? "",
        name: own.object.metadata.name,
        replicas: replicasOf(own.kind, own.object),
      },
      pods: ofName(name).pods.map(podFacts),
    };
  });
  return { components, places: places ?? new Map(), staticPods: staticPodsAmong(pods ?? []) };
}

/** By its pods that run, by what makes them, by its process on this machine; the usual place where nothing is known of it. */
async function placesOf(
  api: ClusterApi,
  name: LeaseHolderName,
  workload: KubeObject | undefined,
  pods: readonly KubeObject[],
  local: LocalFacts | undefined,
  signal: AbortSignal,
): Promise<LeasePlace[]> {
  const running = pods.filter((pod) => podState(name, pod).is === "running");
  const places = await Promise.all(running.map((pod) => findPodLease(api, name, pod, signal)));
  const template = workload && objectOf(objectOf(objectOf(workload.spec).template).spec);
  if (places.length === 0 && template !== undefined) {
    const { namespace = "default" } = defined(workload).metadata;
    places.push(await findLeasePlace(api, name, { namespace, podSpec: template }, signal));
  }
  const component = local?.components.find((each) => each.name === name && each.process !== undefined);
  if (component !== undefined) places.push(localLeasePlace(name, component.flags, component.process?.pid));
  return places.length === 0 ? [leasePlaceOf(name)] : distinctPlaces(places);
}

function doubtOf(places: readonly LeasePlace[]): string | undefined {
  const doubt = places.find((place) => place.doubt !== undefined)?.doubt;
  if (doubt !== undefined) return `which lease it takes is not known: ${doubt}`;
  return places.length > 0 && places.every(({ elects }) => !elects)
    ? "it runs without leader election, so that no lease shows whether it works"
    : undefined;
}

function runs(workload: KubeObject, name: LeaseHolderName): boolean {
  const template = objectOf(objectOf(workload.spec).template);
  const labels = workload.metadata.labels ?? objectOf(objectOf(template.metadata).labels);
  return recogniseComponent(labels, workload.metadata.name, objectOf(template.spec))?.component === name;
}

function replicasOf(kind: string, { spec, status }: KubeObject): number {
  return kind === "Deployment"
    ? Number(objectOf(spec).replicas ?? 1)
    : Number(objectOf(status).desiredNumberScheduled ?? 0);
}

/** By the labels that bootkube and kubeadm give them, and rescue pods: lists of a few pods each. */
async function controlPlanePods(api: ClusterApi, signal: AbortSignal): Promise<KubeObject[]> {
  const components = ["etcd", "kube-apiserver", ...LEASE_HOLDERS].join(",");
  const selectors = [`k8s-app in (${components})`, `component in (${components})`, RESCUE_LABEL];
  const lists = await Promise.all(
    selectors.map((selector) =>
      listAll(api, "/api/v1/pods", `labelSelector=${encodeURIComponent(selector)}&${FROM_CACHE}`, signal),
    ),
  );
  return [...new Map(lists.flat().map((pod) => [pod.metadata.uid, pod])).values()];
}

function isPodOf(pod: KubeObject, name: LeaseHolderName): boolean {
  return recogniseComponent(pod.metadata.labels ?? {}, pod.metadata.name, objectOf(pod.spec))?.component === name;
}

function staticPodsAmong(pods: readonly KubeObject[]): ClusterFacts["staticPods"] {
  return pods.flatMap((pod) => {
    const component = isMirrorPod(pod) && !isTemporary(pod) ? recognisePod(pod)?.component : undefined;
    return component === undefined ? [] : [{ component, node: nodeOf(pod) }];
  });
}

function podFacts(pod: KubeObject): ComponentPod {
  const { metadata, spec, status } = pod;
  const state = objectOf(status);
  const ready = isReady(pod);
  const waiting = objectsOf(state.containerStatuses)
    .map((each) => objectOf(objectOf(each.state).waiting))
    .find((each) => textOf(each.reason) !== "");
  return {
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    node: textOf(objectOf(spec).nodeName),
    phase: textOf(state.phase),
    ready,
    isRescuePod: metadata.labels?.[RESCUE_LABEL] !== undefined,
    isMirror: metadata.annotations?.["kubernetes.io/config.mirror"] !== undefined,
    waiting: waiting && [textOf(waiting.reason), textOf(waiting.message)].filter(Boolean).join(": "),
  };
}
