/** Two objects of one name: what differs by meaning, and whether the second is another object that took the name. */
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { compareValues, type FieldChange } from "./compare-values.ts";
import { withoutNoise } from "./noise.ts";
import type { ValueType } from "./value-type.ts";

export interface ObjectComparison {
  readonly fields: readonly FieldChange[];
  /** Deleted and recreated in between: another UID. */
  readonly recreated: boolean;
}

/** `isAll`: noise counts, too. An object in another version of its API is compared field by field; the version itself is no difference. */
export function compareObjects(
  before: KubeObject,
  after: KubeObject,
  type: ValueType | undefined,
  isAll = false,
): ObjectComparison {
  const shown = (object: KubeObject): JsonObject => {
    const { apiVersion: _, ...rest } = isAll ? object : withoutNoise(object);
    return rest;
  };
  const { uid } = before.metadata ?? {};
  const other = after.metadata?.uid;
  return {
    fields: compareValues(shown(before), shown(after), type),
    recreated: uid !== undefined && other !== undefined && uid !== other,
  };
}
