/**
 * Etcd keys as the API server makes them: `PREFIX/PLACE/[NAMESPACE/]NAME`. A resource's place is its plural unless the
 * registry says otherwise (`minions`, `services/specs`), and `GROUP/PLURAL` for custom resources and aggregated
 * servers.
 */
import { RESOURCES } from "./resources.ts";

/** What encryption rules and messages call a resource. */
export interface ResourceId {
  readonly resource: string;
  readonly groups: readonly string[];
}

/** A built-in resource with all the groups that serve or served it from one place in etcd, such as deployments in apps and extensions. */
export interface ResourceType {
  readonly plural: string;
  readonly kind: string;
  /** Today's group first; the core group is `""`. */
  readonly groups: readonly string[];
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  /** Below the etcd prefix, without slashes around it. */
  readonly path: string;
}

/** Every built-in resource, current and removed, in no particular order. */
export const RESOURCE_TYPES: readonly ResourceType[] = [
  ...Map.groupBy(RESOURCES, (each) => each.etcdSegment).values(),
].map((versions) => {
  const [first] = versions as [(typeof versions)[number]];
  return {
    plural: first.resource,
    kind: first.kind,
    groups: [...new Set(versions.map((each) => each.group))].sort((a, b) => rank(a) - rank(b)),
    shortNames: first.shortNames,
    namespaced: first.namespaced,
    path: first.etcdSegment,
  };
});

/** "extensions" is where resources came from, and events.k8s.io is another view of core events. */
function rank(group: string): number {
  return group === "" ? 0 : group === "extensions" ? 2 : 1;
}

const byPath = new Map(RESOURCE_TYPES.map((resource) => [resource.path, resource]));

/** The built-in resource kept at this path below the etcd prefix, such as `minions` or `services/specs`. */
export function resourceAtPath(path: string): ResourceType | undefined {
  return byPath.get(path);
}

/** The parts of an etcd key that names an object. */
export interface ObjectKey extends ResourceId {
  /** Below the prefix: `pods`, `services/specs`, `example.com/widgets`. */
  readonly path: string;
  /** What follows the path: `NAMESPACE/NAME` or `NAME`. */
  readonly rest: string;
}

/**
 * Takes an etcd key such as `/registry/services/specs/default/web` apart, or returns undefined for one of another
 * shape. `prefix` is the etcd prefix without a slash at its end; without it the key's first part is taken for the
 * prefix.
 */
export function readObjectKey(key: string, prefix?: string): ObjectKey | undefined {
  let start: number;
  if (prefix === undefined) start = key.indexOf("/", 1) + 1;
  else if (key.startsWith(`${prefix}/`)) start = prefix.length + 1;
  else return undefined;
  const first = key.indexOf("/", start);
  if (start === 0 || first < 0) return undefined;
  const second = key.indexOf("/", first + 1);
  const one = key.slice(start, first);
  if (second > 0) {
    const two = key.slice(start, second);
    const builtIn = byPath.get(two);
    if (builtIn) {
      return { path: two, resource: builtIn.plural, groups: builtIn.groups, rest: key.slice(second + 1) };
    }
  }
  const builtIn = byPath.get(one);
  if (builtIn) return { path: one, resource: builtIn.plural, groups: builtIn.groups, rest: key.slice(first + 1) };
  if (second < 0 || !one.includes(".")) {
    return { path: one, resource: one, groups: [""], rest: key.slice(first + 1) };
  }
  return {
    path: key.slice(start, second),
    resource: key.slice(first + 1, second),
    groups: [one],
    rest: key.slice(second + 1),
  };
}

/** The resource that an etcd key belongs to. */
export function resourceOfKey(key: string, prefix?: string): ResourceId | undefined {
  return readObjectKey(key, prefix);
}

/** Where an object is, by the rest of its key. */
export function splitRest(
  path: string,
  rest: string,
): { readonly namespace: string | undefined; readonly name: string } {
  const slash = resourceAtPath(path)?.namespaced === false ? -1 : rest.indexOf("/");
  return slash < 0
    ? { namespace: undefined, name: rest }
    : { namespace: rest.slice(0, slash), name: rest.slice(slash + 1) };
}
