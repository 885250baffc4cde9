/**
 * Gives the leases up that scheduler and controller manager held when the backup was made: their holders are stopped, and
 * the new ones would wait 15 s for each. By the way client-go does it, and only where nobody has renewed it meanwhile.
 */
import { leasesOfTheStopped } from "../../../cluster/since-restore.ts";
import { unlessAbsent } from "../../../io/api-server/api-lists.ts";
import { ApiError, type ClusterApi } from "../../../io/api-server/cluster-api.ts";
import { LEASE_HOLDERS, releasePatch } from "../../../kube/lease.ts";
import { leaseCollections } from "../../cluster-access/read-leases.ts";

const NAMESPACE = "kube-system";

/** `names`: the nodes on which everything was stopped. `revision`: the newest that was restored. */
export async function releaseLeases(
  api: ClusterApi,
  names: readonly string[],
  revision: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const collections = await leaseCollections(api, NAMESPACE, signal); // some versions keep the record in two places
  for (const collection of collections) {
    for (const name of LEASE_HOLDERS) {
      const path = `${collection}/${name}`;
      const object = await unlessAbsent(api.get(path, signal));
      const [lease] = object === undefined ? [] : leasesOfTheStopped([object], names, revision);
      if (lease === undefined) continue;
      try {
        await api.patch(path, releasePatch(lease), signal);
      } catch (error) {
        // Somebody has taken it, or it may not be written: it runs out by itself.
        if (!(error instanceof ApiError) || error.status >= 500) throw error;
      }
    }
  }
}
