/**
 * Where `recover` reads a control plane from. Whatever the source, what comes of it has the same shape, and nothing
 * after it asks which it was.
 */
import type { Asset } from "../../bootstrap/asset.ts";
import type { EtcdBackup } from "../../bootstrap/bootstrap-etcd.ts";
import type { SelfHostedEtcd } from "../../controlplane/control-plane.ts";
import type { Finding } from "../../errors/errors.ts";
import type { EtcdFlags } from "../../io/etcd/etcd-connection.ts";
import type { HashVerdict } from "../../snapshot/hash-snapshot.ts";
import type { SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import type { ClusterFlags } from "../cluster-access/open-cluster.ts";
import type { ControlPlaneObjects } from "./control-plane-objects.ts";

/** What to read from. Paths are absolute. */
export type SourceChoice =
  /** A file, or a moment of a backup repository. */
  | { readonly kind: "backup"; readonly path: string }
  | { readonly kind: "etcd"; readonly access: EtcdFlags }
  | { readonly kind: "api-server"; readonly cluster: ClusterFlags };

/** What is read of a source, and how. Paths are absolute. */
export interface SourceOptions extends SnapshotOptions {
  readonly etcdPrefix?: string | undefined;
  readonly encryptionConfig?: string | undefined;
  readonly namespace?: string | undefined;
  readonly atRevision?: number | undefined;
  /** Read a snapshot that does not match its SHA-256. */
  readonly skipHashCheck: boolean;
  /** Milliseconds since the epoch, for the validity of certificates. */
  readonly now?: () => number;
}

export type RecoverySource = BackupSource | EtcdSource | ApiServerSource;

interface BackupSource {
  readonly kind: "backup";
  readonly path: string;
  readonly revision: number;
  readonly sha256: HashVerdict;
  readonly archive: string | undefined;
  readonly etcdPrefix: string;
}

export interface EtcdSource {
  readonly kind: "etcd";
  readonly endpoint: string;
  /** etcd's own version. */
  readonly version: string;
  readonly revision: number;
  readonly etcdPrefix: string;
}

interface ApiServerSource {
  readonly kind: "api-server";
  /** URL. */
  readonly server: string;
  /** Such as `v1.20.2`. */
  readonly version: string;
}

export interface SourceReading extends Disposable {
  readonly source: RecoverySource;
  readonly found: ControlPlaneObjects;
  /** What was noticed so far: reading continues while assets are written. */
  findings(): readonly Finding[];
  /** What self-hosted etcd starts from, and an asset that it needs for that. A live source has no such thing: etcd runs. */
  backupFor?(etcd: SelfHostedEtcd): { readonly backup: EtcdBackup; readonly copy: Asset | undefined };
}
