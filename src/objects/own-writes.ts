/** Whether a run made or changed an object, where it was killed before it heard what came of its write. */
import { compareObjects } from "../compare/compare-objects.ts";
import type { ValueType } from "../compare/value-type.ts";
import { isObject, objectsOf } from "../kube/fields.ts";
import type { JsonValue, KubeObject } from "../kube/object.ts";
import type { ObjectId } from "./object-id.ts";
import { IN_PLACE, rewriteObject } from "./rewrite.ts";

/** As whom `metadata.managedFields` records our writes. */
export const FIELD_MANAGER = "kubemend";

/** `since`: milliseconds since the epoch by the API server's clock, which counts whole seconds; before the run's first write. */
export function isFromRun(live: KubeObject, id: ObjectId, op: "create" | "update", since: number): boolean {
  const start = Math.floor(since / 1000) * 1000;
  const isSince = (time: JsonValue | undefined) => typeof time === "string" && Date.parse(time) >= start;
  const { managedFields, creationTimestamp } = live.metadata;
  if (objectsOf(managedFields).some(({ manager, time }) => manager === FIELD_MANAGER && isSince(time))) return true;
  // Managers are recorded by their fields. An object without any, such as most service accounts, is recorded as nobody's:
  // it was not there when the run began, and nothing is lost with it.
  return op === "create" && isSince(creationTimestamp) && holdsNothing(live, id);
}

/**
 * Whether the object is as an update was to leave it, but for what controllers write into what they are given, such as a
 * claim's UID into its volume. An update that only takes fields away is in no record of its manager.
 */
export function isAsSent(live: KubeObject, sent: KubeObject, id: ObjectId, type: ValueType | undefined): boolean {
  const plain = (object: KubeObject) =>
    rewriteObject(object, id, { placement: IN_PLACE, isGiven: () => false, keepsStatus: false });
  return compareObjects(plain(sent), plain(live), type).fields.length === 0;
}

/** Whether the object is no more than its name, but for what controllers and the API server write. */
function holdsNothing(live: KubeObject, id: ObjectId): boolean {
  const plain = rewriteObject(live, id, { placement: IN_PLACE, isGiven: () => false, keepsStatus: false });
  const { apiVersion: _version, kind: _kind, metadata, ...content } = plain;
  const { name: _name, namespace: _namespace, ...own } = metadata;
  return isEmpty(content) && isEmpty(own);
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value as JsonValue) && Object.values(value).every(isEmpty);
}
