/**
 * `etcd member add|remove|update|promote` and `etcd move-leader`: one change of a cluster's members, judged first and
 * read back afterwards.
 */
import { setTimeout } from "node:timers/promises";
import {
  findMember,
  guardAddition,
  guardLeadership,
  guardPromotion,
  guardRemoval,
} from "../../cluster/member-guards.ts";
import type { ClusterHealth, MemberHealth } from "../../diagnosis/etcd-health.ts";
import { MendError } from "../../errors/errors.ts";
import { withoutLogin } from "../../errors/secret.ts";
import { type EtcdClient, openEtcd, withAnyEndpoint } from "../../io/etcd/etcd-client.ts";
import { type EtcdAccess, type EtcdFlags, prepareEtcdAccess } from "../../io/etcd/etcd-connection.ts";
import * as maintenance from "../../io/etcd/etcd-maintenance.ts";
import type { ClusterMember } from "../../io/etcd/etcd-messages.ts";
import { checkHealth } from "./etcd-health.ts";

export interface ChangedMember {
  /** In hex, as etcdctl prints them. */
  readonly clusterId: string;
  readonly memberId: string;
  readonly peerUrls: readonly string[];
  /** All members after the change. */
  readonly members: readonly ClusterMember[];
}

export interface AddedMember extends ChangedMember {
  /** What the new member is to be started with. */
  readonly environment: {
    readonly ETCD_NAME: string;
    readonly ETCD_INITIAL_CLUSTER: string;
    readonly ETCD_INITIAL_ADVERTISE_PEER_URLS: string;
    readonly ETCD_INITIAL_CLUSTER_STATE: "existing";
  };
}

const hex = (id: bigint): string => id.toString(16);
const idOf = (member: MemberHealth): bigint => BigInt(`0x${member.id}`);

/** Adds a member, as a learner unless `voter`. Throws `member-change-refused` where the cluster could not afford it. */
export async function addMember(
  flags: EtcdFlags,
  wanted: { readonly name: string; readonly peerUrls: readonly string[]; readonly voter: boolean },
  signal?: AbortSignal,
): Promise<AddedMember> {
  const { name, peerUrls } = wanted;
  for (const url of peerUrls) requirePeerUrl(url);
  const { access, health } = await survey(flags, signal);
  const before = await withAnyEndpoint(access, (client) => client.members(), signal);
  const known = new Map(before.members.map((member) => [hex(member.id), member.peerUrls]));
  const twin = before.members.find((member) => member.name === name);
  if (twin !== undefined) {
    throw new MendError("member-change-refused", `member ${hex(twin.id)} has the name "${name}" already`, {
      where: hex(twin.id),
      hint: `choose another name, or remove it first if it is lost: kubemend etcd member remove ${hex(twin.id)}`,
    });
  }
  guardAddition(health, { peerUrls, isLearner: !wanted.voter }, known);
  const { header, member } = await onMember(access, health, signal, (client) =>
    maintenance.addMember(client, peerUrls, !wanted.voter),
  );
  const isAdded = (each: ClusterMember): boolean => each.id === member.id;
  const members = await membersOnce((list) => list.some(isAdded), access, signal);
  const found = members.find(isAdded);
  if (found === undefined) throw notSeen(`member ${hex(member.id)} was added, and is not among the members`, member.id);
  const cluster = members.flatMap((each) =>
    each.peerUrls.map((url) => `${each.id === member.id ? name : each.name}=${url}`),
  );
  return {
    clusterId: hex(header.clusterId),
    memberId: hex(member.id),
    peerUrls: found.peerUrls,
    members,
    environment: {
      ETCD_NAME: name,
      ETCD_INITIAL_CLUSTER: cluster.join(","),
      ETCD_INITIAL_ADVERTISE_PEER_URLS: peerUrls.join(","),
      ETCD_INITIAL_CLUSTER_STATE: "existing",
    },
  };
}

/** Takes a member out. `force` also where no quorum answers afterwards; never the last one. */
export async function removeMember(
  flags: EtcdFlags,
  wanted: { readonly member: string; readonly force: boolean },
  signal?: AbortSignal,
): Promise<ChangedMember> {
  const { access, health } = await survey(flags, signal);
  const member = findMember(health.members, wanted.member);
  guardRemoval(health, member, wanted.force);
  const others = { ...health, members: health.members.filter((each) => each !== member) };
  const { header } = await onMember(access, others, signal, (client) => maintenance.removeMember(client, idOf(member)));
  const isStill = (each: ClusterMember): boolean => each.id === idOf(member);
  const remaining = others.members.flatMap(({ endpoint, status }) => (status === null ? [] : (endpoint ?? [])));
  const reading = access.user !== undefined || remaining.length === 0 ? access : { ...access, endpoints: remaining };
  const members = await membersOnce((list) => !list.some(isStill), reading, signal);
  if (members.some(isStill))
    throw notSeen(`member ${member.id} was removed, and is still among the members`, idOf(member));
  return { clusterId: hex(header.clusterId), memberId: member.id, peerUrls: [], members };
}

/** Gives a member other peer URLs. */
export async function updateMember(
  flags: EtcdFlags,
  wanted: { readonly member: string; readonly peerUrls: readonly string[] },
  signal?: AbortSignal,
): Promise<ChangedMember> {
  for (const url of wanted.peerUrls) requirePeerUrl(url);
  const { access, health } = await survey(flags, signal);
  const member = findMember(health.members, wanted.member);
  const { header } = await onMember(access, health, signal, (client) =>
    maintenance.updateMember(client, idOf(member), wanted.peerUrls),
  );
  const urlsIn = (list: readonly ClusterMember[]): readonly string[] =>
    list.find((each) => each.id === idOf(member))?.peerUrls ?? [];
  const isUpdated = (list: readonly ClusterMember[]): boolean =>
    [...urlsIn(list)].sort().join() === [...wanted.peerUrls].sort().join();
  const members = await membersOnce(isUpdated, access, signal);
  const urls = urlsIn(members);
  if (!isUpdated(members))
    throw notSeen(`member ${member.id} was updated, and has the peer URLs ${urls.join(",")}`, idOf(member));
  return { clusterId: hex(header.clusterId), memberId: member.id, peerUrls: urls, members };
}

const PROMOTION_RETRY_MS = 500;
/**
 * etcd calls members unhealthy that were connected for less than 5 s (`HealthInterval` in etcdserver/server.go), and
 * changes nothing till then.
 */
const SETTLING_MS = 8000;

/** Makes a voter of a learner; waits up to `wait` milliseconds until it has caught up with its leader. */
export async function promoteMember(
  flags: EtcdFlags,
  wanted: { readonly member: string; readonly wait: number; readonly onWait?: (text: string) => void },
  signal?: AbortSignal,
): Promise<ChangedMember> {
  const { access, health } = await survey(flags, signal);
  const member = findMember(health.members, wanted.member);
  guardPromotion(health, member);
  const deadline = performance.now() + wanted.wait;
  for (;;) {
    try {
      const { header } = await onMember(access, health, signal, (client) =>
        maintenance.promoteMember(client, idOf(member)),
      );
      const isPromoted = (each: ClusterMember): boolean => each.id === idOf(member) && !each.isLearner;
      const members = await membersOnce((list) => list.some(isPromoted), access, signal);
      const now = members.find((each) => each.id === idOf(member));
      if (now === undefined || now.isLearner)
        throw notSeen(`member ${member.id} was promoted, and is still a learner`, idOf(member));
      return { clusterId: hex(header.clusterId), memberId: member.id, peerUrls: now.peerUrls, members };
    } catch (error) {
      signal?.throwIfAborted();
      const isLagging = error instanceof MendError && error.code === "etcd-refused";
      if (!isLagging || performance.now() + PROMOTION_RETRY_MS > deadline) throw error;
      wanted.onWait?.(`member ${member.id} has not caught up with its leader yet`);
      await setTimeout(PROMOTION_RETRY_MS, undefined, signal === undefined ? {} : { signal });
    }
  }
}

export interface MovedLeadership {
  readonly from: string;
  readonly to: string;
}

/** Hands leadership over, and waits until the target leads. */
export async function moveLeader(flags: EtcdFlags, wanted: string, signal?: AbortSignal): Promise<MovedLeadership> {
  const { access, health } = await survey(flags, signal);
  const target = findMember(health.members, wanted);
  guardLeadership(target);
  const leader = health.members.find((member) => member.status?.leader === member.id);
  if (leader === undefined || leader.endpoint === null) {
    throw new MendError("member-change-refused", "no member that answers leads", {
      hint: "pass the leader's endpoint too, or see kubemend etcd health",
    });
  }
  if (leader.id === target.id) return { from: leader.id, to: target.id };
  await at(leader.endpoint, access, signal, (client) => maintenance.moveLeader(client, idOf(target)));
  const status = await at(target.endpoint ?? leader.endpoint, access, signal, (client) => client.status());
  if (status.leader !== idOf(target)) {
    throw notSeen(`leadership was handed to ${target.id}, and ${hex(status.leader)} leads`, idOf(target));
  }
  return { from: leader.id, to: target.id };
}

async function survey(
  flags: EtcdFlags,
  signal: AbortSignal | undefined,
): Promise<{ readonly access: EtcdAccess; readonly health: ClusterHealth }> {
  const options = signal === undefined ? {} : { signal };
  return { access: await prepareEtcdAccess(flags), health: await checkHealth(flags, options) };
}

/** Asks a voter that answered, so that a request is not sent to a member that is down or a learner, which refuses it. */
async function onMember<T>(
  access: EtcdAccess,
  { members }: Pick<ClusterHealth, "members">,
  signal: AbortSignal | undefined,
  run: (client: EtcdClient) => Promise<T>,
): Promise<T> {
  // A user's password goes to the endpoints that were named; without one, any voter that answers will do.
  if (access.user !== undefined) return withAnyEndpoint(access, run, signal);
  const voters = members.filter((member) => member.status !== null && !member.isLearner);
  const endpoints = voters.flatMap(({ endpoint }) => (endpoint === null ? [] : [endpoint]));
  const deadline = performance.now() + SETTLING_MS;
  for (;;) {
    try {
      return await withAnyEndpoint(endpoints.length === 0 ? access : { ...access, endpoints }, run, signal);
    } catch (error) {
      const isSettling = error instanceof MendError && error.code === "etcd-unreachable";
      if (!isSettling || endpoints.length === 0 || performance.now() > deadline) throw error;
      await setTimeout(PROMOTION_RETRY_MS, undefined, signal === undefined ? {} : { signal });
    }
  }
}

/** How long a member that is asked may take to learn of a change that another one made. */
const LEARNS_OF_IT_MS = 10_000;
const LOOK_AGAIN_MS = 100;

/**
 * The members, as soon as whoever is asked knows of the change; what it says in the end where it does not. Each member
 * answers from what it has itself applied, which may be a moment behind the member that made the change.
 */
async function membersOnce(
  isDone: (members: readonly ClusterMember[]) => boolean,
  access: EtcdAccess,
  signal: AbortSignal | undefined,
): Promise<readonly ClusterMember[]> {
  const deadline = performance.now() + LEARNS_OF_IT_MS;
  for (;;) {
    const { members } = await withAnyEndpoint(access, (client) => client.members(), signal);
    if (isDone(members) || performance.now() > deadline) return members;
    await setTimeout(LOOK_AGAIN_MS, undefined, signal === undefined ? {} : { signal });
  }
}

async function at<T>(
  endpoint: string,
  access: EtcdAccess,
  signal: AbortSignal | undefined,
  run: (client: EtcdClient) => Promise<T>,
): Promise<T> {
  const client = openEtcd(endpoint, access, signal);
  try {
    return await run(client);
  } finally {
    client.close();
  }
}

function requirePeerUrl(url: string): void {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const isPeer = parsed !== undefined && /^https?:$/.test(parsed.protocol) && /:\d+\/?$/.test(url);
  if (isPeer) return;
  throw new MendError("usage", `"${withoutLogin(url)}" is no peer URL`, {
    hint: "pass URLs such as https://10.0.0.4:2380",
  });
}

function notSeen(text: string, id: bigint): MendError {
  return new MendError("etcd-refused", text, { where: hex(id), hint: "look at the members: kubemend etcd members" });
}
