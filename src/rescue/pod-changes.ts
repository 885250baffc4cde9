/** The pods of a cluster before and after: what has changed, what is not well, and the rest, in this order. */

import { compare } from "../kube/compare-text.ts";
import { isReady } from "../kube/conditions.ts";
import { namespacedName } from "../kube/names.ts";
import type { KubeObject } from "../kube/object.ts";
import { isTerminating, phaseOf } from "../kube/pod.ts";

export interface PodRow {
  readonly pod: KubeObject;
  /** `new`, `gone`, or what its summary was before; undefined where nothing has changed. */
  readonly change: string | undefined;
  readonly isWell: boolean;
}

/** Whether the pod does what it is there for: all containers ready, or done. */
function isWell(pod: KubeObject): boolean {
  return !isTerminating(pod) && (phaseOf(pod) === "Succeeded" || isReady(pod));
}

/**
 * @param summary of a pod, such as `Pending` or `Running 0/1`: where it differs the pod has changed
 */
export function comparePods(
  before: readonly KubeObject[],
  after: readonly KubeObject[],
  summary: (pod: KubeObject) => string,
): PodRow[] {
  const earlier = new Map(before.map((pod) => [identityOf(pod), pod]));
  const rows: PodRow[] = [];
  for (const pod of after) {
    const identity = identityOf(pod);
    const was = earlier.get(identity);
    earlier.delete(identity);
    const change = was === undefined ? "new" : summary(was) === summary(pod) ? undefined : `was ${summary(was)}`;
    rows.push({ pod, change, isWell: isWell(pod) });
  }
  for (const pod of earlier.values()) rows.push({ pod, change: "gone", isWell: false });
  const rank = ({ change, isWell: well }: PodRow) => (change === undefined ? (well ? 2 : 1) : 0);
  return rows.sort((a, b) => rank(a) - rank(b) || compare(namespacedName(a.pod), namespacedName(b.pod)));
}

/** Pods that wait for a scheduler, or for their containers: what a rescue is for. */
export function isPending(pod: KubeObject): boolean {
  return !isTerminating(pod) && phaseOf(pod) === "Pending";
}

function identityOf(pod: KubeObject): string {
  return pod.metadata.uid ?? namespacedName(pod);
}
