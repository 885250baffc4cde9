/** A first look at a cluster's objects: what could belong to a control plane, by what it is. */

import { type Recognition, recogniseComponent } from "../kube/component.ts";
import { isObject, objectOf } from "../kube/fields.ts";
import type { LastSign } from "../kube/last-sign.ts";
import { lastSignOf, laterSign } from "../kube/last-sign.ts";
import { holderHost, readLease } from "../kube/lease.ts";
import { isMirrorPod } from "../kube/mirror-pod.ts";
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import type { SealedObject, Workload } from "./control-plane.ts";
import { isEtcdCluster } from "./self-hosted-etcd.ts";

export interface SortedObjects {
  readonly workloads: readonly Candidate[];
  readonly mirrorPods: readonly KubeObject[];
  /** Pods labelled as members of an EtcdCluster. */
  readonly etcdPods: readonly KubeObject[];
  readonly etcdClusters: readonly KubeObject[];
  readonly services: readonly KubeObject[];
  readonly nodes: readonly KubeObject[];
  /** Secrets and config maps. */
  readonly data: readonly KubeObject[];
  /** Machines, or pods, from which a scheduler or controller manager was led, by the leases. */
  readonly leaderHosts: readonly string[];
  readonly podCount: number;
  readonly lastSign: LastSign | undefined;
  readonly sealed: readonly SealedObject[];
}

/** A DaemonSet or Deployment that could be a component. */
export interface Candidate extends Workload {
  readonly by: Recognition["by"];
}

/** One pass, any order; objects of other kinds count for nothing but {@link SortedObjects.lastSign}. */
export function sortObjects(objects: Iterable<KubeObject>, sealed: readonly SealedObject[]): SortedObjects {
  const workloads: Candidate[] = [];
  const mirrorPods: KubeObject[] = [];
  const etcdPods: KubeObject[] = [];
  const etcdClusters: KubeObject[] = [];
  const services: KubeObject[] = [];
  const nodes: KubeObject[] = [];
  const data: KubeObject[] = [];
  const leaderHosts = new Set<string>();
  let podCount = 0;
  let lastSign: LastSign | undefined;
  for (const stored of objects) {
    const object = wellFormed(stored);
    if (object === undefined) continue;
    lastSign = laterSign(lastSign, lastSignOf(object));
    const leader = leaderHost(object);
    if (leader !== "") leaderHosts.add(leader);
    if (object.kind === "Pod") {
      podCount++;
      if (isMirrorPod(object)) mirrorPods.push(object);
      else if (object.metadata.labels?.etcd_cluster !== undefined) etcdPods.push(object);
    } else if (object.kind === "Service") services.push(object);
    else if (object.kind === "Node") nodes.push(object);
    else if (object.kind === "Secret" || object.kind === "ConfigMap") data.push(object);
    else if (isEtcdCluster(object)) etcdClusters.push(object);
    const candidate = asCandidate(object);
    if (candidate !== undefined) workloads.push(candidate);
  }
  return {
    workloads,
    mirrorPods,
    etcdPods,
    etcdClusters,
    services,
    nodes,
    data,
    leaderHosts: [...leaderHosts].sort(),
    podCount,
    lastSign,
    sealed,
  };
}

function leaderHost(object: KubeObject): string {
  const { name, namespace } = object.metadata;
  if (namespace !== "kube-system" || (name !== "kube-scheduler" && name !== "kube-controller-manager")) return "";
  const lease = readLease(object);
  return lease === undefined ? "" : holderHost(lease);
}

/**
 * The object with metadata of the types that the API promises, since a value in etcd may be anything: undefined without a name; labels and
 * annotations that are no maps of strings read as none.
 */
export function wellFormed(object: KubeObject): KubeObject | undefined {
  const metadata = objectOf(object.metadata as JsonObject);
  const { name, namespace, labels, annotations } = metadata;
  if (typeof name !== "string" || name === "") return undefined;
  if (namespace !== undefined && typeof namespace !== "string") return undefined;
  if (isTextMap(labels) && isTextMap(annotations)) return object;
  return { ...object, metadata: { ...object.metadata, labels: textMap(labels), annotations: textMap(annotations) } };
}

function isTextMap(value: JsonValue | undefined): boolean {
  return value === undefined || (isObject(value) && Object.values(value).every((each) => typeof each === "string"));
}

function textMap(value: JsonValue | undefined): { readonly [name: string]: string } {
  const entries = Object.entries(objectOf(value)).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return Object.fromEntries(entries);
}

/** The object as a component of a self-hosted control plane, if it is one. */
export function asCandidate(object: KubeObject): Candidate | undefined {
  if (object.kind !== "DaemonSet" && object.kind !== "Deployment") return undefined;
  const template = objectOf(objectOf(object.spec).template);
  const podSpec = objectOf(template.spec);
  const recognised = recogniseComponent(object.metadata.labels ?? {}, object.metadata.name, podSpec);
  if (recognised === undefined || recognised.component === "etcd") return undefined;
  return {
    ...recognised,
    kind: object.kind,
    namespace: object.metadata.namespace ?? "default",
    name: object.metadata.name,
    annotations: textMap(objectOf(template.metadata).annotations),
    podSpec,
  };
}

export function recognisePod(pod: KubeObject): Recognition | undefined {
  return recogniseComponent(pod.metadata.labels ?? {}, pod.metadata.name, objectOf(pod.spec));
}
