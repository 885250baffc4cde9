/** What `snapshot get` and `describe` print where nothing was found, as kubectl words it. */
import type { FoundObjects } from "../../operations/snapshot/get-objects.ts";

export function nothingFound(
  { groups }: FoundObjects,
  { allNamespaces, namespace }: { readonly allNamespaces: boolean; readonly namespace: string },
): string {
  const inNamespace = !allNamespaces && groups.some(({ resource }) => resource.namespaced !== false);
  return inNamespace ? `No resources found in ${namespace} namespace.\n` : "No resources found\n";
}
