/**
 * What may be done with the pods of a node that does not answer. Deleting a pod there asks its kubelet to end it; only
 * when the kubelet has said so is the pod gone. Force takes it away without that: right when the machine is off, and
 * otherwise two pods of the same name may run.
 */

import { objectOf, objectsOf, textOf } from "../kube/fields.ts";
import { isMirrorPod } from "../kube/mirror-pod.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { controllerOf, daemonSetOf, isFinished, isTerminating } from "../kube/pod.ts";

/** Source: k8s.io/api/core/v1, TaintNodeOutOfService. Acted on since 1.26, where it became beta; general since 1.28. */
export const OUT_OF_SERVICE: JsonObject = {
  key: "node.kubernetes.io/out-of-service",
  value: "nodeshutdown",
  effect: "NoExecute",
};
const OUT_OF_SERVICE_MINOR = 26;

export function servesOutOfService(minor: number): boolean {
  return minor >= OUT_OF_SERVICE_MINOR;
}

export function isOutOfService(node: KubeObject): boolean {
  return taintsOf(node).some(({ key }) => key === OUT_OF_SERVICE.key);
}

export function taintsOf(node: KubeObject): readonly JsonObject[] {
  return objectsOf(objectOf(node.spec).taints);
}

/** The node's taints with the one of nodes out of service, or without it. */
export function withOutOfService(node: KubeObject, isOut: boolean): readonly JsonObject[] {
  const others = taintsOf(node).filter(({ key }) => key !== OUT_OF_SERVICE.key);
  return isOut ? [...others, OUT_OF_SERVICE] : others;
}

export interface EvictPlan {
  /** Asked to end now, as the node controller would do later; those that are terminating already are left out. */
  readonly remove: readonly KubeObject[];
  /** Already on their way out. */
  readonly terminating: readonly KubeObject[];
  /** Mirror pods, pods of DaemonSets, finished ones: nothing is gained by their going. */
  readonly stay: readonly KubeObject[];
  /** Without a controller, so that nobody makes them again anywhere: gone is gone. In `remove` only where that was asked for. */
  readonly unreplicated: readonly KubeObject[];
  /** Of `remove` and `terminating`: those whose replacement waits until they are gone for certain. */
  readonly waitForProof: readonly KubeObject[];
}

/** @param removesUnreplicated whether pods without a controller go too */
export function planEviction(pods: readonly KubeObject[], removesUnreplicated: boolean): EvictPlan {
  const stay = pods.filter((pod) => isMirrorPod(pod) || daemonSetOf(pod) !== undefined || isFinished(pod));
  const unreplicated = pods.filter(
    (pod) => !stay.includes(pod) && !isTerminating(pod) && controllerOf(pod) === undefined,
  );
  const go = pods.filter((pod) => !stay.includes(pod) && (removesUnreplicated || !unreplicated.includes(pod)));
  return {
    unreplicated,
    remove: go.filter((pod) => !isTerminating(pod)),
    terminating: go.filter(isTerminating),
    stay,
    waitForProof: go.filter(needsProof),
  };
}

/** A StatefulSet makes the next pod of a name only when the last one is gone; a volume for one node at a time is let go only then, too. */
export function needsProof(pod: KubeObject): boolean {
  return controllerOf(pod)?.kind === "StatefulSet" || claimsOf(pod).length > 0;
}

export function claimsOf(pod: KubeObject): string[] {
  return objectsOf(objectOf(pod.spec).volumes)
    .map(({ persistentVolumeClaim }) => textOf(objectOf(persistentVolumeClaim).claimName))
    .filter((name) => name !== "");
}
