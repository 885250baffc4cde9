/** Takes a snapshot of a live etcd, from a follower where there is one, and adds it to a repository. */
import { join } from "node:path";
import { MendError } from "../../errors/errors.ts";
import { type EtcdClient, openEtcd, withAnyEndpoint } from "../../io/etcd/etcd-client.ts";
import { type EtcdFlags, prepareEtcdAccess } from "../../io/etcd/etcd-connection.ts";
import type { MemberStatus } from "../../io/etcd/etcd-messages.ts";
import { makeTemporaryDirectory } from "../../io/files/durable/temporary-directory.ts";
import type { FullHead, HashMark } from "../../repository/head.ts";
import type { ProgressSink } from "../../snapshot/progress.ts";
import { saveSnapshot } from "../snapshot/save.ts";
import { type AddOptions, addFull } from "./add-full.ts";
import type { WritableRepository } from "./open-for-writing.ts";

export interface TakeOptions extends AddOptions {
  readonly etcd: EtcdFlags;
  /** Where the snapshot lies until it is stored. */
  readonly temporaryDirectory: string;
  readonly reason: string;
  readonly now: () => number;
  readonly progress?: ProgressSink;
}

export async function takeFull(writable: WritableRepository, options: TakeOptions): Promise<FullHead> {
  const { etcd, temporaryDirectory, reason, now, signal, progress } = options;
  const common = { ...(signal === undefined ? {} : { signal }), ...(progress === undefined ? {} : { progress }) };
  const endpoints = await followersFirst(etcd, signal);
  const directory = makeTemporaryDirectory("kubemend-full-", temporaryDirectory);
  try {
    const path = join(directory.path, "snapshot.db");
    const from = now();
    let to = 0;
    const saved = await saveSnapshot(path, {
      ...common,
      etcd: { ...etcd, endpoints },
      // etcd chose the state that it sends before the first byte came.
      progress: (step) => {
        if (to === 0) to = now();
        progress?.(step);
      },
    });
    const { status, hash } = await askAbout(etcd, saved.endpoint, Math.max(1, saved.revision ?? 1), signal);
    return await addFull(
      writable,
      path,
      {
        cluster: status.header.clusterId.toString(16),
        member: status.header.memberId.toString(16),
        etcdVersion: status.version,
        times: { from: new Date(from).toISOString(), to: new Date(Math.max(from, to)).toISOString() },
        hashes: hash === undefined ? [] : [hash],
        reason,
        source: saved.endpoint,
      },
      { ...common, last: options.last, isNewHistory: options.isNewHistory === true },
    );
  } finally {
    directory[Symbol.dispose]();
  }
}

/** A leader has more to do than a follower. Endpoints that do not answer come last; nobody is left out. */
async function followersFirst(flags: EtcdFlags, signal?: AbortSignal): Promise<string[]> {
  const access = await prepareEtcdAccess(flags);
  if (access.endpoints.length === 1) return [...access.endpoints];
  const ranked = await Promise.all(
    access.endpoints.map(async (endpoint) => {
      const client = openEtcd(endpoint, access, signal);
      try {
        const { leader, header, isLearner } = await client.status();
        return { endpoint, rank: isLearner ? 2 : leader === header.memberId ? 1 : 0 };
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof MendError) || error.code === "internal") throw error;
        return { endpoint, rank: 3 };
      } finally {
        client.close();
      }
    }),
  );
  return ranked.toSorted((a, b) => a.rank - b.rank).map(({ endpoint }) => endpoint);
}

/** Who the member is, and its own hash of the revision that was saved, where it still has it. */
async function askAbout(
  flags: EtcdFlags,
  endpoint: string,
  revision: number,
  signal?: AbortSignal,
): Promise<{ status: MemberStatus; hash: HashMark | undefined }> {
  const access = await prepareEtcdAccess({ ...flags, endpoints: [endpoint] });
  return await withAnyEndpoint(
    access,
    async (client) => {
      const status = await client.status();
      return { status, hash: await askHash(client.hashKv, revision, status.header.memberId.toString(16)) };
    },
    signal,
  );
}

/** A database of gigabytes takes seconds, and a busy member longer. */
const HASH_TIMEOUT_MS = 120_000;

/** Undefined where the revision is compacted by now, or etcd cannot hash it. */
export async function askHash(
  hashKv: EtcdClient["hashKv"],
  revision: number,
  member: string,
): Promise<HashMark | undefined> {
  try {
    const { hash, compactRevision } = await hashKv(revision, HASH_TIMEOUT_MS);
    return { revision, hash, compactRevision: Math.max(0, compactRevision), member };
  } catch (error) {
    if (error instanceof MendError && ["revision-compacted", "etcd-refused", "unsupported"].includes(error.code)) {
      return undefined;
    }
    throw error;
  }
}
