/** What a single pod says of itself: its phase, its owner, its requests. */
import { isReady } from "./conditions.ts";
import { objectOf, objectsOf, textOf, textsOf } from "./fields.ts";
import type { KubeObject, OwnerReference } from "./object.ts";
import { parseQuantity } from "./quantity.ts";

export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

export function phaseOf(pod: KubeObject): string {
  return textOf(objectOf(pod.status).phase);
}

/** Succeeded or failed: it runs nothing any more, and nobody misses it. */
export function isFinished(pod: KubeObject): boolean {
  const phase = phaseOf(pod);
  return phase === "Succeeded" || phase === "Failed";
}

export function isTerminating(pod: KubeObject): boolean {
  return pod.metadata.deletionTimestamp !== undefined && pod.metadata.deletionTimestamp !== null;
}

/** Counts for its owner: it serves, and nobody has asked it to go. */
export function isServing(pod: KubeObject): boolean {
  return !isTerminating(pod) && isReady(pod);
}

export function hasEmptyDir(pod: KubeObject): boolean {
  return objectsOf(objectOf(pod.spec).volumes).some(({ emptyDir }) => emptyDir !== undefined && emptyDir !== null);
}

/** The label that the DaemonSet controller's pods are told by: the reference itself, of any version that DaemonSets ever had. */
export function daemonSetOf(pod: KubeObject): OwnerReference | undefined {
  const owner = controllerOf(pod);
  return owner?.kind === "DaemonSet" && /^(?:apps|extensions)\//.test(owner.apiVersion) ? owner : undefined;
}

export interface Requests {
  /** Cores. */
  readonly cpu: number;
  /** Bytes. */
  readonly memory: number;
}

/** What the scheduler counts: the sum of the containers', or one init container's if that is more, and the overhead. */
export function requestsOf(pod: KubeObject): Requests {
  const spec = objectOf(pod.spec);
  const of = (name: "cpu" | "memory") => {
    const request = (container: (typeof containers)[number]) =>
      parseQuantity(objectOf(objectOf(container.resources).requests)[name]);
    const containers = objectsOf(spec.containers);
    const running = containers.reduce((sum, container) => sum + request(container), 0);
    const most = objectsOf(spec.initContainers).reduce((max, container) => Math.max(max, request(container)), 0);
    return Math.max(running, most) + parseQuantity(objectOf(spec.overhead)[name]);
  };
  return { cpu: of("cpu"), memory: of("memory") };
}

export function finalizersOf(object: KubeObject): readonly string[] {
  return textsOf(object.metadata.finalizers);
}
