/**
 * Two looks at what seems to be nobody's work, a few seconds apart: where some of it is done at the second, whoever does
 * it is at work, and has more to do than it can. After thousands of pods were made at once that takes minutes.
 */
import type { CaughtUp, LaggingDeployment, PendingPod, ShortReplicaSet } from "./facts.ts";

export interface Undone {
  /** Pods of which their scheduler has said nothing for too long. */
  readonly ignored: readonly PendingPod[];
  readonly lagging: readonly LaggingDeployment[];
  readonly short: readonly ShortReplicaSet[];
}

/** What is not known at the second look is undefined in `after`: nothing is said to be done for that. */
export function caughtUp(before: Undone, after: { readonly [K in keyof Undone]: Undone[K] | undefined }): CaughtUp {
  const placed = doneOf(before.ignored, after.ignored);
  const groups = Map.groupBy(placed, ({ schedulerName }) => schedulerName);
  const left = new Map((after.short ?? []).map((each) => [nameOf(each), each]));
  const fuller = before.short.filter((each) => (left.get(nameOf(each))?.there ?? each.wanted) > each.there);
  return {
    pods: new Map([...groups].map(([scheduler, pods]) => [scheduler, pods.length])),
    deployments: doneOf(before.lagging, after.lagging).length,
    replicaSets: after.short === undefined ? 0 : fuller.length,
  };
}

function doneOf<T extends Named>(before: readonly T[], after: readonly T[] | undefined): readonly T[] {
  if (after === undefined) return [];
  const left = new Set(after.map(nameOf));
  return before.filter((each) => !left.has(nameOf(each)));
}

interface Named {
  readonly namespace: string;
  readonly name: string;
}

function nameOf({ namespace, name }: Named): string {
  return `${namespace}/${name}`;
}
