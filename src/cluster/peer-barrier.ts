/**
 * When a node of a restore without ssh may continue: what each peer shows on its etcd's peer port. While no etcd runs
 * there, kubemend answers on it with how far that node has come; an etcd that answers says by its cluster's id whether
 * it is a restored member or an old one.
 */
import { NODE_STATES, type NodeJournal, type NodeState } from "./node-facts.ts";
import { isTakenBack } from "./restore-state.ts";

export type PeerSeen =
  | { readonly kind: "kubemend"; readonly state: NodeJournal["state"] }
  | { readonly kind: "etcd"; readonly clusterId: string }
  | { readonly kind: "silent"; readonly why: string };

/** A sentence for each peer that etcd may not start before; empty where it may. `clusterId`: that of the restored cluster, in hex. */
export function notPrepared(peers: ReadonlyMap<string, PeerSeen>, clusterId: string): string[] {
  const hint = "apply its bundle there";
  return awaited(peers, hint, {
    // A restored etcd started because all had come this far.
    etcd: (id, node) => (id === clusterId ? undefined : `the old etcd still runs on ${node}: ${hint}`),
    kubemend(state, node) {
      if (isTakenBack(state)) return `the operation is being taken back on ${node}`;
      const isReady = NODE_STATES.indexOf(state as NodeState) >= NODE_STATES.indexOf("prepared");
      return isReady ? undefined : `${node} is ${state}`;
    },
  });
}

/** A sentence for each of the nodes `first` whose restored etcd does not serve its peers yet. */
export function notServing(
  peers: ReadonlyMap<string, PeerSeen>,
  clusterId: string,
  first: readonly string[],
): string[] {
  return first
    .filter((node) => {
      const seen = peers.get(node);
      return seen?.kind !== "etcd" || seen.clusterId !== clusterId;
    })
    .map((node) => `etcd on ${node} starts first`);
}

/** The same for taking back: no old etcd starts while a restored one may run. */
export function notTakenBack(peers: ReadonlyMap<string, PeerSeen>, clusterId: string): string[] {
  const hint = "take it back there too";
  return awaited(peers, hint, {
    etcd: (id, node) => (id === clusterId ? `the restored etcd still runs on ${node}: ${hint}` : undefined),
    kubemend: (state, node) => (isTakenBack(state) ? undefined : `${node} is ${state}: ${hint}`),
  });
}

function awaited(
  peers: ReadonlyMap<string, PeerSeen>,
  hint: string,
  of: {
    readonly etcd: (clusterId: string, node: string) => string | undefined;
    readonly kubemend: (state: NodeJournal["state"], node: string) => string | undefined;
  },
): string[] {
  return [...peers].flatMap(([node, seen]) => {
    if (seen.kind === "silent") return [`${node} does not answer (${seen.why}): ${hint}`];
    const text = seen.kind === "etcd" ? of.etcd(seen.clusterId, node) : of.kubemend(seen.state, node);
    return text === undefined ? [] : [text];
  });
}
