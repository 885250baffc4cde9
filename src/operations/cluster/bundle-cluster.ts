/** `cluster bundle`: a restore of all control-plane nodes as one file a node, for those who may not use ssh. No node is asked. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { wantedFiles } from "../../cluster/node-needs.ts";
import { bumpFor, planRestore, type RestorePlan } from "../../cluster/restore-plan.ts";
import { MendError } from "../../errors/errors.ts";
import { checkDiskSpace } from "../../io/files/durable/disk-space.ts";
import { realFileSystem } from "../../io/files/durable/file-system.ts";
import { type BundleHead, writeBundle } from "./bundle-file.ts";
import { materialOf } from "./gather-files.ts";
import { sharedMode } from "./node/prepare-node.ts";
import { type BackupOptions, type ClusterBackup, readClusterBackup } from "./read-backup-plan.ts";

export interface BundleOptions extends BackupOptions {
  readonly without: readonly string[];
  readonly acceptNewAuthority: boolean;
  /** Where the files are written. */
  readonly directory: string;
  /** age's recipients; none for files that only their owner may read. */
  readonly recipients: readonly string[];
  readonly now: () => number;
}

export interface ClusterBundles {
  readonly plan: RestorePlan;
  readonly bundles: readonly { readonly node: string; readonly path: string }[];
  readonly encrypted: boolean;
}

export async function bundleCluster(path: string, options: BundleOptions): Promise<ClusterBundles> {
  using backup = await readClusterBackup(path, options);
  const unknown = options.without.filter((name) => !backup.members.some(({ node }) => node === name));
  if (unknown.length > 0) {
    throw new MendError("usage", `the backup knows no control-plane node "${unknown.join('", "')}"`, {
      hint: `its nodes are ${backup.members.map(({ node }) => node).join(", ")}`,
    });
  }
  const { without, now, acceptNewAuthority } = options;
  const members = backup.members.filter(({ node }) => !without.includes(node));
  const material = materialOf(backup, acceptNewAuthority);
  const about = { backup: backup.backup, members, without, surveys: new Map(), material };
  const planned = planRestore({ ...about, now: now(), random: randomBytes(3).toString("hex") });
  // Nobody has asked how far clients have seen.
  const plan = { ...planned, bumpRevision: bumpFor(backup.backup.revision, [null], now()) };
  const secret = randomBytes(32).toString("hex");
  checkDiskSpace(options.directory, members.length * backup.size);
  realFileSystem.makeDirectory(options.directory, 0o700);
  const bundles: { node: string; path: string }[] = [];
  for (const { node } of members) {
    const file = join(options.directory, `${plan.id}-${node}.bundle`);
    const head = headOf(node, { plan, secret, acceptNewAuthority }, backup);
    await writeBundle(file, head, backup.content(), options.recipients, options.signal);
    bundles.push({ node, path: file });
  }
  return { plan, bundles, encrypted: options.recipients.length > 0 };
}

function headOf(
  node: string,
  shared: Pick<BundleHead, "plan" | "secret" | "acceptNewAuthority">,
  backup: ClusterBackup,
): BundleHead {
  const about = backup.nodes.get(node);
  const { named = [], ports = [], images = [], identity = {} } = about ?? {};
  const { authorities, size, sha256 } = backup;
  const spare = backup.manifests.get(node) ?? {};
  return {
    ...shared,
    node,
    spare,
    named,
    ports,
    images,
    identity,
    authorities,
    size,
    sha256,
    files: filesFor(node, named, backup),
  };
}

/** Whatever the node may lack, of each file the most faithful copy. */
function filesFor(node: string, named: readonly string[], { files }: ClusterBackup): BundleHead["files"] {
  const stored = files.stored.get(node);
  return wantedFiles(named).flatMap((path): BundleHead["files"] => {
    const kept = stored?.get(path);
    if (kept !== undefined) return [{ from: "repository", file: kept }];
    for (const [from, source] of [
      ["kubeadm-certs", files.certs],
      ["backup", files.inBackup],
    ] as const) {
      const bytes = source.get(path);
      if (bytes === undefined) continue;
      const mode = path.includes("/pki/") ? sharedMode(path) : 0o644;
      return [{ from, file: { path, content: Buffer.from(bytes).toString("base64"), mode, uid: 0, gid: 0 } }];
    }
    return [];
  });
}
