/**
 * When the pods of a node that does not answer are evicted. The node controller taints the node, and each pod stays as
 * long as it tolerates that; before Kubernetes 1.13 (and without the taint manager, up to 1.26) all pods went together,
 * `--pod-eviction-timeout` after the node's last sign of life, or after its kubelet had said that it is not ready.
 * Source of the rules: kubernetes/pkg/controller/nodelifecycle and tainteviction.
 */
import { objectOf, objectsOf, textOf } from "../kube/fields.ts";
import { isMirrorPod } from "../kube/mirror-pod.ts";
import { nodeState, readyCondition } from "../kube/node-state.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { daemonSetOf, isFinished } from "../kube/pod.ts";
import { tolerates } from "../kube/tolerations.ts";

/** How the controller manager evicts. */
export type EvictionMode =
  | { readonly by: "taints" }
  /** `--pod-eviction-timeout`; `assumed` where its flags are not to be seen, so that this is the default. */
  | { readonly by: "timeout"; readonly seconds: number; readonly assumed: boolean };

/** `--pod-eviction-timeout`, unless set. */
export const DEFAULT_EVICTION_TIMEOUT_S = 300;

export type EvictionDue =
  | { readonly when: "at"; readonly time: number; readonly because: string }
  | { readonly when: "never"; readonly because: string }
  /** It would be due, but the node controller has not begun to count. */
  | { readonly when: "held"; readonly because: string };

/** For a pod of a node that is not ready. `lease`: the node's. Times in milliseconds since the epoch. */
export function evictionDue(pod: KubeObject, node: KubeObject, mode: EvictionMode, lease?: KubeObject): EvictionDue {
  if (isMirrorPod(pod)) return { when: "never", because: "a static pod stays with its machine" };
  if (isFinished(pod)) return { when: "never", because: "it has finished" };
  if (mode.by === "timeout") return dueByTimeout(pod, node, mode, lease);
  const taints = noExecuteTaints(node);
  if (taints.length === 0) {
    return {
      when: "held",
      because:
        "the node controller has not tainted the node yet: it takes one in ten seconds, and waits where most nodes of a zone fail",
    };
  }
  let due = Number.POSITIVE_INFINITY;
  let because = "";
  for (const taint of taints) {
    const key = textOf(taint.key);
    const began = Date.parse(textOf(taint.timeAdded)) || Date.parse(readyCondition(node).since);
    const tolerance = toleratedSeconds(pod, taint);
    const time = began + tolerance * 1000;
    if (Number.isNaN(time) || time >= due) continue;
    due = time;
    because = tolerance === 0 ? `does not tolerate ${key}` : `tolerates ${key} for ${tolerance} s`;
  }
  if (Number.isFinite(due)) return { when: "at", time: due, because };
  const owner = daemonSetOf(pod);
  return {
    when: "never",
    because: owner === undefined ? "tolerates it for ever" : "pods of a DaemonSet tolerate it for ever",
  };
}

function dueByTimeout(
  pod: KubeObject,
  node: KubeObject,
  mode: Extract<EvictionMode, { by: "timeout" }>,
  lease: KubeObject | undefined,
): EvictionDue {
  if (daemonSetOf(pod) !== undefined) return { when: "never", because: "pods of a DaemonSet stay" };
  const { ready, since, lastSign } = nodeState(node, lease);
  const isSilent = ready === "Unknown";
  const began = Date.parse(isSilent ? lastSign || since : since);
  if (Number.isNaN(began)) return { when: "held", because: "the node does not say since when it is not ready" };
  const from = isSilent ? "since the node's last sign of life" : "since the node is not ready";
  const assumed = mode.assumed ? ", unless the controller manager is configured otherwise" : "";
  const because = `--pod-eviction-timeout is ${mode.seconds} s ${from}${assumed}`;
  return { when: "at", time: began + mode.seconds * 1000, because };
}

function noExecuteTaints(node: KubeObject): readonly JsonObject[] {
  return objectsOf(objectOf(node.spec).taints).filter(({ effect }) => effect === "NoExecute");
}

/** The shortest of all tolerations that match the taint; 0 where none does, infinite where all are without a limit. */
function toleratedSeconds(pod: KubeObject, taint: JsonObject): number {
  const matching = objectsOf(objectOf(pod.spec).tolerations).filter((toleration) => tolerates(toleration, taint));
  if (matching.length === 0) return 0;
  return Math.min(
    ...matching.map(({ tolerationSeconds }) =>
      typeof tolerationSeconds === "number" ? Math.max(0, tolerationSeconds) : Number.POSITIVE_INFINITY,
    ),
  );
}
