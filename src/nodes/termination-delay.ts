/** Why a pod that was asked to leave is still there. */
import { textOf } from "../kube/fields.ts";
import type { KubeObject } from "../kube/object.ts";
import { finalizersOf } from "../kube/pod.ts";

export type TerminationDelay =
  /** Its containers may still use their grace period, which ends then (milliseconds since the epoch). */
  | { readonly kind: "grace"; readonly endsAt: number }
  /** Nobody confirms its end: the node's kubelet does not answer. */
  | { readonly kind: "node-silent" }
  /** Its containers are gone; these have to be taken off by whoever put them on. */
  | { readonly kind: "finalizers"; readonly names: readonly string[] }
  /** The kubelet answers, but has not ended it since then. */
  | { readonly kind: "overdue"; readonly since: number };

/** For a terminating pod. `nodeAnswers`: whether the node's kubelet does; undefined where that is not known. */
export function delayOf(pod: KubeObject, nodeAnswers: boolean | undefined, now: number): TerminationDelay {
  // The API server sets the timestamp to when the grace period ends.
  const endsAt = Date.parse(textOf(pod.metadata.deletionTimestamp));
  const finalizers = finalizersOf(pod);
  const isOver = pod.metadata.deletionGracePeriodSeconds === 0 || !(endsAt > now);
  if (finalizers.length > 0 && isOver) return { kind: "finalizers", names: finalizers };
  if (nodeAnswers === false) return { kind: "node-silent" };
  if (!isOver) return { kind: "grace", endsAt };
  return { kind: "overdue", since: Number.isNaN(endsAt) ? now : endsAt };
}

/** A pod that is over its time by this much is reported, and its node is looked at. */
const OVERDUE_MS = 15_000;

/** Whether a terminating pod should have ended some time ago. */
export function isOverdue(pod: KubeObject, now: number): boolean {
  return Date.parse(textOf(pod.metadata.deletionTimestamp)) + OVERDUE_MS < now;
}

/** What holds a terminating pod, where that is certain or the pod is late; undefined while nothing unusual is seen. */
export function reportableDelay(
  pod: KubeObject,
  nodeAnswers: boolean | undefined,
  now: number,
): TerminationDelay | undefined {
  const delay = delayOf(pod, nodeAnswers, now);
  const isLate = isOverdue(pod, now);
  switch (delay.kind) {
    case "grace":
      return undefined;
    case "node-silent":
      return delay;
    case "finalizers":
      return isLate || pod.metadata.deletionGracePeriodSeconds === 0 ? delay : undefined;
    case "overdue":
      return isLate ? delay : undefined; // without a grace period it ends soon, unless something else holds it
  }
}

/** Such as `held by finalizer "example.com/hold"`; no capital, no full stop. */
export function delayText(delay: TerminationDelay, now: number): string {
  switch (delay.kind) {
    case "grace":
      return `ends within ${seconds(delay.endsAt - now)}`;
    case "node-silent":
      return "its node's kubelet does not answer, so nobody confirms that it has ended";
    case "finalizers": {
      const { names } = delay;
      return (
        `held by finalizer${names.length === 1 ? "" : "s"} ` +
        `${names.map((name) => `"${name}"`).join(", ")}: whoever put ` +
        `${names.length === 1 ? "it" : "them"} there has to take ${names.length === 1 ? "it" : "them"} ` +
        "off"
      );
    }
    case "overdue":
      return `should have ended ${seconds(now - delay.since)} ago: its kubelet has not ended it (see the kubelet's log)`;
  }
}

function seconds(milliseconds: number): string {
  return `${Math.max(0, Math.round(milliseconds / 1000))} s`;
}
