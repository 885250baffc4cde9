/** What `start` sees of a cluster: live lists of pods, nodes and leases, and which leases were renewed while it looked. */

import type { Observation } from "../../bootstrap/pivot.ts";
import type { LiveObjects } from "../../io/api-server/live-objects.ts";
import { COMPONENT_LEASES, NODE_LEASES, NODES, PODS } from "../../kube/api-paths.ts";
import { type LeaderLease, RenewalWatch, readLease } from "../../kube/lease.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { StartMachine } from "./machine.ts";

/** The collections that are looked at. */
export const VIEWED = [PODS, NODES, NODE_LEASES, COMPONENT_LEASES];

export class ClusterView {
  readonly live: Pick<LiveObjects, "get" | "reachable" | "failure" | "changed">;
  readonly localNode: string | undefined;
  readonly #machine: StartMachine;
  readonly #nodeLeases = new RenewalWatch();
  #componentLeases = new RenewalWatch();

  /** `live` follows {@link VIEWED}. */
  constructor(live: ClusterView["live"], machine: StartMachine, localNode: string | undefined) {
    this.live = live;
    this.#machine = machine;
    this.localNode = localNode;
  }

  /** Undefined until everything was listed once. */
  look(): Observation | undefined {
    const [pods, nodes, nodeLeases, componentLeases] = VIEWED.map((path) => this.live.get(path));
    if (pods === undefined || nodes === undefined || nodeLeases === undefined || componentLeases === undefined)
      return undefined;
    this.#nodeLeases.see(nodeLeases);
    this.#componentLeases.see(componentLeases);
    const { localNode } = this;
    const localContainers = localNode === undefined ? undefined : this.#machine.runningContainers();
    const localAddresses = localNode === undefined ? new Set<string>() : this.#machine.ownAddresses();
    const localLog = ({ metadata: { namespace = "", name, uid = "" } }: KubeObject) =>
      this.#machine.podLog(namespace, name, uid, 2);
    return {
      pods,
      nodes,
      aliveNodes: this.#nodeLeases.renewed,
      localNode,
      localContainers,
      localAddresses,
      localLog,
    };
  }

  /** Of the components, as they are now. */
  leaderLeases(): LeaderLease[] {
    return (this.live.get(COMPONENT_LEASES) ?? []).flatMap((lease) => readLease(lease) ?? []);
  }

  /** Leases of components that were renewed since {@link forgetLeases}. */
  get renewedLeases(): ReadonlySet<string> {
    return this.#componentLeases.renewed;
  }

  /** From now on only renewals count that are seen after this. */
  forgetLeases(): void {
    this.#componentLeases = new RenewalWatch();
  }
}
