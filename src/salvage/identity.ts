/** As which member the salvaged data dir continues: a survivor that is a voter of the cluster, else a learner, else a new member. */
import { createHash } from "node:crypto";
import { formatMemberId } from "../wal/membership.ts";
import type { ConfState } from "../wal/raft.ts";
import type { Survivor } from "./survivor.ts";

/** What a survivor is in the cluster at the end of what is salvaged. */
export type Role = "voter" | "learner" | "removed" | "not-a-member" | "unknown";

export interface Identity {
  readonly memberId: bigint;
  readonly clusterId: bigint;
  /** Whose it was; undefined for a new member. */
  readonly survivor: Survivor | undefined;
}

export function roleOf({ log }: Survivor, cluster: ConfState, removed: ReadonlySet<bigint>): Role {
  const id = log.metadata?.nodeId;
  if (id === undefined) return "unknown";
  if (removed.has(id)) return "removed";
  if (cluster.voters.includes(id)) return "voter";
  return cluster.learners.includes(id) ? "learner" : "not-a-member";
}

/**
 * `preferred` are survivors in the order in which they brought what is used. An id that was removed cannot come back:
 * etcd refuses it, and with the others gone nobody would be left. Undefined where no survivor says which cluster this
 * is.
 */
export function chooseIdentity(
  preferred: readonly Survivor[],
  cluster: ConfState,
  removed: ReadonlySet<bigint>,
  peerUrls: readonly string[],
): Identity | undefined {
  const known = preferred.flatMap((survivor) => {
    const { metadata } = survivor.log;
    return metadata === undefined ? [] : [{ survivor, metadata, role: roleOf(survivor, cluster, removed) }];
  });
  const chosen = known.find(({ role }) => role === "voter") ?? known.find(({ role }) => role === "learner");
  if (chosen !== undefined) {
    const { nodeId, clusterId } = chosen.metadata;
    return { memberId: nodeId, clusterId, survivor: chosen.survivor };
  }
  const clusterId = known[0]?.metadata.clusterId;
  if (clusterId === undefined) return undefined;
  const taken = new Set([...cluster.voters, ...cluster.learners, ...removed]);
  return { memberId: newMemberId(peerUrls, clusterId, taken), clusterId, survivor: undefined };
}

/** An id that no member ever had; the same for the same input. */
function newMemberId(peerUrls: readonly string[], clusterId: bigint, taken: ReadonlySet<bigint>): bigint {
  for (let attempt = 0; ; attempt++) {
    const text = `${[...peerUrls].sort().join("")}salvaged ${formatMemberId(clusterId)} ${attempt}`;
    const id = createHash("sha1").update(text).digest().readBigUInt64BE(0);
    if (id !== 0n && !taken.has(id)) return id;
  }
}
