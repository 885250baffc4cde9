/** Renders the assets of a new self-hosted cluster: what the user has is read and checked first, and then all is written in one step. */
import { X509Certificate } from "node:crypto";
import type { Asset } from "../../bootstrap/asset.ts";
import { type ClusterRequest, checkCluster } from "../../bootstrap/cluster/cluster.ts";
import type { GivenFiles } from "../../bootstrap/cluster/cluster-files.ts";
import { type ExtraManifest, renderCluster } from "../../bootstrap/cluster/render-cluster.ts";
import { MendError } from "../../errors/errors.ts";
import { readManifestFiles } from "../../io/files/manifest-files.ts";
import { readTextFile } from "../../io/files/read-file.ts";
import { checkAssetDir, type WrittenAssets, writeAssets } from "../../io/files/write-assets.ts";

export interface RenderOptions {
  readonly cluster: ClusterRequest;
  readonly assetDir: string;
  /** An authority of the user's; both or none. */
  readonly caCertificatePath: string | undefined;
  readonly caPrivateKeyPath: string | undefined;
  /** What etcd lets the API server in with; all or none. */
  readonly etcdCaPath: string | undefined;
  readonly etcdCertificatePath: string | undefined;
  readonly etcdPrivateKeyPath: string | undefined;
  readonly extraManifests: string | undefined;
  /** Replace the output of an earlier run. */
  readonly force: boolean;
  /** When this run began, in milliseconds since the epoch. */
  readonly startedAt?: number | undefined;
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
}

export interface RenderResult {
  readonly assets: readonly Asset[];
  /** Undefined in a dry run. */
  readonly written: WrittenAssets | undefined;
  /** The cluster's DNS addresses: kubelets must be given them. */
  readonly dnsAddresses: readonly string[];
}

export async function renderAssets(options: RenderOptions): Promise<RenderResult> {
  const cluster = checkCluster(options.cluster);
  const given = readGiven(options);
  const extra = options.extraManifests === undefined ? [] : readExtra(options.extraManifests);
  const { force, signal, startedAt } = options;
  const target = { command: "render", force, signal, ...(startedAt === undefined ? {} : { startedAt }) };
  checkAssetDir(options.assetDir, target);
  const assets = await renderCluster(cluster, given, extra);
  const written = options.dryRun ? undefined : await writeAssets(options.assetDir, assets, target);
  return { assets, written, dnsAddresses: cluster.dnsAddresses };
}

function readGiven(options: RenderOptions): GivenFiles {
  const { caCertificatePath, caPrivateKeyPath, etcdCaPath, etcdCertificatePath, etcdPrivateKeyPath } = options;
  return {
    ...(caCertificatePath !== undefined &&
      caPrivateKeyPath !== undefined && {
        authority: { certificate: readTextFile(caCertificatePath), key: readTextFile(caPrivateKeyPath) },
      }),
    ...(etcdCaPath !== undefined &&
      etcdCertificatePath !== undefined &&
      etcdPrivateKeyPath !== undefined && {
        etcdClient: {
          authority: readCertificate(etcdCaPath),
          certificate: readCertificate(etcdCertificatePath),
          key: readTextFile(etcdPrivateKeyPath),
        },
      }),
  };
}

/** Read only to be carried along, but a wrong file is found here rather than by an API server that does not start. */
function readCertificate(path: string): string {
  const text = readTextFile(path);
  try {
    new X509Certificate(text);
    return text;
  } catch (cause) {
    throw new MendError("certificate-invalid", `"${path}" holds no certificate`, { hint: "pass a PEM file", cause });
  }
}

function readExtra(directory: string): ExtraManifest[] {
  return readManifestFiles(directory).map(({ path, text }) => {
    if (!path.includes("/")) return { name: path, text };
    throw new MendError("usage", `"${directory}" has the manifest "${path}" in a directory of its own`, {
      hint: "put all extra manifests into one directory",
    });
  });
}
