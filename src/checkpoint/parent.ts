/** Which pods are parents, and which checkpoint stands for them. */
import { objectOf, textOf } from "../kube/fields.ts";
import type { KubeObject } from "../kube/object.ts";
import {
  type AgentPlace,
  CHECKPOINT_OF_ANNOTATION,
  type CheckpointId,
  CONTROLLER_ANNOTATION,
  PARENT_ANNOTATION,
} from "./checkpoint.ts";

const SOURCE_ANNOTATION = "kubernetes.io/config.source";
const MIRROR_ANNOTATION = "kubernetes.io/config.mirror";

/**
 * Annotated, of this namespace, not a static pod or its mirror, not a checkpoint, and not one that has ended for good:
 * the kubelet runs such a pod no more, and its controller makes another.
 */
export function isParent(pod: KubeObject, namespace: string): boolean {
  const annotations = pod.metadata.annotations ?? {};
  const source = annotations[SOURCE_ANNOTATION];
  const phase = textOf(objectOf(pod.status).phase);
  return (
    pod.metadata.namespace === namespace &&
    annotations[PARENT_ANNOTATION] === "true" &&
    (source === undefined || source === "api") &&
    annotations[MIRROR_ANNOTATION] === undefined &&
    annotations[CHECKPOINT_OF_ANNOTATION] === undefined &&
    phase !== "Succeeded" &&
    phase !== "Failed"
  );
}

/**
 * The controller in the words of its pods: a Deployment's ReplicaSet changes its name with the template, so the hash is
 * taken off. Pods whose names last (of a StatefulSet, or of nobody) stand for themselves.
 */
export function checkpointIdOf(pod: KubeObject): CheckpointId {
  const { namespace = "", name, ownerReferences = [], labels = {} } = pod.metadata;
  const made = pod.metadata.annotations?.[CONTROLLER_ANNOTATION];
  if (made !== undefined) return `${namespace}/${made}`;
  const owner = ownerReferences.find(({ controller }) => controller === true);
  if (owner === undefined || pod.metadata.annotations?.[CHECKPOINT_OF_ANNOTATION] !== undefined) {
    return `${namespace}/Pod/${name}`;
  }
  if (owner.kind === "ReplicaSet") {
    const hash = labels["pod-template-hash"];
    const isHashed = hash !== undefined && owner.name.endsWith(`-${hash}`);
    return `${namespace}/ReplicaSet/${isHashed ? owner.name.slice(0, -hash.length - 1) : owner.name}`;
  }
  if (owner.kind === "StatefulSet" || owner.kind === "Node") return `${namespace}/Pod/${name}`;
  return `${namespace}/${owner.kind}/${owner.name}`;
}

/**
 * Whether the pod is the one that this agent runs in, or was copied from. As a static pod the agent's own name has the
 * node's name at its end.
 */
export function isAgentsOwn(pod: KubeObject, place: AgentPlace): boolean {
  if (place.podName === undefined || pod.metadata.namespace !== place.namespace) return false;
  return pod.metadata.name === place.podName || staticPodNameOf(pod.metadata.name, place.nodeName) === place.podName;
}

/**
 * Whether the agent is what was left to run after its own removal, for the moments until the kubelet ends it: a static
 * pod that the API server does not know but as the mirror of a checkpoint. It must copy nothing again.
 */
export function isLeftover(api: readonly KubeObject[] | undefined, place: AgentPlace): boolean {
  if (api === undefined || place.podName?.endsWith(staticPodNameOf("", place.nodeName)) !== true) return false;
  return !api.some(
    (pod) => pod.metadata.annotations?.[CHECKPOINT_OF_ANNOTATION] === undefined && isAgentsOwn(pod, place),
  );
}

/** What the kubelet calls a static pod (kubernetes/pkg/kubelet/config/common.go). */
export function staticPodNameOf(name: string, nodeName: string): string {
  return `${name}-${nodeName.toLowerCase()}`;
}
