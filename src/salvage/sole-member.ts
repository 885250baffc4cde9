/**
 * The configuration changes that leave one member alone in its cluster, as etcd's `--force-new-cluster` writes them,
 * and its peer URLs changed to the new ones. Everything up to and with them counts as committed.
 */
import type { MemberChange } from "../wal/log.ts";
import { encodeMember, type Member } from "../wal/membership.ts";
import {
  CONF_CHANGE_ADD_LEARNER_NODE,
  CONF_CHANGE_ADD_NODE,
  CONF_CHANGE_REMOVE_NODE,
  CONF_CHANGE_UPDATE_NODE,
  type ConfChange,
  type ConfState,
  ENTRY_CONF_CHANGE,
  type Entry,
  encodeConfChange,
  type HardState,
  votersOnly,
} from "../wal/raft.ts";
import type { LogPosition } from "./survivor.ts";

/** Who is in the cluster after configuration changes. */
export function applyConfChanges(base: ConfState, changes: readonly MemberChange[]): ConfState {
  const voters = new Set([...base.voters, ...base.votersOutgoing]);
  const learners = new Set([...base.learners, ...base.learnersNext]);
  for (const { type, nodeId } of changes) {
    if (type === CONF_CHANGE_UPDATE_NODE) continue;
    voters.delete(nodeId);
    learners.delete(nodeId);
    if (type === CONF_CHANGE_ADD_NODE) voters.add(nodeId);
    else if (type === CONF_CHANGE_ADD_LEARNER_NODE) learners.add(nodeId);
  }
  return { ...votersOnly([...voters]), learners: [...learners] };
}

export interface SoleMemberLog {
  /** To be written behind what is kept. */
  readonly entries: readonly Entry[];
  readonly state: HardState;
}

/** A URL that nobody has: etcd refuses a new member with the peer URLs of another one. */
const URLS_OF_NOBODY = ["http://removed.invalid:2380"];

/** `cluster` has the members behind `last`; `term` is at least that of every entry. */
export function becomeSoleMember(
  self: Member,
  cluster: ConfState,
  last: LogPosition,
  state: Pick<HardState, "term" | "vote">,
): SoleMemberLog {
  const term = Math.max(state.term, last.term);
  const changes: ConfChange[] = [];
  const change = (type: number, nodeId: bigint, context?: Uint8Array): void => {
    changes.push({ id: 0n, type, nodeId, context });
  };
  const others = [...cluster.voters, ...cluster.learners]
    .filter((id) => id !== self.id)
    .sort((a, b) => (a < b ? -1 : 1));
  if (cluster.voters.includes(self.id) || cluster.learners.includes(self.id)) {
    if (cluster.learners.includes(self.id)) change(CONF_CHANGE_ADD_NODE, self.id, promotion(self));
    for (const id of others) change(CONF_CHANGE_REMOVE_NODE, id);
    change(CONF_CHANGE_UPDATE_NODE, self.id, encodeMember(self));
  } else {
    // raft has no cluster without a voter, so one of the others stays until the new member is in; the new one may well have its URLs.
    const keeper = others.find((id) => cluster.voters.includes(id));
    for (const id of others) if (id !== keeper) change(CONF_CHANGE_REMOVE_NODE, id);
    if (keeper !== undefined) {
      const placeholder = { id: keeper, name: "", peerUrls: URLS_OF_NOBODY, clientUrls: [], isLearner: false };
      change(CONF_CHANGE_UPDATE_NODE, keeper, encodeMember(placeholder));
    }
    change(CONF_CHANGE_ADD_NODE, self.id, encodeMember(self));
    if (keeper !== undefined) change(CONF_CHANGE_REMOVE_NODE, keeper);
  }
  const entries = changes.map((item, i): Entry => {
    return { type: ENTRY_CONF_CHANGE, term, index: last.index + 1 + i, data: encodeConfChange(item) };
  });
  const commit = last.index + entries.length;
  return { entries, state: { term, vote: term === state.term ? state.vote : 0n, commit } };
}

/** etcd's context of a change that makes a learner a voter: the member, and the mark. */
function promotion(self: Member): Uint8Array {
  const json = Buffer.from(encodeMember({ ...self, isLearner: false })).toString();
  return Buffer.from(`${json.slice(0, -1)},"isPromote":true}`);
}
