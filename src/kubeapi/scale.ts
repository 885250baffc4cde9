/** The scale of what has replicas: autoscaling/v1 Scale. */
import { labelSelectorText, readLabelSelector } from "../kube/label-selector.ts";
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import type { ServedResource } from "./catalog.ts";
import { entries, field, text } from "./columns/field.ts";
import { findJsonPath, parseJsonPath } from "./columns/json-path.ts";

export function scaleOf(object: KubeObject, { type, plural }: ServedResource): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const paths = type.custom ? type.version.scale : undefined;
  const at = (path: string | undefined): JsonValue | undefined => {
    const parsed = path === undefined ? undefined : parseJsonPath(path);
    return parsed === undefined ? undefined : findJsonPath(parsed, object)[0];
  };
  const number = (value: JsonValue | undefined): number => (typeof value === "number" ? value : 0);
  const replicas = paths === undefined ? field(object, "spec", "replicas") : at(paths.specReplicas);
  const current = paths === undefined ? field(object, "status", "replicas") : at(paths.statusReplicas);
  const selector = paths === undefined ? selectorText(object, plural) : text(at(paths.labelSelector), []);
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      uid: uid ?? "",
      resourceVersion: resourceVersion ?? "",
      creationTimestamp: creationTimestamp ?? null,
    },
    spec: number(replicas) === 0 ? {} : { replicas: number(replicas) },
    status: { replicas: number(current), ...(selector === "" ? {} : { selector }) },
  };
}

function selectorText(object: KubeObject, plural: string): string {
  if (plural === "replicationcontrollers") {
    return entries(object, "spec.selector")
      .map(([label, value]) => `${label}=${text(value, [])}`)
      .sort()
      .join(",");
  }
  const selector = field(object, "spec", "selector");
  const simple = entries(object, "spec.selector.matchLabels").map(([label, value]) => `${label}=${text(value, [])}`);
  if (field(selector, "matchExpressions") === undefined) return simple.sort().join(",");
  const read = readLabelSelector(selector);
  return read === undefined ? "" : labelSelectorText(read);
}
