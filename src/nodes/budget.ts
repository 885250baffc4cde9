/**
 * PodDisruptionBudgets: which protect a pod, and what would free it. Source of the rules: k8s.io/api/policy and
 * kubernetes/pkg/registry/core/pod/storage/ eviction.go.
 */
import { listOf, objectOf, textOf } from "../kube/fields.ts";
import { matchesLabels, readLabelSelector } from "../kube/label-selector.ts";
import type { JsonValue, KubeObject } from "../kube/object.ts";

/** The budgets of the pod's namespace that select it. An empty selector selects all in policy/v1, and nothing in v1beta1. */
export function budgetsOf(pod: KubeObject, budgets: readonly KubeObject[]): KubeObject[] {
  return budgets.filter((budget) => {
    if (budget.metadata.namespace !== pod.metadata.namespace) return false;
    const selector = readLabelSelector(objectOf(budget.spec).selector);
    if (selector === undefined || (selector.length === 0 && budget.apiVersion === "policy/v1beta1")) return false;
    return matchesLabels(selector, pod.metadata.labels);
  });
}

/** How many of its pods may be taken away now. */
export function allowedBy(budget: KubeObject): number {
  const { generation } = budget.metadata;
  const { observedGeneration, disruptionsAllowed } = objectOf(budget.status);
  if (typeof generation === "number" && typeof observedGeneration === "number" && observedGeneration < generation)
    return 0;
  return numberOf(disruptionsAllowed);
}

export interface BudgetState {
  /** `NAMESPACE/NAME`. */
  readonly name: string;
  /** Such as `2 of 3 pods are healthy, and 2 must be`. */
  readonly state: string;
  /** What would free a pod, in the imperative or as what has to come about. */
  readonly freedBy: string;
  /** It will allow nothing as it is, however healthy its pods are. */
  readonly never: boolean;
}

/**
 * What a budget says of a pod that it does not let go. `isReady`: of that pod. One that is not ready may go as soon as
 * the budget's healthy pods are as many as it wants, a healthy one only when one is left over
 * (kubernetes/pkg/registry/core/pod/storage/eviction.go).
 */
export function describeBudget(budget: KubeObject, isReady = true): BudgetState {
  const name = `${budget.metadata.namespace}/${budget.metadata.name}`;
  const { expectedPods, currentHealthy, desiredHealthy } = objectOf(budget.status);
  const [expected, healthy, desired] = [expectedPods, currentHealthy, desiredHealthy].map(numberOf) as [
    number,
    number,
    number,
  ];
  const rule = ruleText(budget);
  const failure = syncFailure(budget);
  if (failure !== undefined) {
    const freedBy = "mend the budget: its controller cannot work out what it allows";
    return { name, state: `${rule}; ${failure}`, freedBy, never: true };
  }
  if (expected === 0) {
    const state = `${rule}: its controller counts none of the pods that it selects, since no controller that scales them owns them`;
    return { name, state, freedBy: `no replica: delete the pod itself, or ${changeOf(budget)}`, never: true };
  }
  const pods = `${healthy} of ${expected} pod${expected === 1 ? "" : "s"} ${healthy === 1 ? "is" : "are"} healthy`;
  const state = `${rule}: ${pods}, and ${desired} must be`;
  const lets = isReady ? "" : unhealthyRule(budget);
  if (desired >= expected) {
    const more = replicasToFree(budget);
    const change =
      more === undefined
        ? changeOf(budget)
        : `add ${more === 1 ? "a replica" : `${more} replicas`}, or ${changeOf(budget)}`;
    // Enough healthy ones free a pod that is not ready, whatever the budget allows otherwise.
    const own = !isReady && healthy < desired ? `${moreHealthy(desired - healthy)}, or ` : "";
    return { name, state, freedBy: own + (own === "" ? `never by itself: ${change}` : change) + lets, never: true };
  }
  const missing = (isReady ? desired + 1 : desired) - healthy;
  const freedBy =
    missing > 0
      ? moreHealthy(missing)
      : "nothing more: the budget allows it again as soon as its controller has counted";
  return { name, state, freedBy: freedBy + (missing > 0 ? lets : ""), never: false };
}

function moreHealthy(count: number): string {
  return `${count} more healthy pod${count === 1 ? "" : "s"}`;
}

/** Far more than anybody adds for a drain. */
const MOST_REPLICAS = 1000;

/**
 * How many replicas more would let one healthy pod go, all of them healthy; undefined where none ever would, since what
 * must be healthy grows with the replicas: maxUnavailable 0 and minAvailable 100 %. Percentages are rounded up
 * (kubernetes/pkg/controller/disruption).
 */
export function replicasToFree({ spec, status }: KubeObject): number | undefined {
  const { minAvailable, maxUnavailable } = objectOf(spec);
  const expected = numberOf(objectOf(status).expectedPods);
  for (let more = 1; more <= MOST_REPLICAS; more++) {
    const count = expected + more;
    const desired =
      maxUnavailable !== undefined && maxUnavailable !== null
        ? count - amountOf(maxUnavailable, count)
        : amountOf(minAvailable ?? 1, count);
    if (count - desired >= 1) return more;
  }
  return undefined;
}

/** An amount, or a percentage of `all`, rounded up. */
function amountOf(value: JsonValue, all: number): number {
  const percent = typeof value === "string" ? /^(\d+)%$/.exec(value)?.[1] : undefined;
  return percent === undefined ? Number(value) || 0 : Math.ceil((Number(percent) * all) / 100);
}

function changeOf(budget: KubeObject): string {
  const { maxUnavailable } = objectOf(budget.spec);
  return maxUnavailable === undefined || maxUnavailable === null
    ? "lower its minAvailable"
    : "raise its maxUnavailable";
}

/** Since Kubernetes 1.27; it lets pods go at once that are not ready. */
function unhealthyRule(budget: KubeObject): string {
  return objectOf(budget.spec).unhealthyPodEvictionPolicy === "AlwaysAllow"
    ? ""
    : "; or at once by unhealthyPodEvictionPolicy: AlwaysAllow (Kubernetes 1.27), since the pod is not ready";
}

function ruleText(budget: KubeObject): string {
  const { minAvailable, maxUnavailable } = objectOf(budget.spec);
  if (minAvailable !== undefined && minAvailable !== null) return `minAvailable ${String(minAvailable)}`;
  if (maxUnavailable !== undefined && maxUnavailable !== null) return `maxUnavailable ${String(maxUnavailable)}`;
  return "minAvailable 1"; // the API's default
}

/** Kubernetes 1.20 and later say by a condition that a budget cannot be computed, such as for pods without a scalable owner. */
function syncFailure(budget: KubeObject): string | undefined {
  for (const condition of listOf(objectOf(budget.status).conditions).map(objectOf)) {
    if (condition.type === "DisruptionAllowed" && condition.reason === "SyncFailed")
      return textOf(condition.message) || "SyncFailed";
  }
  return undefined;
}

function numberOf(value: JsonValue | undefined): number {
  return typeof value === "number" ? value : 0;
}
