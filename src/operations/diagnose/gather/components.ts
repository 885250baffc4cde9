/** Scheduler and controller manager: their leases, and what in the cluster makes their pods. */

import type { ComponentFacts, ComponentPod, LeaseFacts } from "../../../diagnosis/facts.ts";
import { FROM_CACHE, listAll, unlessAbsent } from "../../../io/api-server/api-lists.ts";
import type { ClusterApi } from "../../../io/api-server/cluster-api.ts";
import { recogniseComponent } from "../../../kube/component.ts";
import { isReady } from "../../../kube/conditions.ts";
import { objectOf, objectsOf, textOf } from "../../../kube/fields.ts";
import { LEASE_HOLDERS, type LeaderLease, type LeaseHolderName, leasePlaceOf, renewedAt } from "../../../kube/lease.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { readHeldLeases } from "../../cluster-access/read-leases.ts";
import type { Probes } from "./probes.ts";

export type LeaseLook = ReadonlyMap<LeaseHolderName, LeaseFacts>;

/** Those that there are. `now`: the API server's clock. */
export async function lookAtLeases(api: ClusterApi, now: () => number, signal: AbortSignal): Promise<LeaseLook> {
  const found = await readHeldLeases(
    api,
    LEASE_HOLDERS.map((name) => leasePlaceOf(name)),
    now,
    signal,
  );
  return new Map(
    found.flatMap((lease, i): [LeaseHolderName, LeaseFacts][] =>
      lease === undefined ? [] : [[LEASE_HOLDERS[i]!, leaseFacts(lease)]],
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

export async function gatherComponents(
  api: ClusterApi,
  probes: Probes,
  deployments: Promise<readonly KubeObject[] | undefined>,
  leases: Promise<LeaseLook | undefined>,
): Promise<ComponentFacts[]> {
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
  const found = await leases;
  return LEASE_HOLDERS.map((name): ComponentFacts => {
    const own = workloads.find(({ object }) => runs(object, name));
    return {
      name,
      lease: found?.get(name),
      workload: own && {
        kind: own.kind,
        namespace: own.object.metadata.namespace ?? "",
        name: own.object.metadata.name,
        replicas: replicasOf(own.kind, own.object),
      },
      pods: (pods ?? []).filter((pod) => isPodOf(pod, name)).map(podFacts),
    };
  });
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

/** By the labels that bootkube and kubeadm give them: lists of a few pods each. */
async function controlPlanePods(api: ClusterApi, signal: AbortSignal): Promise<KubeObject[]> {
  const lists = await Promise.all(
    ["k8s-app", "component"].map((label) => {
      const selector = encodeURIComponent(`${label} in (${LEASE_HOLDERS.join(",")})`);
      return listAll(api, "/api/v1/pods", `labelSelector=${selector}&${FROM_CACHE}`, signal);
    }),
  );
  return [...new Map(lists.flat().map((pod) => [pod.metadata.uid, pod])).values()];
}

function isPodOf(pod: KubeObject, name: LeaseHolderName): boolean {
  return recogniseComponent(pod.metadata.labels ?? {}, pod.metadata.name, objectOf(pod.spec))?.component === name;
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
    isMirror: metadata.annotations?.["kubernetes.io/config.mirror"] !== undefined,
    waiting: waiting && [textOf(waiting.reason), textOf(waiting.message)].filter(Boolean).join(": "),
  };
}
