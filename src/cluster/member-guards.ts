/**
 * Several nodes of one cluster: what each of them says, and what may be done to one without losing the others. This
 * file: changes of etcd's membership, judged before they are asked for. etcd's own check (`--strict-reconfig-check`)
 * looks at members that are started and connected to the leader; these guards also count what comes after the change,
 * and say what to do instead.
 */
import type { ClusterHealth, MemberHealth } from "../diagnosis/etcd-health.ts";
import { MendError } from "../errors/errors.ts";

/** What a quorum of so many voters is. */
export function quorumOf(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

const votersOf = (members: readonly MemberHealth[]) => members.filter((member) => !member.isLearner);
const answeringOf = (members: readonly MemberHealth[]) => members.filter((member) => member.status !== null).length;

/** The member with an id in hex, or a name, or one of the client URLs. Throws `object-not-found` with those that there are. */
export function findMember(members: readonly MemberHealth[], wanted: string): MemberHealth {
  const id = wanted.toLowerCase().replace(/^0x/, "");
  const byId = members.filter((member) => member.id === id);
  const found = byId.length > 0 ? byId : members.filter((member) => member.name !== "" && member.name === wanted);
  const [member] = found;
  if (found.length === 1 && member !== undefined) return member;
  const known = members
    .map((each) => `${each.id}${each.name === "" ? " (not started)" : ` (${each.name})`}`)
    .join(", ");
  const text = found.length === 0 ? `no member "${wanted}"` : `${found.length} members are named "${wanted}"`;
  throw new MendError("object-not-found", text, { hint: `members are ${known}: pass one of these ids` });
}

/** Throws `refused` where a member may not be added now. */
export function guardAddition(
  health: ClusterHealth,
  { peerUrls, isLearner }: { readonly peerUrls: readonly string[]; readonly isLearner: boolean },
  knownPeerUrls: ReadonlyMap<string, readonly string[]>,
): void {
  for (const [id, urls] of knownPeerUrls) {
    const same = peerUrls.find((url) => urls.includes(url));
    if (same === undefined) continue;
    const hint = `remove it first if it is lost: kubemend etcd member remove ${id}`;
    throw new MendError("member-change-refused", `member ${id} has the peer URL ${same} already`, { where: id, hint });
  }
  const voters = votersOf(health.members);
  requireQuorum(health);
  const unstarted = health.members.find((member) => member.name === "");
  if (unstarted !== undefined) {
    throw new MendError("member-change-refused", `member ${unstarted.id} was added before and is not started yet`, {
      where: unstarted.id,
      hint: `start it, or take it away: kubemend etcd member remove ${unstarted.id}`,
    });
  }
  if (isLearner) return;
  const after = quorumOf(voters.length + 1);
  const answering = answeringOf(voters);
  if (answering < after) {
    const text = `with one more voter, ${after} have to answer, and ${answering} do until the new one runs: nothing could be written`;
    throw new MendError("member-change-refused", text, { hint: "add it as a learner, start it, then promote it" });
  }
}

/** Throws `refused` where removing the member would end the cluster's quorum. */
export function guardRemoval(health: ClusterHealth, member: MemberHealth, force: boolean): void {
  const voters = votersOf(health.members);
  if (!member.isLearner && voters.length === 1) {
    throw new MendError("member-change-refused", `${nameOf(member)} is the last voting member`, {
      where: member.id,
      hint: "to start over from its data, save a snapshot and restore it; to replace it, add and promote another first",
    });
  }
  requireQuorum(health);
  if (member.isLearner || force) return;
  const rest = voters.filter((each) => each !== member);
  const answering = answeringOf(rest);
  const needed = quorumOf(rest.length);
  if (answering >= needed) return;
  const text = `without ${nameOf(member)}, ${answering} of ${rest.length} voters answer and ${needed} have to: nothing could be written`;
  const lost = rest.filter((each) => each.status === null).map(nameOf);
  throw new MendError("member-change-refused", text, {
    where: member.id,
    hint: `bring back or remove first ${lost.join(", ")}`,
  });
}

/** Throws `refused` for a member that is no learner, or does not run. */
export function guardPromotion(health: ClusterHealth, member: MemberHealth): void {
  if (!member.isLearner) {
    throw new MendError("member-change-refused", `${nameOf(member)} votes already`, {
      where: member.id,
      hint: "there is nothing to do",
    });
  }
  requireQuorum(health);
  if (member.status === null) {
    const text = `${nameOf(member)} does not answer${member.error === null ? "" : `: ${member.error}`}`;
    throw new MendError("member-change-refused", text, {
      where: member.id,
      hint: "start it, and wait until it has caught up",
    });
  }
}

/** Throws `refused` for a target that cannot lead. */
export function guardLeadership(member: MemberHealth): void {
  if (!member.isLearner && member.status !== null) return;
  const text = member.isLearner
    ? `${nameOf(member)} is a learner, which cannot lead`
    : `${nameOf(member)} does not answer`;
  throw new MendError("member-change-refused", text, { where: member.id, hint: "choose a voting member that answers" });
}

/**
 * In which order members are defragmented: one at a time, the leader last. Throws `refused` where taking one away for
 * the time it takes would leave no quorum; a cluster of one member has none to spare and is asked for with `force`.
 */
export function planDefragmentation(
  health: ClusterHealth,
  chosen: readonly MemberHealth[],
  force: boolean,
): readonly MemberHealth[] {
  const silent = chosen.find((member) => member.status === null);
  if (silent !== undefined) {
    throw new MendError("member-change-refused", `${nameOf(silent)} does not answer`, {
      where: silent.id,
      hint: "bring it back first",
    });
  }
  const voters = votersOf(health.members);
  const isSpare = answeringOf(voters) > quorumOf(voters.length);
  const takesVoter = chosen.some((member) => !member.isLearner);
  if (takesVoter && voters.length > 1 && !isSpare && !force) {
    const text =
      `${answeringOf(voters)} of ${voters.length} voters answer: a member that is defragmented answers ` +
      "nothing, so that nothing could be written";
    throw new MendError("member-change-refused", text, { hint: "bring back the members that are missing first" });
  }
  const leads = (member: MemberHealth) => member.status?.leader === member.id;
  return [...chosen.filter((member) => !leads(member)), ...chosen.filter(leads)];
}

function requireQuorum(health: ClusterHealth): void {
  if (health.survivesLosses >= 0) return;
  const text = `${health.answeringVoters} of ${health.voters} voters answer, and ${health.quorum} have to: etcd cannot change its members`;
  throw new MendError("member-change-refused", text, {
    hint: "bring members back, or start over from their data: kubemend etcd salvage",
  });
}

function nameOf(member: MemberHealth): string {
  return member.name === "" ? `member ${member.id}` : `member ${member.id} (${member.name})`;
}
