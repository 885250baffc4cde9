/**
 * Leases whose holders are dead: those that had them on this machine before it was lost, and the temporary components
 * once they have ended. Nobody of them gives a lease up, so that whoever comes next would wait until it has run out, 15
 * s by default. A lease is given up here only where its holder is known to be dead, by the way client-go does it: a
 * record without a holder.
 */
import { unlessAbsent } from "../../io/api-server/api-lists.ts";
import { ApiError } from "../../io/api-server/cluster-api.ts";
import { holderHost, LEASE_HOLDERS, readLease, releasePatch } from "../../kube/lease.ts";
import { leaseCollections } from "../cluster-access/read-leases.ts";
import type { ClusterView } from "./cluster-view.ts";
import { temporaryPods } from "./start-api-server.ts";
import type { Start } from "./start-options.ts";

const NAMESPACE = "kube-system";

/** Who holds a lease, by the lease's name. */
export type HeldLeases = ReadonlyMap<string, string>;

/**
 * The leases that the temporary components hold now. A component that loses its lease ends, so one that runs and has
 * logged that it acquired the lease is the one that holds it (client-go, tools/leaderelection).
 */
export function leasesOfTemporary(start: Start, view: ClusterView): HeldLeases {
  const { machine } = start.options;
  const held = new Map<string, string>();
  for (const component of LEASE_HOLDERS) {
    const own = start.pods.filter((pod) => pod.component === component);
    const acquired = new RegExp(`successfully acquired lease.*\\b${NAMESPACE}/${component}\\b`, "i");
    const pods = temporaryPods(own, machine, start.node);
    if (!pods.some(({ namespace, name }) => machine.hasLogged(namespace, name, acquired))) continue;
    const lease = view.leaderLeases().find(({ name }) => name === component);
    if (lease !== undefined && lease.holder !== "") held.set(lease.name, lease.holder);
  }
  return held;
}

/**
 * The leases that a component on this machine held before the start: a holder is named for its host, renews the lease
 * as long as it lives, and none runs here now but the temporary one. Where the machine's name is not its node's,
 * nothing makes sure that it has the name alone.
 */
export function leasesOfTheDead(start: Start, view: ClusterView): HeldLeases {
  const { machine } = start.options;
  const held = new Map<string, string>();
  if (machine.hostname.toLowerCase() !== start.node) return held;
  const ofTemporary = leasesOfTemporary(start, view);
  const temporary = new Set(temporaryPods(start.pods, machine, start.node).flatMap(({ containers }) => containers));
  for (const component of LEASE_HOLDERS) {
    const lease = view.leaderLeases().find(({ name }) => name === component);
    if (lease === undefined || lease.holder === "" || holderHost(lease).toLowerCase() !== start.node) continue;
    if (view.renewedLeases.has(lease.name) || ofTemporary.has(component)) continue;
    if (!machine.programRuns(component, temporary)) held.set(lease.name, lease.holder);
  }
  return held;
}

/**
 * After those holders have ended: whoever waits for these leases can take them at once. Some versions keep the same
 * record in two places.
 */
export async function giveUpLeases({ api, options }: Start, held: HeldLeases): Promise<void> {
  if (held.size === 0) return;
  const collections = await leaseCollections(api, NAMESPACE, options.signal);
  for (const [name, holder] of held) {
    for (const path of collections.map((each) => `${each}/${name}`)) {
      const object = await unlessAbsent(api.get(path, options.signal));
      const lease = object && readLease(object);
      if (lease?.holder !== holder) continue;
      try {
        await api.patch(path, releasePatch(lease), options.signal);
      } catch (error) {
        // Somebody has taken it, or we may not: it runs out by itself.
        if (!(error instanceof ApiError) || error.status >= 500) throw error;
      }
    }
  }
}
