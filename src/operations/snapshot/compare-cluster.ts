/**
 * Whether a snapshot is of the cluster that a kubeconfig points to, and how far that one has come since: asked before
 * anything is written.
 */

import { type Finding, MendError } from "../../errors/errors.ts";
import type { FindingCode } from "../../errors/finding-codes.ts";
import { input } from "../../errors/input.ts";
import { explainApiFailure } from "../../io/api-server/api-failure.ts";
import { ClusterApi } from "../../io/api-server/cluster-api.ts";
import type { ClusterAccess } from "../../io/api-server/kubeconfig.ts";
import type { Snapshot, SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { findPrefixes, readKeyspace, selectKeys } from "../../snapshot/read-keyspace.ts";
import { decodeValue } from "../../storage/decode.ts";
import { DEFAULT_ETCD_PREFIX } from "../../storage/etcd-prefix.ts";
import { type ClusterFlags, findClusterAccess } from "../cluster-access/open-cluster.ts";

export interface LiveCluster {
  /** The newest revision that the API server reported; undefined where it did not answer. */
  readonly revision: number | undefined;
  readonly notes: readonly Finding[];
}

/** A namespace that every cluster has and nobody can delete: its uid stands for the cluster's. Below the etcd prefix. */
const KEY = "/namespaces/kube-system";

/**
 * Throws `wrong-cluster` where the API server's cluster is another one. An API server that does not answer is a note:
 * it may be why one restores.
 */
export async function compareCluster(
  snapshot: Snapshot,
  cluster: ClusterFlags,
  options: SnapshotOptions & { readonly etcdPrefix?: string },
): Promise<LiveCluster> {
  const access = await findClusterAccess(cluster, options);
  const own = await uidInSnapshot(snapshot, options);
  const note = (code: FindingCode, text: string): LiveCluster => ({
    revision: undefined,
    notes: [{ level: "warning", code, where: access.server.href, text }],
  });
  if (own === undefined) {
    const key = (options.etcdPrefix ?? DEFAULT_ETCD_PREFIX) + KEY;
    return note("cluster-unknown", `the snapshot has no readable "${key}": whose it is cannot be determined`);
  }
  let live: { uid: string; revision: number };
  try {
    live = await askApiServer(access, cluster, options.signal);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof MendError) || error.code === "internal") throw error;
    return note("cluster-unknown", `whether the snapshot is of this cluster was not checked: ${error.message}`);
  }
  if (live.uid !== own) {
    const text =
      `the snapshot is of another cluster than "${access.server.host}": namespace "kube-system" is ${own} in ` +
      `it and ${live.uid} there`;
    throw new MendError("wrong-cluster", text, {
      where: snapshot.file.path,
      hint: `restore a snapshot of that cluster, or leave ${input("kubeconfig")} out`,
    });
  }
  return { revision: live.revision, notes: [] };
}

/** Where no prefix is given, that of the likeliest cluster. */
async function uidInSnapshot(
  snapshot: Snapshot,
  options: SnapshotOptions & { readonly etcdPrefix?: string },
): Promise<string | undefined> {
  const { etcdPrefix } = options;
  const own = await uidUnder(etcdPrefix ?? DEFAULT_ETCD_PREFIX, snapshot, options);
  if (own !== undefined || etcdPrefix !== undefined) return own;
  const [prefix] = await findPrefixes(snapshot, options);
  return prefix === undefined ? undefined : uidUnder(prefix, snapshot, options);
}

async function uidUnder(prefix: string, snapshot: Snapshot, options: SnapshotOptions): Promise<string | undefined> {
  const key = prefix + KEY;
  const keyspace = await readKeyspace(snapshot, { ...options, select: [selectKeys(key, true)] });
  const found = keyspace.get(key);
  if (found === undefined) return undefined;
  const decoded = decodeValue({ key, value: found.value, modRevision: found.modRevision });
  return decoded.state === "object" ? decoded.object.metadata.uid : undefined;
}

async function askApiServer(
  access: ClusterAccess,
  { manners }: ClusterFlags,
  signal?: AbortSignal,
): Promise<{ uid: string; revision: number }> {
  const api = new ClusterApi(access, manners);
  try {
    const namespace = await api.get("/api/v1/namespaces/kube-system", signal);
    // A list's resourceVersion is etcd's revision when it was read.
    const { resourceVersion } = await api.list("/api/v1/namespaces?limit=1", signal);
    return { uid: String(namespace.metadata.uid), revision: Number(resourceVersion) };
  } catch (error) {
    throw await explainApiFailure(error, access);
  } finally {
    api.close();
  }
}
