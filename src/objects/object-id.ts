/**
 * objects: chosen objects of a backup -> in which order they go back into a cluster, as what, and what undoes it. All
 * of it is decided here on values; `operations/objects/` asks the cluster and carries it out. This file is how an
 * object is called, whatever the group and version it is served in.
 */
import { compare } from "../kube/compare-text.ts";

export interface ObjectId {
  /** Below etcd's prefix, such as `pods`, `services/specs` or `example.com/widgets`. */
  readonly path: string;
  /** Undefined for what belongs to no namespace. */
  readonly namespace: string | undefined;
  readonly name: string;
}

/** A key for maps: `pods/shop/web-1`, `namespaces/shop`. */
export function idKey({ path, namespace, name }: ObjectId): string {
  return namespace === undefined ? `${path}/${name}` : `${path}/${namespace}/${name}`;
}

/** By place, namespace and name. */
export function compareIds(a: ObjectId, b: ObjectId): number {
  return compare(a.path, b.path) || compare(a.namespace ?? "", b.namespace ?? "") || compare(a.name, b.name);
}
