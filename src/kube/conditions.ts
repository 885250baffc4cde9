/** Conditions in an object's status (`status.conditions`): a list of `{type, status, reason, message}`, at most one of each type. */
import { objectOf, objectsOf, textOf } from "./fields.ts";
import type { JsonObject, KubeObject } from "./object.ts";

/** The condition of that type, or undefined where the object does not report one. */
export function conditionOf(object: KubeObject, type: string): JsonObject | undefined {
  return objectsOf(objectOf(object.status).conditions).find((condition) => condition.type === type);
}

/** The status of the condition as it stands there (`True`, `False`, `Unknown`), or "" where the object does not report it. */
export function conditionStatus(object: KubeObject, type: string): string {
  return textOf(conditionOf(object, type)?.status);
}

/** A pod or a node with the condition `Ready` at `True`. */
export function isReady(object: KubeObject): boolean {
  return conditionStatus(object, "Ready") === "True";
}
