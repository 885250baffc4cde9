/**
 * What a backup says of the cluster that it is to become again: its members, where they were, what their nodes need;
 * and that it is whole.
 */

import { createHash } from "node:crypto";
import { manifestYaml } from "../../bootstrap/manifest.ts";
import { staticPodManifest } from "../../bootstrap/static-pod.ts";
import { openKubeadmCerts } from "../../certificates/kubeadm-certs.ts";
import {
  authoritiesOf,
  type BackupIdentity,
  filesOf,
  identityOf,
  imagesOf,
  kubeadmCertsOf,
  portsOf,
} from "../../cluster/backup-facts.ts";
import { externalAccess, externalMembers } from "../../cluster/external-etcd.ts";
import { KUBERNETES } from "../../cluster/node-needs.ts";
import type { ExternalEtcd, PlannedMember, RestoreBackup } from "../../cluster/restore-plan.ts";
import { unplannedMember } from "../../cluster/unplanned-member.ts";
import type { StaticPodNode } from "../../controlplane/control-plane.ts";
import { restoresItself } from "../../controlplane/distribution.ts";
import type { StaticPodControlPlane } from "../../controlplane/flavours/static-pods.ts";
import { hostFilesOf } from "../../controlplane/host-files.ts";
import { selectControlPlane } from "../../controlplane/select.ts";
import { staticEtcdMembers } from "../../controlplane/static-etcd.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { containerFlags } from "../../kube/container-flags.ts";
import { objectOf, objectsOf, textOf } from "../../kube/fields.ts";
import type { KubeObject } from "../../kube/object.ts";
import { chooseEtcdPrefix } from "../../snapshot/choose-etcd-prefix.ts";
import { loadEncryptionConfig } from "../../snapshot/load-encryption-config.ts";
import { openSnapshot, readStoreInfo, type Snapshot, type SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { readKeyspace } from "../../snapshot/read-keyspace.ts";
import { createTransformer } from "../../storage/encryption.ts";
import { readControlPlaneObjects } from "../recover/control-plane-objects.ts";
import { snapshotValues } from "../recover/snapshot-values.ts";
import { verifySnapshot } from "../snapshot/verify.ts";
import type { SentFile } from "./node/prepare-node.ts";
import { readStoredFiles } from "./stored-files.ts";

export interface BackupOptions extends SnapshotOptions {
  readonly etcdPrefix?: string;
  readonly encryptionConfig?: string;
  readonly namespace?: string;
  /** Whether an etcd that no static pod runs is taken, too; it is refused otherwise. */
  readonly takesExternal?: boolean;
  /** Nodes of the backup that no longer are: nothing has to be known of them. */
  readonly without?: readonly string[];
  /** kubeadm's, for what secret `kubeadm-certs` of the backup holds. */
  readonly certificateKey?: string;
}

/** What the backup and its repository have for the nodes' disks. */
export interface BackupFiles {
  /** By node: what a backup agent stored, by path. */
  readonly stored: ReadonlyMap<string, ReadonlyMap<string, SentFile>>;
  /** Of secret `kubeadm-certs`, and of config maps, by path. */
  readonly certs: ReadonlyMap<string, Uint8Array>;
  readonly inBackup: ReadonlyMap<string, Uint8Array>;
}

export interface ClusterBackup {
  readonly backup: RestoreBackup;
  readonly members: readonly PlannedMember[];
  /** Where etcd runs as a service on hosts of its own, of which nothing else is known: how the API servers reach it. */
  readonly external?: ExternalEtcd;
  /** By node: the files that its static pods name, its ports and images, and for whom its certificates are. */
  readonly nodes: ReadonlyMap<string, BackupNode>;
  readonly files: BackupFiles;
  /** Fingerprints of the authorities that the cluster trusts. */
  readonly authorities: readonly string[];
  /** By node: the manifests of its components by file name: as they were stored, else as the mirror pods show them. */
  readonly manifests: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** The bytes to carry: the database and its SHA-256, as `snapshot save` ends a file. `size` in all. */
  readonly size: number;
  readonly sha256: string;
  content(): Iterable<Uint8Array>;
  [Symbol.dispose](): void;
}

interface BackupNode {
  readonly named: readonly string[];
  readonly ports: readonly (readonly [port: number, component: string])[];
  readonly images: readonly string[];
  readonly identity: BackupIdentity;
}

const CHUNK = 1 << 20;
const MANIFESTS = "/etc/kubernetes/manifests/";

/**
 * Throws what verifying a snapshot throws, `snapshot-damaged` where it finds an error, and `unsupported` for a control
 * plane that is not static pods.
 */
export async function readClusterBackup(path: string, options: BackupOptions): Promise<ClusterBackup> {
  const verdict = await verifySnapshot(path, options);
  const [fault] = verdict.findings.filter(({ level }) => level === "error");
  if (fault !== undefined) {
    throw new MendError("snapshot-damaged", `the backup is damaged at ${fault.where}: ${fault.text}`, {
      where: path,
      hint: "see all of it with kubemend snapshot verify, and take another backup",
    });
  }
  const snapshot = await openSnapshot(path, options);
  try {
    const keyspace = await readKeyspace(snapshot, options);
    const etcdPrefix = chooseEtcdPrefix(keyspace, options.etcdPrefix, {
      path,
      findings: snapshot.findings,
    });
    const { objects, sealed, podCount } = await readControlPlaneObjects(snapshotValues(keyspace), {
      etcdPrefix,
      transformer: createTransformer(loadEncryptionConfig(options.encryptionConfig), etcdPrefix),
      namespace: options.namespace ?? "kube-system",
      report: snapshot.findings.report,
    });
    const plane = selectControlPlane(objects, { namespace: options.namespace ?? "kube-system", sealed, podCount });
    if (plane.flavour !== "static-pods") {
      throw new MendError("unsupported", `the control plane in the backup is ${plane.flavour}, not static pods`, {
        where: path,
        hint: `use kubemend recover ${input("etcdBackupFile")} and kubemend start`,
      });
    }
    const own = restoresItself(objects.filter(({ kind }) => kind === "Node"));
    if (own !== undefined)
      throw new MendError("unsupported", `the backup is of ${own.what}`, { where: path, hint: own.instead });
    const unplanned = unplannedMember(plane, options.without ?? []);
    if (unplanned !== undefined) {
      throw new MendError("unsupported", unplanned, {
        where: path,
        hint: "restore one node after the other with kubemend snapshot restore: docs/back-up-and-restore-etcd.md",
      });
    }
    const nodes = new Map(plane.nodes.map((node) => [node.name, node]));
    const stacked = staticEtcdMembers(plane).map(({ walDir: _, ...member }): PlannedMember => {
      const pod = nodes.get(member.node)?.pods.find(({ component }) => component === "etcd")?.mirrorPod ?? {};
      const flags = objectsOf(objectOf(pod.spec).containers).flatMap(containerFlags);
      const clientUrls = flags.findLast(({ name }) => name === "advertise-client-urls")?.value?.split(",") ?? [];
      // A pod that the kubelet had just reported has no address yet.
      const address = textOf(objectOf(pod.status).hostIP) || hostOf(member.peerUrl.split(",", 1).join());
      return { ...member, address, clientUrls };
    });
    const external = stacked.length > 0 ? undefined : externalAccess(plane);
    const members = external === undefined ? stacked : externalMembers(readStoreInfo(snapshot).members);
    if (external !== undefined && (options.takesExternal !== true || members.length === 0)) {
      throw new MendError("unsupported", "no etcd member runs as a static pod in the backup's control plane", {
        where: path,
        hint: "its etcd is a service of its hosts: cluster restore takes it, over ssh or as a runbook",
      });
    }
    const stored = await readStoredFiles(path, options);
    const files = { stored, certs: certsOf(objects, options, path), inBackup: filesOf(objects) };
    const { source } = snapshot.file;
    const end = databaseHash(snapshot);
    const content = function* () {
      yield* databaseOf(snapshot);
      yield end;
    };
    const sha256 = createHash("sha256");
    for (const chunk of content()) sha256.update(chunk);
    const hash = sha256.digest("hex");
    return {
      backup: { path, size: source.size, revision: keyspace.revision, keys: keyspace.size, sha256: hash },
      members,
      ...(external === undefined ? {} : { external }),
      nodes: new Map([...nodes].map(([name, node]) => [name, aboutNode(node, plane)])),
      files,
      authorities: authoritiesOf(objects),
      manifests: new Map([...nodes].map(([name, node]) => [name, manifestsOf(node, stored.get(name))])),
      size: source.size + end.length,
      sha256: hash,
      content,
      [Symbol.dispose]: () => snapshot[Symbol.dispose](),
    };
  } catch (error) {
    snapshot[Symbol.dispose]();
    throw error;
  }
}

function* databaseOf({ file: { source } }: Snapshot): Generator<Uint8Array> {
  for (let at = 0; at < source.size; at += CHUNK) {
    const chunk = new Uint8Array(Math.min(CHUNK, source.size - at));
    source.read(chunk, at);
    yield chunk;
  }
}

/**
 * What {@link verifySnapshot} has found to match. Neither a moment of a repository nor a copy of `member/snap/db` has
 * one: nodes must be able to prove all the same that they restore what was verified here.
 */
function databaseHash(snapshot: Snapshot): Uint8Array {
  const { storedHash } = snapshot.file;
  if (storedHash !== undefined) return storedHash;
  const sha256 = createHash("sha256");
  for (const chunk of databaseOf(snapshot)) sha256.update(chunk);
  return sha256.digest();
}

/** What has to be there before the pods can start; directories that the kubelet makes are not of these. */
function inputsOf({ pods }: StaticPodNode): string[] {
  const components = pods.filter(({ component }) => component !== undefined);
  return hostFilesOf(components).flatMap(({ role, kind, path }) => (role === "input" && kind === "file" ? [path] : []));
}

function aboutNode(node: StaticPodNode, plane: StaticPodControlPlane): BackupNode {
  const identity = identityOf(node, plane);
  return { named: inputsOf(node), ports: [...portsOf(node)], images: imagesOf(node), identity };
}

/** Empty where no key was given. Throws `not-found` where one was given and the backup does not have the secret. */
function certsOf(
  objects: readonly KubeObject[],
  { certificateKey }: BackupOptions,
  path: string,
): ReadonlyMap<string, Uint8Array> {
  if (certificateKey === undefined) return new Map();
  const data = kubeadmCertsOf(objects);
  if (data === undefined) {
    throw new MendError("not-found", "the backup does not hold secret kube-system/kubeadm-certs", {
      where: path,
      hint: "kubeadm keeps it for two hours only: take a backup of that time, or copy the files from elsewhere",
    });
  }
  return new Map(
    [...openKubeadmCerts(data, certificateKey)].map(([name, bytes]) => [`${KUBERNETES}/pki/${name}`, bytes]),
  );
}

function manifestsOf(
  { pods }: StaticPodNode,
  stored: ReadonlyMap<string, SentFile> | undefined,
): Readonly<Record<string, string>> {
  const components = pods.filter(({ component }) => component !== undefined);
  return Object.fromEntries(
    components.map((pod) => {
      const name = `${pod.name}.yaml`;
      const file = stored?.get(`${MANIFESTS}${name}`);
      const text =
        file === undefined ? manifestYaml(staticPodManifest(pod)) : Buffer.from(file.content, "base64").toString();
      return [name, text];
    }),
  );
}

/** Without brackets; empty for a flag that holds no URL. */
function hostOf(url: string): string {
  return URL.parse(url)?.hostname.replace(/^\[|\]$/g, "") ?? "";
}
