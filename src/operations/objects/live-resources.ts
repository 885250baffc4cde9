/**
 * Which resources a live API server serves, in which versions: its discovery, matched to the places in etcd that
 * kubemend calls resources by.
 */
import { defined } from "../../errors/defined.ts";
import { ApiError, type ClusterApi } from "../../io/api-server/cluster-api.ts";
import { listOf, objectOf, objectsOf, textOf, textsOf } from "../../kube/fields.ts";
import type { JsonObject } from "../../kube/object.ts";
import type { CustomResource } from "../../storage/custom-resource.ts";
import { RESOURCE_TYPES } from "../../storage/object-key.ts";
import { inParallel } from "../cluster-access/in-parallel.ts";

export interface LiveResource {
  /** Below etcd's prefix: what tells resources apart, whatever the group they are served in. */
  readonly path: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  /** Versions such as `apps/v1`, the preferred one first. */
  readonly served: readonly string[];
  readonly verbs: readonly string[];
  /** Whether there is a `/status` of its own: then a write of the object leaves the status alone. */
  readonly hasStatus: boolean;
  /** Served by another server than this API server, so that its objects are not in this cluster's etcd. */
  readonly aggregated: boolean;
}

export interface LiveResources {
  readonly byPath: ReadonlyMap<string, LiveResource>;
  /** Resources that are not Kubernetes' own. */
  readonly custom: readonly CustomResource[];
  readonly warnings: readonly string[];
}

const pathOfType = new Map(
  RESOURCE_TYPES.flatMap((type) => type.groups.map((g) => [`${g}/${type.plural}`, type.path])),
);

/** Asks for everything that is served. A group that cannot be asked, such as that of an aggregated server that is down, is a warning. */
export async function readLiveResources(api: ClusterApi, signal?: AbortSignal): Promise<LiveResources> {
  const [core, groups, services] = await Promise.all([
    api.request("GET", "/api", undefined, { signal }),
    api.request("GET", "/apis", undefined, { signal }),
    api.list("/apis/apiregistration.k8s.io/v1/apiservices", signal).catch((error: unknown) => {
      if (error instanceof ApiError && (error.status === 404 || error.status === 403)) return { items: [] };
      throw error;
    }),
  ]);
  const aggregated = new Set(
    services.items.filter(({ spec }) => objectOf(spec).service != null).map(({ spec }) => versionOf(objectOf(spec))),
  );
  const versions = textsOf(core.versions).map((version) => version);
  for (const group of objectsOf(groups.groups)) {
    const all = [group.preferredVersion, ...listOf(group.versions)].map((each) =>
      textOf(objectOf(each as JsonObject).groupVersion),
    );
    versions.push(...new Set(all.filter((each) => each !== "")));
  }
  const warnings: string[] = [];
  const lists = await inParallel(versions, async (version) => {
    const path = version.includes("/") ? `/apis/${version}` : `/api/${version}`;
    try {
      const answer = await api.request("GET", path, undefined, { signal });
      return { version, resources: objectsOf(answer.resources) };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      warnings.push(`the API "${version}" cannot be asked: ${error.serverMessage}`);
      return { version, resources: [] };
    }
  });
  const byPath = new Map<string, LiveResource>();
  for (const { version, resources } of lists) {
    const group = version.includes("/") ? version.slice(0, version.indexOf("/")) : "";
    const names = new Set(resources.map(({ name }) => textOf(name)));
    for (const resource of resources) {
      const plural = textOf(resource.name);
      const verbs = textsOf(resource.verbs);
      if (plural.includes("/") || !verbs.includes("list") || plural === "componentstatuses") continue;
      const path = pathOfType.get(`${group}/${plural}`) ?? `${group}/${plural}`;
      const known = byPath.get(path);
      if (known !== undefined) {
        byPath.set(path, mergeVersion(known, version));
        continue;
      }
      byPath.set(path, {
        path,
        plural,
        singular: textOf(resource.singularName) || textOf(resource.kind).toLowerCase(),
        kind: textOf(resource.kind),
        shortNames: textsOf(resource.shortNames),
        categories: textsOf(resource.categories),
        namespaced: resource.namespaced === true,
        served: [version],
        verbs,
        hasStatus: names.has(`${plural}/status`),
        aggregated: aggregated.has(version),
      });
    }
  }
  return { byPath, custom: [...byPath.values()].filter(isCustom).map(asCustom), warnings };
}

/** Groups come in the server's order, which has "extensions" before the groups that took its resources over. */
function mergeVersion(known: LiveResource, version: string): LiveResource {
  const served = [...known.served, version];
  const isOld = (each: string) => (each.startsWith("extensions/") || each.startsWith("events.k8s.io/") ? 1 : 0);
  return { ...known, served: served.sort((a, b) => isOld(a) - isOld(b)) };
}

function versionOf({ group, version }: JsonObject): string {
  return textOf(group) === "" ? textOf(version) : `${textOf(group)}/${textOf(version)}`;
}

const BUILT_IN = new Set(RESOURCE_TYPES.map(({ path }) => path));
const isCustom = ({ path, aggregated }: LiveResource) => !BUILT_IN.has(path) && !aggregated;

function asCustom({
  plural,
  singular,
  kind,
  shortNames,
  categories,
  namespaced,
  served,
}: LiveResource): CustomResource {
  const [first = ""] = served;
  return {
    group: first.slice(0, first.indexOf("/")),
    plural,
    singular,
    kind,
    shortNames,
    categories,
    namespaced,
    versions: served.map((each) => each.slice(each.indexOf("/") + 1)),
    printerColumns: [],
  };
}

/** The URL path of a collection, or of one object in it, in one of the versions that are served. */
export function urlOf(
  { plural, namespaced, served }: LiveResource,
  namespace: string | undefined,
  name?: string,
  version: string = defined(served[0]),
): string {
  const root = version.includes("/") ? `/apis/${version}` : `/api/${version}`;
  const scope = namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${root}${scope}/${plural}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
}
