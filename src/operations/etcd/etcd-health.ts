/** `etcd health`: asks every member, and judges the cluster. */
import { setTimeout } from "node:timers/promises";
import { type ClusterHealth, judgeCluster, type MemberAnswer, type MemberHealth } from "../../diagnosis/etcd-health.ts";
import { MendError } from "../../errors/errors.ts";
import { type EtcdClient, openEtcd, withAnyEndpoint } from "../../io/etcd/etcd-client.ts";
import { type EtcdAccess, type EtcdFlags, parseEndpoint, prepareEtcdAccess } from "../../io/etcd/etcd-connection.ts";
import type { ClusterMember, KeyspaceHash, MemberStatus } from "../../io/etcd/etcd-messages.ts";
import { acceptsConnections } from "../../io/network/accepts-connections.ts";

export interface HealthOptions {
  readonly signal?: AbortSignal;
  /** Bytes: what `--quota-backend-bytes` is; etcd reports it since 3.6. */
  readonly quota?: number;
  /** Ask the given endpoints only, not the other members by their client URLs. */
  readonly onlyEndpoints?: boolean;
}

interface Answer {
  readonly endpoint: string;
  readonly status: MemberStatus;
  readonly latency: number;
}

/** For a connection alone, without a word. */
const ACCEPT_MS = 1000;

const hex = (id: bigint): string => id.toString(16);

export async function checkHealth(flags: EtcdFlags, options: HealthOptions = {}): Promise<ClusterHealth> {
  const access = await prepareEtcdAccess(flags);
  const { signal } = options;
  const list = await withAnyEndpoint(access, (client) => client.members(), signal);
  const failures = new Map<string, { readonly text: string; readonly hangs: boolean }>();
  const ask = async (endpoint: string): Promise<Answer | undefined> => {
    try {
      return await askStatus(endpoint, access, signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof MendError)) throw error;
      const hangs = error.code === "timeout" && (await acceptsConnections(endpoint, ACCEPT_MS));
      failures.set(endpoint, { text: error.message, hangs });
      return undefined;
    }
  };
  const given = (await Promise.all(access.endpoints.map(ask))).filter((answer) => answer !== undefined);
  const found = await Promise.all(
    list.members.map(async (member): Promise<readonly [ClusterMember, Answer | undefined]> => {
      const own = given.find((answer) => answer.status.header.memberId === member.id);
      if (own !== undefined || options.onlyEndpoints === true) return [member, own];
      for (const url of member.clientUrls.map(asEndpoint)) {
        const answer = url === undefined || failures.has(url) ? undefined : await ask(url);
        if (answer?.status.header.memberId === member.id) return [member, answer];
      }
      return [member, undefined];
    }),
  );
  const asked = options.onlyEndpoints === true ? found.filter(([, answer]) => answer !== undefined) : found;
  const hashes = await askHashes(
    asked.flatMap(([, answer]) => (answer === undefined ? [] : [answer])),
    access,
    signal,
  );
  const members = asked.map(([member, answer]): MemberHealth => {
    const tried = member.clientUrls.map(asEndpoint).find((url) => url !== undefined);
    return {
      id: hex(member.id),
      name: member.name,
      isLearner: member.isLearner,
      endpoint: answer?.endpoint ?? tried ?? null,
      status: answer === undefined ? null : memberAnswer(answer, hashes.get(answer.endpoint)),
      error: answer === undefined && tried !== undefined ? (failures.get(tried)?.text ?? null) : null,
      hangs: answer === undefined && tried !== undefined && failures.get(tried)?.hangs === true,
    };
  });
  const alarms = await withAnyEndpoint(
    { ...access, endpoints: given[0] === undefined ? access.endpoints : [given[0].endpoint] },
    (client) => client.alarms(),
    signal,
  ).catch(noAlarms);
  const verdict = judgeCluster(
    members,
    alarms.map((alarm) => ({ memberId: hex(alarm.memberId), type: alarm.type })),
    options.quota,
  );
  return { ...verdict, clusterId: hex(list.header.clusterId), members };
}

async function askStatus(endpoint: string, access: EtcdAccess, signal: AbortSignal | undefined): Promise<Answer> {
  const client = openEtcd(endpoint, access, signal);
  try {
    await client.status(); // connects, which is not the member's latency
    const start = performance.now();
    const status = await client.status();
    return { endpoint, status, latency: performance.now() - start };
  } finally {
    client.close();
  }
}

/** A compaction reaches the members one after the other: asked again a little later, they have all done it. */
const HASH_ATTEMPTS = 3;
const HASH_RETRY_MS = 300;

/**
 * Hashes at the newest revision that all of them have, asked again while a compaction is under way. A member that cannot
 * hash it (a user without the right) is left out.
 */
async function askHashes(
  answers: readonly Answer[],
  access: EtcdAccess,
  signal: AbortSignal | undefined,
): Promise<Map<string, KeyspaceHash>> {
  if (answers.length < 2) return new Map();
  let revisions = answers.map((answer) => answer.status.header.revision);
  for (let attempt = 1; ; attempt++) {
    const hashes = await askHashesAt(Math.min(...revisions), answers, access, signal);
    const compactions = new Set([...hashes.values()].map((hash) => hash.compactRevision));
    const isWhole = hashes.size === 0 || (hashes.size === answers.length && compactions.size === 1);
    if (isWhole || attempt === HASH_ATTEMPTS) return hashes;
    await setTimeout(HASH_RETRY_MS, undefined, signal === undefined ? {} : { signal });
    try {
      const again = await Promise.all(answers.map(({ endpoint }) => askStatus(endpoint, access, signal)));
      revisions = again.map((answer) => answer.status.header.revision);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof MendError)) throw error;
      return hashes;
    }
  }
}

async function askHashesAt(
  revision: number,
  answers: readonly Answer[],
  access: EtcdAccess,
  signal: AbortSignal | undefined,
): Promise<Map<string, KeyspaceHash>> {
  const hashes = new Map<string, KeyspaceHash>();
  await Promise.all(
    answers.map(async ({ endpoint }) => {
      const client = openEtcd(endpoint, access, signal);
      try {
        hashes.set(endpoint, await hashAt(client, revision));
      } catch (error) {
        if (!(error instanceof MendError)) throw error;
      } finally {
        client.close();
      }
    }),
  );
  return hashes;
}

/**
 * etcd refuses to hash the revision that is compacted itself, which after a restore with a raised revision is the
 * newest one until something is written. Its newest one, whichever that is, it hashes.
 */
async function hashAt(client: EtcdClient, revision: number): Promise<KeyspaceHash> {
  try {
    return await client.hashKv(revision);
  } catch (error) {
    if (!(error instanceof MendError) || error.code !== "revision-compacted") throw error;
    const newest = await client.hashKv(0);
    if (newest.revision !== revision) throw error;
    return newest;
  }
}

function memberAnswer({ status, latency }: Answer, hash: KeyspaceHash | undefined): MemberAnswer {
  return {
    version: status.version,
    dbSize: status.dbSize,
    dbSizeInUse: status.dbSizeInUse,
    dbSizeQuota: status.dbSizeQuota ?? null,
    leader: status.leader === 0n ? null : hex(status.leader),
    clusterId: hex(status.header.clusterId),
    raftTerm: status.raftTerm,
    raftIndex: status.raftIndex,
    raftAppliedIndex: status.raftAppliedIndex,
    revision: status.header.revision,
    errors: status.errors,
    latencyMilliseconds: Math.round(latency * 10) / 10,
    hash: hash === undefined ? null : { hash: hash.hash, compactRevision: hash.compactRevision },
  };
}

/** Alarms need a quorum, and a right; without either the rest is still worth telling. */
function noAlarms(error: unknown): [] {
  if (error instanceof MendError && error.code !== "internal") return [];
  throw error;
}

function asEndpoint(url: string): string | undefined {
  try {
    return parseEndpoint(url, "http");
  } catch {
    return undefined; // a unix socket
  }
}
