/** What a rescue sees: live lists of all pods and nodes, and the leases of the components, wherever they keep them. */

import { defined } from "../../errors/defined.ts";
import type { ClusterApi } from "../../io/api-server/cluster-api.ts";
import { LiveObjects } from "../../io/api-server/live-objects.ts";
import { NODES, PODS } from "../../kube/api-paths.ts";
import { type LeaderLease, type LeaseHolderName, latestLease, readLease } from "../../kube/lease.ts";
import type { KubeObject } from "../../kube/object.ts";
import { LeaseTrack } from "../../rescue/lease-track.ts";
import type { RescueTarget } from "../../rescue/target.ts";
import { distinctPlaces } from "../cluster-access/lease-places.ts";
import { leaseCollections } from "../cluster-access/read-leases.ts";

export interface RescueLook {
  readonly pods: readonly KubeObject[];
  readonly nodes: readonly KubeObject[];
}

interface Followed {
  readonly paths: readonly string[];
  readonly track: LeaseTrack;
}

export class RescueView {
  readonly #api: ClusterApi;
  readonly #signal: AbortSignal;
  readonly #objects: LiveObjects;
  readonly #leases = new Map<LeaseHolderName, Followed>();
  #leaseObjects: LiveObjects | undefined;

  constructor(api: ClusterApi, signal: AbortSignal) {
    this.#api = api;
    this.#signal = signal;
    this.#objects = new LiveObjects(api, [PODS, NODES], signal);
  }

  /** Follows the components' leases too, from now on. */
  async followLeases(targets: readonly RescueTarget[]): Promise<void> {
    for (const { component, lease: own, leases } of targets) {
      const paths: string[] = [];
      for (const { namespace, name } of distinctPlaces([own, ...leases])) {
        const query = `?fieldSelector=${encodeURIComponent(`metadata.name=${name}`)}`;
        const collections = await leaseCollections(this.#api, namespace, this.#signal);
        paths.push(...collections.map((path) => path + query));
      }
      this.#leases.set(component, { paths: [...new Set(paths)], track: new LeaseTrack() });
    }
    const paths = [...this.#leases.values()].flatMap((each) => each.paths);
    this.#leaseObjects = new LiveObjects(this.#api, paths, this.#signal);
  }

  /** Undefined until everything was listed once. */
  look(): RescueLook | undefined {
    const pods = this.#objects.get(PODS);
    const nodes = this.#objects.get(NODES);
    if (pods === undefined || nodes === undefined) return undefined;
    for (const [component, { track }] of this.#leases) {
      const records = this.leaseRecords(component);
      if (records === undefined) return undefined;
      track.see(latestLease(records.map(({ object }) => readLease(object))));
    }
    return { pods, nodes };
  }

  track(component: LeaseHolderName): LeaseTrack {
    return defined(this.#leases.get(component)).track;
  }

  /** The objects that hold the component's record, with their paths. */
  leaseRecords(
    component: LeaseHolderName,
  ): { readonly path: string; readonly object: KubeObject; readonly lease: LeaderLease }[] | undefined {
    const { paths } = defined(this.#leases.get(component));
    const lists = paths.map((path) => ({ path, objects: this.#leaseObjects?.get(path) }));
    if (lists.some(({ objects }) => objects === undefined)) return undefined;
    return lists.flatMap(({ path, objects }) =>
      defined(objects).flatMap((object) => {
        const lease = readLease(object);
        const at = `${path.split("?")[0]}/${encodeURIComponent(object.metadata.name)}`;
        return lease === undefined ? [] : [{ path: at, object, lease }];
      }),
    );
  }

  get reachable(): boolean {
    return this.#objects.reachable && this.#leaseObjects?.reachable !== false;
  }

  get failure(): unknown {
    return this.#objects.failure ?? this.#leaseObjects?.failure;
  }

  /** Resolves at the next change, or after that long. Throws when the signal aborts. */
  async changed(milliseconds: number, signal: AbortSignal): Promise<void> {
    const done = new AbortController();
    const both = AbortSignal.any([signal, done.signal]);
    const waits = [this.#objects.changed(milliseconds, both), this.#leaseObjects?.changed(milliseconds, both)];
    try {
      await Promise.race(waits.filter((each) => each !== undefined));
    } finally {
      done.abort();
      await Promise.allSettled(waits);
    }
    signal.throwIfAborted();
  }
}
