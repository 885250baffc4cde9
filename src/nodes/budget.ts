/**
 * PodDisruptionBudgets: which protect a pod, and what would free it. Source of the rules: k8s.io/api/policy and kubernetes/pkg/registry/core/pod/storage/
 * eviction.go.
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

/** `pods`: those that the budget selects, as far as they are known. */
export function describeBudget(budget: KubeObject): BudgetState {
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
  const pods = `${healthy} of ${expected} pod${expected === 1 ? "" : "s"} ${healthy === 1 ? "is" : "are"} healthy`;
  const state = `${rule}: ${pods}, and ${desired} must be`;
  if (desired >= expected) {
    return {
      name,
      state,
      freedBy: `never by itself: add ${desired - expected + 1 === 1 ? "a replica" : `${desired - expected + 1} replicas`}, or change the budget`,
      never: true,
    };
  }
  const missing = desired + 1 - healthy;
  const freedBy =
    missing > 0
      ? `${missing} more healthy pod${missing === 1 ? "" : "s"}`
      : "nothing more: the budget allows it again as soon as its controller has counted";
  return { name, state, freedBy, never: false };
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
