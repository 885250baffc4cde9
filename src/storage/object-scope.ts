/** Which objects are meant by where they are: plain data, so that threads that sweep a file know it, too. */
import { splitRest } from "./object-key.ts";

export interface ObjectScope {
  /** Paths below the etcd prefix, each with the names that are meant there (none for all of them); none for every path. */
  readonly resources: readonly { readonly path: string; readonly names: readonly string[] }[];
  /** Undefined for all namespaces. */
  readonly namespace: string | undefined;
}

/** `rest`: `NAMESPACE/NAME` or `NAME`, as keys have it. */
export function isInScope({ resources, namespace }: ObjectScope, path: string, rest: string): boolean {
  const { namespace: own, name } = splitRest(path, rest);
  // A namespace is in itself, so to speak: `-n shop` means the Namespace shop, too.
  if (resources.length === 0) {
    return namespace === undefined || own === namespace || (path === "namespaces" && name === namespace);
  }
  if (namespace !== undefined && own !== undefined && own !== namespace) return false;
  return resources.some((each) => each.path === path && (each.names.length === 0 || each.names.includes(name)));
}
