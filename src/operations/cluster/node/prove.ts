/**
 * Proofs, asked from a control-plane node with the certificates that are on it: that etcd is what was restored, and
 * that the control plane works.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import type { ExternalEtcd, RestorePlan } from "../../../cluster/restore-plan.ts";
import { silentMembers } from "../../../cluster/silent-members.ts";
import { leftToDo, notYet, readyNodes } from "../../../cluster/since-restore.ts";
import { MendError } from "../../../errors/errors.ts";
import { unlessAbsent } from "../../../io/api-server/api-lists.ts";
import { withAnyEndpoint } from "../../../io/etcd/etcd-client.ts";
import { type EtcdFlags, prepareEtcdAccess } from "../../../io/etcd/etcd-connection.ts";
import { componentManifests } from "../../../io/node/local-components.ts";
import { LEASES, NODES, PODS, VOLUME_ATTACHMENTS } from "../../../kube/api-paths.ts";
import { objectOf, textOf } from "../../../kube/fields.ts";
import { newMembership } from "../../../wal/membership.ts";
import { parseInitialCluster } from "../../../wal/peer-urls.ts";
import { withCluster } from "../../cluster-access/open-cluster.ts";
import { checkHealth } from "../../etcd/etcd-health.ts";
import { KubeletNudge } from "./nudge-kubelets.ts";
import { releaseLeases } from "./release-leases.ts";

const POLL_MS = 300;
const COMPONENTS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
/** A member pulls its image, reads its data and finds the others. */
export const ETCD_MS = 300_000;
const CONTROL_PLANE_MS = 420_000;
/** As the administrator that kubeadm leaves on each control-plane node. */
export const ADMIN_ACCESS = { kubeconfig: "/etc/kubernetes/admin.conf", context: undefined, variables: {} };

export interface ProofOptions {
  readonly signal?: AbortSignal;
  readonly report: (text: string) => void;
}

export interface EtcdProof {
  readonly members: number;
  readonly revision: number;
  /** Live keys. */
  readonly keys: number;
  /** The hash that all members gave, in hex. */
  readonly hash: string;
}

/**
 * That the members that serve are those of the plan, hold the same, and hold what was restored: the cluster's id, which
 * comes of the new token; a quorum and every member; one hash for all; the revision of the restore; as many keys as the
 * backup has. Throws `timeout` with what is still missing.
 */
export async function proveEtcd(journal: NodeJournal, plan: RestorePlan, options: ProofOptions): Promise<EtcdProof> {
  const endpoints = plan.members.flatMap(({ clientUrls }) => clientUrls.slice(0, 1));
  const flags = plan.external === undefined ? etcdFlagsOf(journal, endpoints) : externalFlags(plan.external, endpoints);
  const planned = newMembership(parseInitialCluster(plan.initialCluster), plan.token);
  const wanted = planned.clusterId.toString(16);
  return until(ETCD_MS, options, async () => {
    const health = await checkHealth(flags, options.signal === undefined ? {} : { signal: options.signal });
    if (health.clusterId !== wanted) {
      const text = `the etcd that answers is cluster ${health.clusterId}, not the restored ${wanted}: an old member still runs`;
      throw new MendError("wrong-cluster", text, { hint: "stop every old member, then run the same command again" });
    }
    const silent = silentMembers(health.members, planned);
    if (silent.length > 0) return `etcd on ${silent.join(", ")} does not answer yet`;
    if (!health.healthy) return health.findings.find(({ level }) => level === "error")?.text ?? "etcd is not healthy";
    const hashes = new Set(health.members.map(({ status }) => status?.hash?.hash));
    if (plan.members.length > 1 && (hashes.size !== 1 || hashes.has(undefined))) return "the members' hashes differ";
    const keys = await countKeys(flags, options.signal);
    const { status } = health.members[0] ?? {};
    const revision = Math.max(...health.members.map((member) => member.status?.revision ?? 0));
    if (revision < (journal.revision ?? 0))
      return `etcd is at revision ${revision}, before the restored ${journal.revision}`;
    if (revision === journal.revision && keys !== plan.backup.keys) {
      throw new MendError("snapshot-damaged", `etcd holds ${keys} keys, and the backup ${plan.backup.keys}`, {
        hint: "take everything back with kubemend cluster undo, and report this",
      });
    }
    return { members: health.members.length, revision, keys, hash: (status?.hash?.hash ?? 0).toString(16) };
  });
}

export interface ControlPlaneProof {
  /** Who holds each component's lease. */
  readonly leases: Readonly<Record<string, string>>;
  readonly nodesReady: readonly string[];
  /** What is left to a person, such as workers that do not answer. */
  readonly left: readonly string[];
}

/**
 * That the API server answers, the leases are held, and the control plane's nodes are Ready with all of their static
 * pods, as was written since `revision`: the newest one that was there before an API server ran again, 0 where they were
 * never stopped. Leases have to be renewed since `began`, in milliseconds by this machine's clock.
 */
export async function proveControlPlane(
  about: {
    readonly names: readonly string[];
    readonly began: number;
    readonly revision: number;
    /** The operation that asks. */
    readonly id: string;
    /** Whether etcd is none of these nodes' static pods. */
    readonly hasExternalEtcd?: boolean;
  },
  options: ProofOptions,
): Promise<ControlPlaneProof> {
  const { signal } = options;
  const { names, began, revision, id, hasExternalEtcd = false } = about;
  const components = COMPONENTS.filter((name) => name !== "etcd" || !hasExternalEtcd);
  const nudge = new KubeletNudge(names, id);
  let isReleased = revision === 0; // nobody was stopped
  return until(CONTROL_PLANE_MS, options, async () =>
    withCluster(ADMIN_ACCESS, { signal }, async ({ api }) => {
      if (!isReleased) await releaseLeases(api, names, revision, signal);
      isReleased = true;
      const list = async (path: string) => (await api.list(path, signal)).items;
      const seen = {
        nodes: await list(NODES),
        leases: await list(LEASES),
        pods: await list(`${PODS}?fieldSelector=metadata.namespace%3Dkube-system`),
        attachments: (await unlessAbsent(list(VOLUME_ATTACHMENTS))) ?? [],
      };
      await nudge.see(api, seen.pods, performance.now(), signal);
      const missing = notYet(seen, names, components, revision);
      if (missing !== undefined) return missing;
      const leases: Record<string, string> = {};
      for (const { metadata, spec } of seen.leases) {
        const { name, namespace } = metadata;
        if (namespace !== "kube-system" || !/^kube-(scheduler|controller-manager)$/.test(name)) continue;
        if (Date.parse(textOf(objectOf(spec).renewTime)) < began) return `nobody holds the lease of ${name} yet`;
        leases[name] = textOf(objectOf(spec).holderIdentity);
      }
      return { leases, nodesReady: readyNodes(seen, revision), left: leftToDo(seen, revision) };
    }),
  );
}

/**
 * Tries again until it is no longer a sentence that says what is missing. What cannot be reached yet is such a
 * sentence.
 */
export async function until<T extends object>(
  milliseconds: number,
  { signal, report }: ProofOptions,
  look: () => Promise<T | string>,
): Promise<T> {
  const deadline = performance.now() + milliseconds;
  for (let last = ""; ; ) {
    const seen = await look().catch((error: unknown) => {
      signal?.throwIfAborted();
      if (error instanceof MendError && !["wrong-cluster", "snapshot-damaged"].includes(error.code))
        return error.message;
      throw error;
    });
    if (typeof seen !== "string") return seen;
    if (seen !== last) report(seen);
    last = seen;
    if (performance.now() > deadline) {
      throw new MendError("timeout", `not proved within ${milliseconds / 1000} s: ${seen}`, {
        hint: "run the same command again to continue, kubemend diagnose on the node to see why, or kubemend cluster undo",
      });
    }
    await sleep(POLL_MS, undefined, signal === undefined ? {} : { signal });
  }
}

/** How etcd is reached from here: its own certificates, which kubeadm makes for both directions. */
export function etcdFlagsOf({ manifests }: NodeJournal, endpoints: readonly string[]): EtcdFlags {
  return { endpoints, ...etcdTls(manifests?.kept ?? ""), timeout: 5000 };
}

/** As the API servers reach it. */
function externalFlags({ cacert, cert, key }: ExternalEtcd, endpoints: readonly string[]): EtcdFlags {
  return {
    endpoints,
    ...(cacert === undefined ? {} : { cacert }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    timeout: 5000,
  };
}

/** The TLS files that the etcd of a directory's manifest names. */
export function etcdTls(directory: string): Pick<EtcdFlags, "cacert" | "cert" | "key"> {
  const etcd = componentManifests(directory).find(({ name }) => name === "etcd");
  const flag = (name: string) => etcd?.flags.findLast((each) => each.name === name)?.value;
  const [cacert, cert, key] = [flag("trusted-ca-file"), flag("cert-file"), flag("key-file")];
  return {
    ...(cacert === undefined ? {} : { cacert }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  };
}

async function countKeys(flags: EtcdFlags, signal: AbortSignal | undefined): Promise<number> {
  const all = new Uint8Array(1); // from the first key on, and to the last
  const request = { key: all, end: all, limit: 0, revision: 0, serializable: false, countOnly: true };
  const { count } = await withAnyEndpoint(await prepareEtcdAccess(flags), (client) => client.range(request), signal);
  return count;
}
