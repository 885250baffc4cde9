/**
 * Two looks at what seems to be nobody's work, a few seconds apart: where some of it is seen to be done at the second,
 * whoever does it is at work, and has more to do than it can. After thousands of pods were made at once that takes
 * minutes. What is only gone says nothing: somebody may have deleted it.
 */
import type { CaughtUp, LaggingDeployment, PendingPod, ShortReplicaSet } from "./facts.ts";

export interface Undone {
  /** Pods of which their scheduler has said nothing for too long. */
  readonly ignored: readonly PendingPod[];
  readonly lagging: readonly LaggingDeployment[];
  readonly short: readonly ShortReplicaSet[];
}

/** Each undefined where the second look failed. */
export interface SecondLook {
  readonly pending: readonly PendingPod[] | undefined;
  /** Deployments that were observed as they are. */
  readonly observed: readonly Named[] | undefined;
  /** How many pods each ReplicaSet has, by `NAMESPACE/NAME`. */
  readonly pods: ReadonlyMap<string, number> | undefined;
}

interface Named {
  readonly namespace: string;
  readonly name: string;
}

export const NOTHING_CAUGHT_UP: CaughtUp = { pods: new Map(), deployments: 0, replicaSets: 0 };

export function caughtUp({ ignored, lagging, short }: Undone, { pending, observed, pods }: SecondLook): CaughtUp {
  const before = new Set(ignored.map(nameOf));
  const taken = (pending ?? []).filter(
    (pod) => before.has(nameOf(pod)) && (pod.node !== "" || pod.verdict !== undefined),
  );
  const groups = Map.groupBy(taken, ({ schedulerName }) => schedulerName);
  const settled = new Set((observed ?? []).map(nameOf));
  return {
    pods: new Map([...groups].map(([scheduler, own]) => [scheduler, own.length])),
    deployments: lagging.filter((each) => settled.has(nameOf(each))).length,
    replicaSets: short.filter((each) => (pods?.get(nameOf(each)) ?? 0) > each.there).length,
  };
}

function nameOf({ namespace, name }: Named): string {
  return `${namespace}/${name}`;
}
