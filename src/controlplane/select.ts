/** From a cluster's objects to its control plane: which flavour it is, what runs it, what that refers to and what of it is missing. */

import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import { input } from "../errors/input.ts";
import { compare } from "../kube/compare-text.ts";
import { RECOGNISED_BY } from "../kube/component.ts";
import { isTemporary } from "../kube/mirror-pod.ts";
import type { KubeObject } from "../kube/object.ts";
import type { SealedObject } from "./control-plane.ts";
import { asServicesHint, distributionOf } from "./distribution.ts";
import { type ControlPlane, FLAVOURS } from "./flavours/flavours.ts";
import { isEtcdCluster } from "./self-hosted-etcd.ts";
import {
  asCandidate,
  type Candidate,
  recognisePod,
  type SortedObjects,
  sortObjects,
  wellFormed,
} from "./sorted-objects.ts";

export interface SelectOptions {
  /** The components' namespace. Without it `kube-system`, or the only other one that has an API server. */
  readonly namespace?: string | undefined;
  /** Objects that are there and could not be opened: distinguished from absent ones in what is missing. */
  readonly sealed?: readonly SealedObject[] | undefined;
  /** How many pods the cluster has, where the source gives only some of them. */
  readonly podCount?: number | undefined;
  /** What to try where there is none, in the imperative: it depends on the source. */
  readonly notFoundHint?: string | undefined;
}

/**
 * Reads the objects once, in any order, of any API version that ever served them. Objects of other kinds are passed over, so a source may
 * give everything or only what matters: DaemonSets, Deployments, mirror pods and etcd members, Services, Nodes, Leases, EtcdClusters,
 * and the secrets and config maps of the components' namespaces.
 * Throws `control-plane-not-found` when there is none, saying what was there instead. References that are not met do not throw: they are
 * in `missing`, all of them.
 */
export function selectControlPlane(objects: Iterable<KubeObject>, options: SelectOptions = {}): ControlPlane {
  const sorted = sortObjects(objects, options.sealed ?? []);
  const namespace = options.namespace ?? workloadNamespace(sorted);
  const workloads = strongestOf(sorted.workloads.filter((candidate) => candidate.namespace === namespace));
  const staticPods = sorted.mirrorPods.filter((pod) => !isTemporary(pod));
  for (const { select } of FLAVOURS) {
    const plane = select({ sorted, namespace, workloads, staticPods });
    if (plane !== undefined) return plane;
  }
  throw notFound(sorted, options);
}

/** The namespaces whose secrets and config maps a selection may refer to: what a source has to read besides the workloads. */
export function dataNamespaces(objects: Iterable<KubeObject>, options: SelectOptions = {}): string[] {
  const namespaces = new Set(["kube-system"]);
  if (options.namespace !== undefined) namespaces.add(options.namespace);
  for (const stored of objects) {
    const object = wellFormed(stored);
    if (object === undefined) continue;
    const workload = asCandidate(object);
    if (workload !== undefined) namespaces.add(workload.namespace);
    if (isEtcdCluster(object) && object.metadata.namespace !== undefined) namespaces.add(object.metadata.namespace);
  }
  return [...namespaces].sort();
}

/** Whether the workloads alone tell that this cluster hosts its own control plane, so that static pods need not be looked for. */
export function isSurelySelfHosted(objects: Iterable<KubeObject>, namespace = "kube-system"): boolean {
  for (const stored of objects) {
    const object = wellFormed(stored);
    const workload = object === undefined ? undefined : asCandidate(object);
    if (workload?.component === "kube-apiserver" && workload.namespace === namespace) return true;
  }
  return false;
}

/** `kube-system` where anything there is a component; else the only namespace with an API server; else the only one with anything. */
function workloadNamespace(sorted: SortedObjects): string {
  const all = [...new Set(sorted.workloads.map((candidate) => candidate.namespace))].sort();
  if (all.includes("kube-system") || all.length === 0) return "kube-system";
  const withApiServer = all.filter((namespace) =>
    sorted.workloads.some((each) => each.namespace === namespace && each.component === "kube-apiserver"),
  );
  const choice = withApiServer.length > 0 ? withApiServer : all;
  if (choice.length === 1) return defined(choice[0]);
  // Control planes of other clusters, hosted here, may come beside this cluster's own static pods.
  if (sorted.mirrorPods.some((pod) => recognisePod(pod)?.component === "kube-apiserver")) return "kube-system";
  throw new MendError(
    "control-plane-not-found",
    `found control planes in ${choice.length} namespaces: ${choice.map((each) => `"${each}"`).join(", ")}`,
    { hint: `choose one with ${input("namespace")}` },
  );
}

/** Of the candidates for each component those that were recognised the surest way; of several, the one that has the component's name. */
function strongestOf(candidates: readonly Candidate[]): Candidate[] {
  const chosen: Candidate[] = [];
  for (const component of new Set(candidates.map((candidate) => candidate.component))) {
    const same = candidates.filter((candidate) => candidate.component === component);
    const by = RECOGNISED_BY.find((way) => same.some((candidate) => candidate.by === way));
    const strongest = same.filter((candidate) => candidate.by === by);
    const named = strongest.find((candidate) => candidate.name === component);
    chosen.push(...(named === undefined ? strongest : [named]));
  }
  return chosen.sort((a, b) => compare(a.component, b.component) || compare(a.name, b.name));
}

function notFound(sorted: SortedObjects, options: SelectOptions): MendError {
  const podCount = options.podCount ?? sorted.podCount;
  const encrypted = sorted.sealed.filter((object) => object.state === "encrypted");
  if (
    encrypted.some((object) => object.kind === "DaemonSet" || object.kind === "Deployment" || object.kind === "Pod")
  ) {
    return new MendError(
      "encryption-key-missing",
      `${encrypted.length} objects are encrypted, and no control plane is among the others: ${defined(encrypted[0]).text}`,
      { hint: `pass the API server's EncryptionConfiguration with ${input("encryptionConfig")}` },
    );
  }
  const distribution = distributionOf(sorted.nodes);
  const temporary = sorted.mirrorPods.filter(isTemporary).length;
  const found = [
    count(sorted.nodes.length, "node"),
    count(podCount, "pod"),
    `${count(sorted.mirrorPods.length, "mirror pod")}${temporary > 0 ? ` (${temporary} of them temporary)` : ""}`,
    count(sorted.workloads.length, "DaemonSet or Deployment", "DaemonSets or Deployments"),
  ].join(", ");
  if (distribution !== undefined) {
    return new MendError(
      "control-plane-not-found",
      `no object defines this control plane: this is ${distribution.what}; of what could be one there were ${found}`,
      { hint: `this is ${distribution.what}, ${distribution.instead}` },
    );
  }
  const hint =
    options.notFoundHint ??
    `try an older snapshot with ${input("atRevision")}, or say where it lives with ${input("namespace")} or ${input("etcdPrefix")}`;
  return new MendError(
    "control-plane-not-found",
    `no control plane found: looked for a DaemonSet and Deployments labelled "k8s-app" or "component", or so named (self-hosted), ` +
      `and for mirror pods of static pods (kubeadm); of what could be one there were ${found}`,
    {
      hint: sorted.leaderHosts.length === 0 ? hint : `${asServicesHint(sorted.leaderHosts)}; else ${hint}`,
    },
  );
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
