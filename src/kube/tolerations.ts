/** Whether a pod tolerates the taints of a node. */
import { objectOf, objectsOf, textOf } from "./fields.ts";
import type { JsonObject, KubeObject } from "./object.ts";

/** Source: k8s.io/api/core/v1, Toleration.ToleratesTaint. */
export function tolerates(toleration: JsonObject, taint: JsonObject): boolean {
  const [effect, key] = [textOf(toleration.effect), textOf(toleration.key)];
  if (effect !== "" && effect !== taint.effect) return false;
  if (key !== "" && key !== taint.key) return false;
  const operator = textOf(toleration.operator) || "Equal";
  if (operator === "Exists") return true;
  return operator === "Equal" && key !== "" && textOf(toleration.value) === textOf(taint.value);
}

/** The tolerations of a pod against all of a node's taints that keep pods from being scheduled there. */
export function toleratesAll(pod: KubeObject, taints: readonly JsonObject[]): boolean {
  const tolerations = objectsOf(objectOf(pod.spec).tolerations);
  return taints
    .filter(({ effect }) => effect !== "PreferNoSchedule")
    .every((taint) => tolerations.some((toleration) => tolerates(toleration, taint)));
}
