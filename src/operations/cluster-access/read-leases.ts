/** A component's lease from an API server of any age: a Lease, or the annotation that came before it. */

import type { LeasePlace } from "../../controlplane/lease-place.ts";
import { defined } from "../../errors/defined.ts";
import { unlessAbsent, versionsOfGroup } from "../../io/api-server/api-lists.ts";
import type { ClusterApi } from "../../io/api-server/cluster-api.ts";
import { isHeldAt, type LeaderLease, latestLease, readLease } from "../../kube/lease.ts";

/**
 * The collections of a namespace where leaders may keep their record, as this server has them; each lists with
 * `fieldSelector=metadata.name=…`.
 */
export async function leaseCollections(api: ClusterApi, namespace: string, signal?: AbortSignal): Promise<string[]> {
  const [version] = await versionsOfGroup(api, "coordination.k8s.io", signal); // since 1.12
  const before = ["endpoints", "configmaps"].map((kind) => `/api/v1/namespaces/${namespace}/${kind}`);
  return version === undefined ? before : [`/apis/${version}/namespaces/${namespace}/leases`, ...before];
}

/** The record that was renewed last; undefined where nobody has ever led. */
export async function readComponentLease(
  api: ClusterApi,
  place: LeasePlace,
  signal?: AbortSignal,
): Promise<LeaderLease | undefined> {
  return latestLease(await recordsIn(api, await leaseCollections(api, place.namespace, signal), place, signal));
}

/**
 * The same of several in one namespace, with as few requests as will do: of what somebody holds at `now` in the newest
 * kind, older kinds are not asked for.
 */
export async function readHeldLeases(
  api: ClusterApi,
  places: readonly LeasePlace[],
  now: () => number,
  signal?: AbortSignal,
): Promise<(LeaderLease | undefined)[]> {
  const [newest, ...older] = await leaseCollections(api, defined(places[0]).namespace, signal);
  return Promise.all(
    places.map(async (place) => {
      const [record] = await recordsIn(api, [defined(newest)], place, signal);
      if (isHeldAt(record, now())) return record;
      return latestLease([record, ...(await recordsIn(api, older, place, signal))]);
    }),
  );
}

function recordsIn(
  api: ClusterApi,
  collections: readonly string[],
  { name }: LeasePlace,
  signal: AbortSignal | undefined,
): Promise<(LeaderLease | undefined)[]> {
  return Promise.all(
    collections.map(async (path) => {
      const object = await unlessAbsent(api.get(`${path}/${encodeURIComponent(name)}`, signal));
      return object && readLease(object);
    }),
  );
}
