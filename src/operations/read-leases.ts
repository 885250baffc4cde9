/** A component's lease from an API server of any age: a Lease, or the annotation that came before it. */
import { type LeaderLease, type LeasePlace, latestLease, readLease } from "../controlplane/lease.ts";
import { unlessAbsent, versionsOfGroup } from "../io/api-server/api-lists.ts";
import type { ClusterApi } from "../io/api-server/cluster-api.ts";

/** The collections of a namespace where leaders may keep their record, as this server has them; each lists with `fieldSelector=metadata.name=…`. */
export async function leaseCollections(api: ClusterApi, namespace: string, signal?: AbortSignal): Promise<string[]> {
  const [version] = await versionsOfGroup(api, "coordination.k8s.io", signal); // since 1.12
  const before = ["endpoints", "configmaps"].map((kind) => `/api/v1/namespaces/${namespace}/${kind}`);
  return version === undefined ? before : [`/apis/${version}/namespaces/${namespace}/leases`, ...before];
}

/** The record that was renewed last; undefined where nobody has ever led. */
export async function readComponentLease(
  api: ClusterApi,
  { namespace, name }: LeasePlace,
  signal?: AbortSignal,
): Promise<LeaderLease | undefined> {
  const collections = await leaseCollections(api, namespace, signal);
  const found = await Promise.all(
    collections.map((path) => unlessAbsent(api.get(`${path}/${encodeURIComponent(name)}`, signal))),
  );
  return latestLease(found.map((object) => object && readLease(object)));
}
