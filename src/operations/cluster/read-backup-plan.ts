/** What a backup says of the cluster that it is to become again: its members, where they were, what their nodes need; and that it is whole. */
import { createHash } from "node:crypto";
import { manifestYaml } from "../../bootstrap/manifest.ts";
import { staticPodManifest } from "../../bootstrap/static-pod.ts";
import type { PlannedMember, RestoreBackup } from "../../cluster/restore-plan.ts";
import type { StaticPodNode } from "../../controlplane/control-plane.ts";
import { hostFilesOf } from "../../controlplane/host-files.ts";
import { selectControlPlane } from "../../controlplane/select.ts";
import { staticEtcdMembers } from "../../controlplane/static-etcd.ts";
import { MendError } from "../../errors/errors.ts";
import { containerFlags } from "../../kube/container-flags.ts";
import { objectOf, objectsOf, textOf } from "../../kube/fields.ts";
import { chooseEtcdPrefix } from "../../snapshot/choose-etcd-prefix.ts";
import { loadEncryptionConfig } from "../../snapshot/load-encryption-config.ts";
import { openSnapshot, type Snapshot, type SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { readKeyspace } from "../../snapshot/read-keyspace.ts";
import { createTransformer } from "../../storage/encryption.ts";
import { readControlPlaneObjects, snapshotValues } from "../recover/control-plane-objects.ts";
import { verifySnapshot } from "../snapshot/verify.ts";

export interface BackupOptions extends SnapshotOptions {
  readonly etcdPrefix?: string;
  readonly encryptionConfig?: string;
  readonly namespace?: string;
}

export interface ClusterBackup {
  readonly backup: RestoreBackup;
  readonly members: readonly PlannedMember[];
  /** By node: the files that its static pods name. */
  readonly files: ReadonlyMap<string, readonly string[]>;
  /** By node: the manifests of its components by file name, as far as the mirror pods tell them. */
  readonly manifests: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** The bytes to carry: the database and, where the file has it, its SHA-256. `size` in all. */
  readonly size: number;
  readonly sha256: string;
  content(): Iterable<Uint8Array>;
  [Symbol.dispose](): void;
}

const CHUNK = 1 << 20;

/** Throws what verifying a snapshot throws, `snapshot-damaged` where it finds an error, and `unsupported` for a control plane that is not static pods. */
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
    const etcdPrefix = chooseEtcdPrefix(keyspace, options.etcdPrefix, path);
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
        hint: "use kubemend recover --etcd-backup-file and kubemend start",
      });
    }
    const nodes = new Map(plane.nodes.map((node) => [node.name, node]));
    const members = staticEtcdMembers(plane).map((member): PlannedMember => {
      const pod = nodes.get(member.node)?.pods.find(({ component }) => component === "etcd")?.mirrorPod ?? {};
      const flags = objectsOf(objectOf(pod.spec).containers).flatMap(containerFlags);
      const clientUrls = flags.findLast(({ name }) => name === "advertise-client-urls")?.value?.split(",") ?? [];
      // A pod that the kubelet had just reported has no address yet.
      const address = textOf(objectOf(pod.status).hostIP) || new URL(member.peerUrl).hostname.replace(/^\[|\]$/g, "");
      return { ...member, address, clientUrls };
    });
    if (members.length === 0) {
      throw new MendError("unsupported", "no etcd member runs as a static pod in the backup's control plane", {
        where: path,
        hint: "restore an external etcd with kubemend snapshot restore on each of its hosts",
      });
    }
    const content = contentOf(snapshot);
    const sha256 = createHash("sha256");
    for (const chunk of content()) sha256.update(chunk);
    const hash = sha256.digest("hex");
    const { source, storedHash } = snapshot.file;
    return {
      backup: { path, size: source.size, revision: keyspace.revision, keys: keyspace.size, sha256: hash },
      members,
      files: new Map([...nodes].map(([name, node]) => [name, inputsOf(node)])),
      manifests: new Map([...nodes].map(([name, node]) => [name, manifestsOf(node)])),
      size: source.size + (storedHash?.length ?? 0),
      sha256: hash,
      content,
      [Symbol.dispose]: () => snapshot[Symbol.dispose](),
    };
  } catch (error) {
    snapshot[Symbol.dispose]();
    throw error;
  }
}

function contentOf({ file }: Snapshot): () => Generator<Uint8Array> {
  return function* () {
    for (let at = 0; at < file.source.size; at += CHUNK) {
      const chunk = new Uint8Array(Math.min(CHUNK, file.source.size - at));
      file.source.read(chunk, at);
      yield chunk;
    }
    if (file.storedHash !== undefined) yield file.storedHash;
  };
}

/** What has to be there before the pods can start; directories that the kubelet makes are not of these. */
function inputsOf({ pods }: StaticPodNode): string[] {
  const components = pods.filter(({ component }) => component !== undefined);
  return hostFilesOf(components).flatMap(({ role, kind, path }) => (role === "input" && kind === "file" ? [path] : []));
}

function manifestsOf({ pods }: StaticPodNode): Readonly<Record<string, string>> {
  const components = pods.filter(({ component }) => component !== undefined);
  return Object.fromEntries(components.map((pod) => [`${pod.name}.yaml`, manifestYaml(staticPodManifest(pod))]));
}
