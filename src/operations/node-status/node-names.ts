/** The names of a cluster's nodes, for completions. */
import { NODES } from "../../kube/api-paths.ts";
import { type ClusterFlags, withCluster } from "../cluster-access/open-cluster.ts";

export function nodeNames(cluster: ClusterFlags, signal: AbortSignal): Promise<readonly string[]> {
  return withCluster(cluster, { signal }, async ({ api }) => {
    const { items } = await api.list(NODES, signal);
    return items.map(({ metadata }) => metadata.name);
  });
}
