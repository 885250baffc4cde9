/**
 * When the pods of a lost node are evicted: by the NoExecute taints that its state brings and how long each pod tolerates them (300 s by the admission
 * plugin DefaultTolerationSeconds), or, before taint based eviction (off by default up to 1.12), by `--pod-eviction-timeout` of the controller manager.
 */
import type { NodeFacts, NodePod } from "./facts.ts";

/** `--pod-eviction-timeout` unless told. */
export const POD_EVICTION_MS = 5 * 60_000;

/** When one pod is evicted; undefined: never. */
export function evictionOf(pod: NodePod, node: NodeFacts, timeoutMs = POD_EVICTION_MS): number | undefined {
  if (pod.stays || pod.deleting) return undefined;
  const { evictionTaints } = node;
  if (evictionTaints.length === 0) return node.since + timeoutMs;
  const times = evictionTaints.map(({ key, since }) => {
    const tolerating = pod.tolerations.filter((each) => tolerates(each, key));
    if (tolerating.length === 0) return since;
    const seconds = tolerating.flatMap((each) => (each.seconds === undefined ? [] : [each.seconds]));
    return seconds.length === 0 ? Number.POSITIVE_INFINITY : since + Math.max(0, Math.min(...seconds)) * 1000;
  });
  const first = Math.min(...times);
  return first === Number.POSITIVE_INFINITY ? undefined : first;
}

export interface Evictions {
  /** Of those that will be. */
  readonly first: number | undefined;
  readonly count: number;
  /** That are marked for deletion, and cannot go because no kubelet confirms it. */
  readonly deleting: number;
}

export function evictionsOf(node: NodeFacts, timeoutMs?: number): Evictions {
  const pods = node.pods ?? [];
  const times = pods.map((pod) => evictionOf(pod, node, timeoutMs)).filter((time) => time !== undefined);
  return {
    first: times.length === 0 ? undefined : Math.min(...times),
    count: times.length,
    deleting: pods.filter(({ deleting }) => deleting).length,
  };
}

function tolerates({ key, operator, effect }: NodePod["tolerations"][number], taint: string): boolean {
  if (effect !== "" && effect !== "NoExecute") return false;
  // The value of these taints is empty, so that Equal with an empty value tolerates them too.
  return key === taint || (key === "" && operator === "Exists");
}
