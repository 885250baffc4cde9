/**
 * Which pods of a node a drain takes away, which it leaves, and which it refuses to touch: kubectl's filters, in
 * kubectl's order and words, so that runbooks continue to work. Source of the rules: kubernetes/kubectl,
 * pkg/drain/filters.go.
 */
import { defined } from "../errors/defined.ts";
import { input } from "../errors/input.ts";
import { isMirrorPod } from "../kube/mirror-pod.ts";
import { namespacedName } from "../kube/names.ts";
import type { KubeObject } from "../kube/object.ts";
import { controllerOf, daemonSetOf, hasEmptyDir, isFinished } from "../kube/pod.ts";

export interface DrainRules {
  /** Pods without a controller go too, and those of a DaemonSet that is no more. */
  readonly force: boolean;
  readonly ignoreDaemonSets: boolean;
  readonly deleteEmptyDirData: boolean;
  /** Pods that have been terminating for longer than this are not waited for; 0: all are. */
  readonly skipWaitForDeleteSeconds: number;
}

/** What is known of the DaemonSet that a pod names: it is there, it is not, or asking for it failed with these words. */
export type DaemonSetAnswer =
  | { readonly state: "found" }
  | { readonly state: "missing" | "failed"; readonly text: string };

/** Gives the answer by namespace and name. */
export type FindDaemonSet = (namespace: string, name: string) => DaemonSetAnswer;

export type DrainDecision =
  /** It goes; `warning` where kubectl says something about it. */
  | { readonly action: "remove"; readonly warning?: string }
  /** It stays, and that is in order. */
  | { readonly action: "leave"; readonly warning?: string }
  /** It stays, and so the node is not drained. */
  | { readonly action: "refuse"; readonly error: string };

const REMOVE: DrainDecision = { action: "remove" };

/** Of several filters that pass with a warning the last one's counts, as in kubectl. */
export function judgePod(pod: KubeObject, rules: DrainRules, findDaemonSet: FindDaemonSet, now: number): DrainDecision {
  let verdict: DrainDecision = REMOVE;
  for (const filter of [skipDeleted, daemonSet, mirrorPod, localStorage, unreplicated]) {
    verdict = filter(pod, rules, findDaemonSet, now);
    if (verdict.action !== "remove") return verdict;
  }
  return verdict;
}

/** Whether the wait for a pod that goes is over because it has taken longer than `--skip-wait-for-delete-timeout` allows. */
export function isSkippedWhileDeleted(pod: KubeObject, skipWaitForDeleteSeconds: number, now: number): boolean {
  const { deletionTimestamp } = pod.metadata;
  if (skipWaitForDeleteSeconds <= 0 || typeof deletionTimestamp !== "string") return false;
  return Math.trunc((now - Date.parse(deletionTimestamp)) / 1000) > skipWaitForDeleteSeconds;
}

type Filter = (pod: KubeObject, rules: DrainRules, findDaemonSet: FindDaemonSet, now: number) => DrainDecision;

const skipDeleted: Filter = (pod, rules, _, now) =>
  isSkippedWhileDeleted(pod, rules.skipWaitForDeleteSeconds, now) ? { action: "leave" } : REMOVE;

const daemonSet: Filter = (pod, rules, find) => {
  const owner = daemonSetOf(pod);
  if (owner === undefined || isFinished(pod)) return REMOVE;
  const answer = find(pod.metadata.namespace ?? "", owner.name);
  if (answer.state === "missing" && rules.force) return { action: "remove", warning: answer.text };
  if (answer.state !== "found") return { action: "refuse", error: answer.text };
  return rules.ignoreDaemonSets
    ? { action: "leave", warning: "ignoring DaemonSet-managed Pods" }
    : { action: "refuse", error: `DaemonSet-managed Pods (use ${input("ignoreDaemonsets")} to ignore)` };
};

const mirrorPod: Filter = (pod) => (isMirrorPod(pod) ? { action: "leave" } : REMOVE);

const localStorage: Filter = (pod, rules) => {
  if (!hasEmptyDir(pod) || isFinished(pod)) return REMOVE;
  return rules.deleteEmptyDirData
    ? { action: "remove", warning: "deleting Pods with local storage" }
    : { action: "refuse", error: `Pods with local storage (use ${input("deleteEmptydirData")} to override)` };
};

const unreplicated: Filter = (pod, rules) => {
  if (isFinished(pod) || controllerOf(pod) !== undefined) return REMOVE;
  return rules.force
    ? { action: "remove", warning: "deleting Pods that declare no controller" }
    : { action: "refuse", error: `Pods that declare no controller (use ${input("force")} to override)` };
};

export interface Judged {
  readonly pod: KubeObject;
  readonly verdict: DrainDecision;
}

export interface DrainSelection {
  readonly remove: readonly KubeObject[];
  /** In kubectl's form: `ignoring DaemonSet-managed Pods: a/b, c/d; deleting ...`; empty where there is nothing to say. */
  readonly warnings: string;
  /** One for each reason: `cannot delete Pods ... : a/b, c/d`. */
  readonly errors: readonly string[];
}

/** All pods of one node, in the order given. */
export function selectForDrain(judged: readonly Judged[]): DrainSelection {
  const warnings = new Map<string, string[]>();
  const errors = new Map<string, string[]>();
  const remove: KubeObject[] = [];
  for (const { pod, verdict } of judged) {
    if (verdict.action === "remove") remove.push(pod);
    if (verdict.action === "refuse") group(errors, verdict.error).push(namespacedName(pod));
    else if (verdict.warning !== undefined) group(warnings, verdict.warning).push(namespacedName(pod));
  }
  const texts = (groups: Map<string, string[]>, prefix: string) =>
    [...groups].map(([text, pods]) => `${prefix}${text}: ${pods.join(", ")}`);
  return { remove, warnings: texts(warnings, "").join("; "), errors: texts(errors, "cannot delete ") };
}

function group(groups: Map<string, string[]>, key: string): string[] {
  const known = groups.get(key);
  if (known !== undefined) return known;
  const made: string[] = [];
  groups.set(key, made);
  return made;
}

/** Several errors as one, in the form that Kubernetes' programs give them: `[a, b]`, each once. Source: apimachinery, util/errors. */
export function aggregateText(errors: readonly string[]): string {
  const distinct = [...new Set(errors)];
  return distinct.length === 1 ? defined(distinct[0]) : `[${distinct.join(", ")}]`;
}
