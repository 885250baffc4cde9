/** What the downward API would write of a pod, for projections that have to become files. */
import { defined } from "../errors/defined.ts";
import { textOf } from "../kube/fields.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";

/** Undefined for what only a running pod has, such as its address. */
export function downwardText(pod: KubeObject, fieldRef: JsonObject): string | undefined {
  const { metadata } = pod;
  const path = textOf(fieldRef.fieldPath);
  const single = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (single !== null) return metadata[single[1] as "labels" | "annotations"]?.[defined(single[2])] ?? "";
  switch (path) {
    case "metadata.name":
      return metadata.name;
    case "metadata.namespace":
      return metadata.namespace ?? "";
    case "metadata.uid":
      return metadata.uid ?? "";
    case "metadata.labels":
      return linesOf(metadata.labels);
    case "metadata.annotations":
      return linesOf(metadata.annotations);
    default:
      return undefined;
  }
}

/** As kubernetes/pkg/fieldpath formats maps: sorted, `key="value"` with Go's quotes. */
function linesOf(map: { readonly [name: string]: string } = {}): string {
  return Object.entries(map)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join("\n");
}
