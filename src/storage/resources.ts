/**
 * The registry of Kubernetes' built-in kinds, 1.6 to today: how each is called, and where etcd keeps it. Custom
 * resources are in their CRDs.
 */
import table from "./tables/resources.json" with { type: "json" };

export interface Resource {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** The plural, as URLs and RBAC rules have it. */
  readonly resource: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  /** Below etcd's prefix, such as `services/specs` or `minions`. */
  readonly etcdSegment: string;
  /** The root message in `tables/messages.json`, such as `core/v1.Pod`. */
  readonly message: string;
}

/** Every stored kind in every version, sorted by group, kind and version. */
export const RESOURCES: readonly Resource[] = table;

/** `v1` for the core group, `group/version` otherwise. */
export function apiVersionOf({ group, version }: Pick<Resource, "group" | "version">): string {
  return group === "" ? version : `${group}/${version}`;
}

/** By kind, then by apiVersion: looked up for every value, so no key is put together. */
const byKind = new Map(
  [...Map.groupBy(RESOURCES, ({ kind }) => kind)].map(([kind, resources]) => [
    kind,
    new Map(resources.map((resource) => [apiVersionOf(resource), resource])),
  ]),
);

/** The built-in kind, or undefined for a custom resource or a kind that was never stored. */
export function findResource(apiVersion: string, kind: string): Resource | undefined {
  return byKind.get(kind)?.get(apiVersion);
}
