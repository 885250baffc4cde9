/**
 * Mirror pods: what the kubelet reports to the API server about the static pods that it reads from files
 * (kubernetes/pkg/kubelet/types/pod_update.go, pkg/kubelet/config/common.go).
 */

import { objectOf, textOf } from "./fields.ts";
import type { JsonObject, KubeObject } from "./object.ts";

/** Set by the kubelet on mirror pods only. */
const MIRROR_ANNOTATION = "kubernetes.io/config.mirror";
const SOURCE_ANNOTATION = "kubernetes.io/config.source";

/** Set by bootkube's pod checkpointer on the static pods that it makes of other pods: copies, not the control plane's definition. */
const CHECKPOINT_OF_ANNOTATION = "checkpointer.alpha.coreos.com/checkpoint-of";

/** Whether the pod mirrors a static pod. `config.source` alone counts too: a kubelet before 1.1 set no mirror annotation. */
export function isMirrorPod(object: KubeObject): boolean {
  if (object.kind !== "Pod") return false;
  const annotations = object.metadata.annotations ?? {};
  const source = annotations[SOURCE_ANNOTATION];
  return annotations[MIRROR_ANNOTATION] !== undefined || source === "file" || source === "http";
}

/** Whether a static pod is there only for a while: a checkpoint, or the bootstrap control plane of a recovery or an installation. */
export function isTemporary(mirrorPod: KubeObject): boolean {
  return (
    mirrorPod.metadata.annotations?.[CHECKPOINT_OF_ANNOTATION] !== undefined ||
    mirrorPod.metadata.name.startsWith("bootstrap-") ||
    mirrorPod.metadata.name.startsWith("recovery-etcd")
  );
}

export function nodeOf(pod: JsonObject): string {
  return textOf(objectOf(pod.spec).nodeName);
}

/** The name in the manifest: the kubelet appends a dash and the node's name in lower case. */
export function staticPodName(mirrorPod: KubeObject): string {
  const suffix = `-${nodeOf(mirrorPod).toLowerCase()}`;
  const { name } = mirrorPod.metadata;
  return suffix !== "-" && name.endsWith(suffix) && name.length > suffix.length ? name.slice(0, -suffix.length) : name;
}
