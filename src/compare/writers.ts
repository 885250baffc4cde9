/** Who wrote an object, and when, as `metadata.managedFields` records it: to the second, and only the last write of each manager. */

import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { isObject } from "../storage/arrange.ts";
import { printJson } from "../storage/json-text.ts";

export interface Writer {
  readonly manager: string;
  /** `Update` or `Apply`. */
  readonly operation: string;
  /** Such as `status`; empty for the object itself. */
  readonly subresource: string;
  /** RFC 3339; empty where it is not recorded. */
  readonly time: string;
}

/** The writers whose record is new or changed since `before`: those of the write that made `after` out of it. The newest first. */
export function writersOf(before: KubeObject | undefined, after: KubeObject): Writer[] {
  const known = new Set(managedFields(before).map((entry) => printJson(entry)));
  return managedFields(after)
    .filter((entry) => !known.has(printJson(entry)))
    .map(({ manager, operation, subresource, time }) => ({
      manager: text(manager),
      operation: text(operation),
      subresource: text(subresource),
      time: text(time),
    }))
    .sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0));
}

function managedFields(object: KubeObject | undefined): readonly JsonObject[] {
  const list: JsonValue | undefined = isObject(object?.metadata) ? object.metadata.managedFields : undefined;
  return Array.isArray(list) ? (list as readonly JsonValue[]).filter((each): each is JsonObject => isObject(each)) : [];
}

function text(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}
