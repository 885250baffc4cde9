/** A live cluster as a place that holds objects: each resource is listed in pages when it is asked for. */
import { defined } from "../../errors/defined.ts";
import { ApiError } from "../../io/api-server/cluster-api.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { OpenCluster } from "../cluster-access/open-cluster.ts";
import { readLiveResources, urlOf } from "./live-resources.ts";
import type { Side, SideEntry } from "./side.ts";

export async function openLiveSide({ api, access }: OpenCluster, signal?: AbortSignal): Promise<Side> {
  const { byPath, custom, warnings: found } = await readLiveResources(api, signal);
  const warnings = [...found];
  const own = [...byPath.values()].filter(({ aggregated }) => !aggregated);
  for (const { plural, aggregated, served } of byPath.values()) {
    if (aggregated) warnings.push(`"${plural}" of "${served[0]}" is another server's, and is left out`);
  }
  return {
    label: `the cluster at "${access.server.host}"`,
    revision: undefined,
    paths: own.map(({ path }) => path),
    custom,
    warnings,
    versionAt: () => undefined,
    async open(path, like) {
      const entries = new Map<string, SideEntry>();
      const resource = byPath.get(path);
      if (resource === undefined || resource.aggregated) return entries;
      const version = like !== undefined && resource.served.includes(like) ? like : defined(resource.served[0]);
      let items: readonly KubeObject[];
      try {
        ({ items } = await api.list(urlOf(resource, undefined, undefined, version), signal));
      } catch (error) {
        // Its definition went between discovery and now.
        if (error instanceof ApiError && error.status === 404) return entries;
        throw error;
      }
      for (const [place, object] of items.entries()) {
        const { namespace, name } = object.metadata;
        entries.set(resource.namespaced ? `${namespace}/${name}` : name, {
          place,
          read: () => ({ state: "object", object }),
        });
      }
      return entries;
    },
  };
}
