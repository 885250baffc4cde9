/**
 * What is to be done after a restore, and what a restored Kubernetes cluster may have that it should not: read from the
 * keys of the snapshot.
 */

import { FLAVOURS } from "../controlplane/flavours/flavours.ts";
import type { Finding } from "../errors/errors.ts";
import { input } from "../errors/input.ts";

const API_SERVERS = "/masterleases/";
const NODES = "/minions/";

/** Where the keys lie that {@link readLeftovers} looks at, in a cluster under the etcd prefix `prefix`. */
export function leftoverPrefixes(prefix: string): string[] {
  const places = new Set([API_SERVERS, NODES, ...FLAVOURS.flatMap(({ keys }) => keys.places)]);
  return [...places].map((place) => prefix + place);
}

export interface Leftovers {
  /** The etcd prefix of the cluster; undefined where there is none. */
  readonly prefix: string | undefined;
  /** Addresses of API servers that were alive. */
  readonly apiServers: readonly string[];
  readonly nodes: readonly string[];
  /** How the control plane runs, as far as keys show; undefined where there is no Kubernetes, or its API server is no pod. */
  readonly flavour: string | undefined;
}

/** `keys`: the live keys below {@link leftoverPrefixes}. */
export function readLeftovers(keys: Iterable<string>, prefix: string | undefined): Leftovers {
  if (prefix === undefined) return { prefix, apiServers: [], nodes: [], flavour: undefined };
  const all = [...keys];
  const below = (place: string): string[] => {
    const start = prefix + place;
    return all.filter((key) => key.startsWith(start)).map((key) => key.slice(start.length));
  };
  const nodes = below(NODES).sort();
  const flavour = FLAVOURS.find((each) => each.keys.show({ nodes, below }));
  return { prefix, apiServers: below(API_SERVERS).sort(), nodes, flavour: flavour?.keys.name };
}

const PROOF = `see that this is what serves: kubemend etcd health ${input("restoredFrom")} with the same file`;

/** Whom directories have to be given to before etcd can use them. */
export interface NewOwner {
  readonly owner: string;
  /** Where that is said. */
  readonly source: string;
  readonly directories: readonly string[];
}

/** In the order in which they are to be done. */
export function restoreSteps(leftovers: Leftovers, otherMembers: readonly string[], owner?: NewOwner): string[] {
  const steps = [
    "stop etcd on every member of the old cluster, the healthy ones too: one that runs on may take the " +
      "restored ones in, and everything since the snapshot is back",
  ];
  if (otherMembers.length > 0) {
    const names = otherMembers.map((name) => `"${name}"`).join(", ");
    steps.push(`restore the same file with the same ${input("initialCluster")} and token for ${names}`);
  }
  if (owner !== undefined) {
    steps.push(`etcd runs as another user ("${owner.source}"): chown -R ${owner.owner} ${owner.directories.join(" ")}`);
  }
  if (leftovers.prefix === undefined) return [...steps, "start etcd on the data dir", PROOF];
  const flavour = FLAVOURS.find(({ keys }) => keys.name === leftovers.flavour);
  if (flavour !== undefined) return [...steps, ...flavour.restoreSteps(PROOF)];
  return [
    ...steps,
    "stop every API server, then start etcd on the data dir",
    PROOF,
    "start the API servers, then restart controller managers, schedulers and kubelets (systemctl restart, where they are services)",
    "see kubectl get nodes and kubectl get pods -A",
  ];
}

/** What to look after in a restored cluster. `bump` is how far the revision has to be raised; undefined where it was raised. */
export function restoreNotes(leftovers: Leftovers, bump: number | undefined): Finding[] {
  if (leftovers.prefix === undefined) return [];
  const notes: Finding[] = [];
  const leases = leftovers.prefix + API_SERVERS;
  const nodes = leftovers.prefix + NODES;
  if (bump !== undefined) {
    const text =
      "API servers and controllers that saw a newer revision than the snapshot's keep what they saw: restore " +
      `with ${input("bumpRevision")} ${bump} ${input("markCompacted")}, or restart every one of them`;
    notes.push({ level: "warning", code: "revision-goes-back", where: "snapshot", text });
  }
  if (leftovers.apiServers.length > 0) {
    const text =
      `the service "kubernetes" names API servers as of the snapshot (${leftovers.apiServers.join(", ")}): ` +
      `those that are gone vanish when their leases end, or with ${input("exclude")} ${leases}`;
    notes.push({ level: "info", code: "masterleases-restored", where: leases, text });
  }
  if (leftovers.nodes.length > 0) {
    const count = leftovers.nodes.length === 1 ? "1 node" : `${leftovers.nodes.length} nodes`;
    const text =
      `${count} as of the snapshot: delete those that no longer exist (kubectl delete node), so that pods ` +
      "bound to them are recreated elsewhere";
    notes.push({ level: "info", code: "nodes-restored", where: nodes, text });
  }
  return notes;
}
