/** `diagnose`: everything is looked at at once, each with a deadline of its own; the rules of `diagnosis/` say what is broken. */
import { join } from "node:path";
import type { NodeCheckpointer } from "../../checkpoint/node-checkpointers.ts";
import { type Diagnosis, diagnose } from "../../diagnosis/diagnose.ts";
import type { ApiServerFacts, CertificateFact, ClusterFacts, Facts, LocalFacts } from "../../diagnosis/facts.ts";
import { MendError } from "../../errors/errors.ts";
import { ClusterApi } from "../../io/api-server/cluster-api.ts";
import type { ClusterAccess } from "../../io/api-server/kubeconfig.ts";
import { type ClusterFlags, findClusterAccess } from "../cluster-access/open-cluster.ts";
import type { EtcdFlags } from "../etcd/etcd-flags.ts";
import { isOwnAddress, probeApiServer } from "./gather/api-server.ts";
import { certificatesOnDisk, memberEndpoints, servedCertificates } from "./gather/certificates.ts";
import { gatherCheckpointers } from "./gather/checkpointers.ts";
import { gatherCluster } from "./gather/cluster.ts";
import { probeEtcd } from "./gather/etcd.ts";
import { gatherLocal } from "./gather/local-control-plane.ts";
import { Probes } from "./gather/probes.ts";

export interface DiagnoseOptions {
  readonly cluster: ClusterFlags;
  /** How to reach etcd; undefined: as this machine's own control plane does. */
  readonly etcd: EtcdFlags | undefined;
  /** Milliseconds for one probe. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  readonly now: () => number;
}

export interface DiagnoseResult extends Diagnosis {
  /** RFC 3339. */
  readonly time: string;
  /** The API server's host and port; null where there is no kubeconfig. */
  readonly server: string | null;
  /** The node that this was run on, where it is one. */
  readonly node: string | null;
  readonly milliseconds: number;
  /** Nodes with a node agent or with checkpoints that run, as the API server shows them; null where it could not be asked. */
  readonly checkpointers: readonly NodeCheckpointer[] | null;
}

/** Its own probes end much sooner. */
const GATHERING_MS = 60_000;

/** Throws `usage` where there is nothing to look at: no kubeconfig, nothing of a cluster on this machine, no etcd named. */
export async function diagnoseCluster(options: DiagnoseOptions): Promise<DiagnoseResult> {
  const began = options.now();
  const access = await accessOf(options);
  const local = gatherLocal(began, access instanceof MendError ? false : isOwnAddress(access.server));
  if (access instanceof MendError && local === undefined && options.etcd === undefined) throw access;
  const { facts, checkpointers } = await gather(options, access instanceof MendError ? undefined : access, local);
  return {
    ...diagnose(facts),
    time: new Date(began).toISOString(),
    server: facts.api?.server ?? null,
    node: local?.nodeName ?? null,
    milliseconds: Math.round(options.now() - began),
    checkpointers,
  };
}

/** That there is none is no reason to stop: the machine itself may show it. One that was named has to be there. */
async function accessOf({ cluster, signal, now }: DiagnoseOptions): Promise<ClusterAccess | MendError> {
  try {
    return await findClusterAccess(cluster, { signal, now });
  } catch (error) {
    if (error instanceof MendError && error.code === "usage") return error;
    throw error;
  }
}

async function gather(
  { cluster, etcd, deadlineMs, signal, now }: DiagnoseOptions,
  access: ClusterAccess | undefined,
  local: LocalFacts | undefined,
): Promise<{ readonly facts: Facts; readonly checkpointers: DiagnoseResult["checkpointers"] }> {
  const probes = new Probes(deadlineMs, signal);
  const api = access === undefined ? undefined : new ClusterApi(access, cluster.manners);
  try {
    const [apiSide, etcdSide] = await Promise.all([
      api === undefined ? undefined : askCluster(api, local, probes, now),
      probeEtcd(etcd, local, probes).then(async (found) => ({
        found,
        certificates: await servedCertificates(access, memberEndpoints(found), probes),
      })),
    ]);
    const facts = {
      now: now(),
      access: { kubeconfig: namedKubeconfig(cluster, access), context: cluster.context },
      api: apiSide?.facts,
      local,
      etcd: etcdSide.found,
      cluster: apiSide?.cluster,
      certificates: [...certificatesOnDisk(local, access), ...etcdSide.certificates, ...(apiSide?.certificates ?? [])],
      unknown: probes.unknown,
    };
    return { facts, checkpointers: apiSide?.checkpointers ?? null };
  } finally {
    api?.close();
  }
}

/** What commands have to name: what was given, and the machine's own, which kubectl would not find by itself. */
function namedKubeconfig(
  { kubeconfig, variables: { KUBECONFIG: environment, HOME: home } }: ClusterFlags,
  access: ClusterAccess | undefined,
): string | undefined {
  if (kubeconfig !== undefined || environment || access === undefined) return kubeconfig;
  return home !== undefined && access.source === join(home, ".kube/config") ? undefined : access.source;
}

async function askCluster(
  api: ClusterApi,
  local: LocalFacts | undefined,
  probes: Probes,
  now: () => number,
): Promise<ApiSide> {
  const { facts, skew } = await probeApiServer(api, probes, now);
  const { outcome } = facts;
  if (outcome.state !== "answers") return { facts, cluster: undefined, certificates: [], checkpointers: undefined };
  const minor = Number(/^v?1\.(\d+)/.exec(outcome.version)?.[1] ?? Number.NaN);
  const look = () => gatherCluster(api, minor, local, probes, () => now() + skew);
  const [found, checkpointers] = await Promise.all([
    probes.try("workloads", "the cluster", look, GATHERING_MS),
    probes.attempt((signal) => gatherCheckpointers(api, signal)),
  ]);
  return {
    facts,
    cluster: found?.facts,
    certificates: found?.certificates ?? [],
    checkpointers: checkpointers.ok ? checkpointers.value : undefined,
  };
}

interface ApiSide {
  readonly facts: ApiServerFacts;
  readonly cluster: ClusterFacts | undefined;
  readonly certificates: readonly CertificateFact[];
  readonly checkpointers: readonly NodeCheckpointer[] | undefined;
}
