/**
 * `recover`: from a backup of etcd to an asset dir that brings the control plane back. The steps are in the order of `recoverControlPlane`; only the
 * first and the last of them touch the disk.
 */
import { createHash } from "node:crypto";
import { realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import type { EtcdBackup } from "../bootstrap/bootstrap-etcd.ts";
import { type Rendering, renderBootstrap } from "../bootstrap/render.ts";
import type { ControlPlane } from "../controlplane/control-plane.ts";
import { selectControlPlane } from "../controlplane/select.ts";
import { type Finding, MendError } from "../errors.ts";
import { type HashVerdict, startHash } from "../io/hash-snapshot.ts";
import { readTextFile } from "../io/read-file.ts";
import { checkAssetDir, type WriteAssetsOptions, type WrittenAssets, writeAssets } from "../io/write-assets.ts";
import { createTransformer } from "../storage/encryption.ts";
import { chooseEtcdPrefix } from "./choose-etcd-prefix.ts";
import { readControlPlaneObjects } from "./control-plane-objects.ts";
import { loadEncryptionConfig } from "./load-encryption-config.ts";
import { openSnapshot, type Snapshot, type SnapshotOptions } from "./open-snapshot.ts";
import { type Keyspace, readKeyspace } from "./read-keyspace.ts";

/** Paths are absolute. */
export interface RecoverOptions extends SnapshotOptions {
  readonly recoveryDir: string;
  readonly backupFile: string;
  readonly kubeconfig?: string | undefined;
  readonly etcdPrefix?: string | undefined;
  readonly encryptionConfig?: string | undefined;
  readonly namespace?: string | undefined;
  readonly atRevision?: number | undefined;
  /** Write what can be recovered although the control plane needs more, or the snapshot is damaged. */
  readonly allowMissing: boolean;
  /** Read a snapshot that does not match its SHA-256. */
  readonly skipHashCheck: boolean;
  readonly force: boolean;
  /** Render, and write nothing. */
  readonly dryRun: boolean;
}

export interface Recovery {
  readonly source: RecoverySource;
  readonly plane: ControlPlane;
  readonly rendering: Rendering;
  /** Undefined for a dry run. */
  readonly written: WrittenAssets | undefined;
  readonly findings: readonly Finding[];
}

export interface RecoverySource {
  readonly path: string;
  readonly revision: number;
  readonly sha256: HashVerdict;
  readonly archive: string | undefined;
  readonly etcdPrefix: string;
}

const COMMAND = "recover";

export async function recoverControlPlane(options: RecoverOptions): Promise<Recovery> {
  const target: WriteAssetsOptions = {
    command: COMMAND,
    force: options.force,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  await checkInputsOutside(options);
  await checkAssetDir(options.recoveryDir, target);
  const kubeconfig =
    options.kubeconfig === undefined ? undefined : new TextEncoder().encode(readTextFile(options.kubeconfig));

  using snapshot = await openSnapshot(options.backupFile, options);
  const { keyspace, sha256 } = await readAndVerify(snapshot, options);
  const etcdPrefix = chooseEtcdPrefix(keyspace, options.etcdPrefix, options.backupFile);
  const plane = readControlPlane(snapshot, keyspace, etcdPrefix, options);
  refuseDamage(snapshot, options);
  refuseMissing(plane, options);

  const backup = backupFor(plane, snapshot, keyspace, etcdPrefix, options);
  const rendering = renderBootstrap(plane, { kubeconfig, etcdBackup: backup });
  const assets = copiesBackup(plane, snapshot, options)
    ? [...rendering.assets, { path: BACKUP_COPY, mode: 0o600, content: snapshot.file.source }]
    : rendering.assets;
  const all = { ...rendering, assets: [...assets].sort((a, b) => (a.path < b.path ? -1 : 1)) };
  const written = options.dryRun ? undefined : await writeAssets(options.recoveryDir, all.assets, target);
  return {
    source: {
      path: options.backupFile,
      revision: keyspace.revision,
      sha256,
      archive: snapshot.file.archive,
      etcdPrefix,
    },
    plane,
    rendering: all,
    written,
    findings: [...snapshot.findings.list(), ...plane.findings, ...rendering.findings],
  };
}

/** An input inside the directory that is about to be replaced would be lost with it. */
async function checkInputsOutside(options: RecoverOptions): Promise<void> {
  const directory = await resolved(options.recoveryDir);
  for (const path of [options.backupFile, options.kubeconfig, options.encryptionConfig]) {
    if (path === undefined || !(await resolved(path)).startsWith(directory + sep)) continue;
    throw new MendError("usage", `"${path}" lies inside the recovery dir "${options.recoveryDir}"`, {
      hint: "copy it somewhere else, or choose another --recovery-dir",
    });
  }
}

async function resolved(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    return path; // Not there: whoever opens it will say so.
  }
}

/** Reads the keys while another thread hashes the file. */
async function readAndVerify(
  snapshot: Snapshot,
  options: RecoverOptions,
): Promise<{ readonly keyspace: Keyspace; readonly sha256: HashVerdict }> {
  const hashing = startHash(snapshot.file);
  try {
    const { atRevision, ...others } = options;
    const keyspace = await readKeyspace(snapshot, atRevision === undefined ? others : { ...others, atRevision });
    return { keyspace, sha256: acceptHash(await hashing.verdict, snapshot, options) };
  } finally {
    await hashing.stop();
  }
}

/** Refuses a snapshot that does not match its hash, unless told otherwise. */
function acceptHash(verdict: HashVerdict, snapshot: Snapshot, options: RecoverOptions): HashVerdict {
  const { path } = snapshot.file;
  if (verdict === "absent") {
    const text = "a raw copy without a SHA-256: writes that etcd had not yet put into it are not in it";
    snapshot.findings.report({ level: "warning", code: "hash-absent", where: path, text });
  }
  if (verdict === "mismatch") {
    if (!options.skipHashCheck) {
      throw new MendError(
        "snapshot-hash-mismatch",
        "the snapshot does not match its SHA-256: it was changed or cut after it was taken",
        {
          where: path,
          hint: "copy it again or try another backup; --skip-hash-check reads what is there",
        },
      );
    }
    const text = "the snapshot does not match its SHA-256";
    snapshot.findings.report({ level: "warning", code: "hash-mismatch", where: path, text });
  }
  return verdict;
}

function readControlPlane(
  snapshot: Snapshot,
  keyspace: Keyspace,
  etcdPrefix: string,
  options: RecoverOptions,
): ControlPlane {
  const config = loadEncryptionConfig(options.encryptionConfig);
  const found = readControlPlaneObjects(keyspace, {
    etcdPrefix,
    transformer: createTransformer(config, etcdPrefix),
    namespace: options.namespace,
    report: snapshot.findings.report,
  });
  return selectControlPlane(found.objects, {
    namespace: options.namespace,
    sealed: found.sealed,
    podCount: found.podCount,
  });
}

function refuseDamage({ findings, file }: Snapshot, options: RecoverOptions): void {
  const errors = findings.list().filter((finding) => finding.level === "error");
  if (errors.length === 0 || options.allowMissing) return;
  const [first] = errors;
  throw new MendError(
    "snapshot-damaged",
    `the snapshot is damaged in ${errors.length} places, first at ${first!.where}: ${first!.text}`,
    {
      where: file.path,
      hint: "see all of it with snapshot verify and try another backup; --allow-missing recovers what can be read",
    },
  );
}

/** Everything that is missing, at once. Keys that were not given come first: with them the rest may be there. */
function refuseMissing(plane: ControlPlane, options: RecoverOptions): void {
  const { missing } = plane;
  if (missing.length === 0) return;
  const list = missing.map((each) => `\n  ${each.text}`).join("");
  const encrypted = missing.filter((each) => each.reason === "encrypted").length;
  if (options.allowMissing) return;
  if (encrypted > 0) {
    throw new MendError(
      "encryption-key-missing",
      `the control plane needs ${encrypted} objects that are encrypted${list}`,
      {
        where: options.backupFile,
        hint: "pass the API server's EncryptionConfiguration, with these keys, as --encryption-config",
      },
    );
  }
  throw new MendError(
    "control-plane-incomplete",
    `the control plane needs ${missing.length === 1 ? "something" : `${missing.length} things`} that this snapshot does not hold${list}`,
    {
      where: options.backupFile,
      hint: "try an older snapshot or --at-revision, or pass --allow-missing to recover the rest",
    },
  );
}

/** Where the boot member finds a backup that came in an archive, which etcdctl cannot read. */
const BACKUP_COPY = "etcd/backup.db";

function copiesBackup(plane: ControlPlane, { file }: Snapshot, options: RecoverOptions): boolean {
  return plane.flavour === "self-hosted-etcd" && file.archive !== undefined && !options.dryRun;
}

function backupFor(
  plane: ControlPlane,
  { file }: Snapshot,
  keyspace: Keyspace,
  etcdPrefix: string,
  options: RecoverOptions,
): EtcdBackup | undefined {
  if (plane.flavour !== "self-hosted-etcd") return undefined;
  const isArchive = file.archive !== undefined;
  const token = createHash("sha256").update(`${keyspace.revision} ${file.source.size} `);
  if (file.storedHash !== undefined) token.update(file.storedHash);
  return {
    path: isArchive ? join(options.recoveryDir, BACKUP_COPY) : options.backupFile,
    // What is unpacked from an archive is written without the hash at its end.
    hasHash: file.storedHash !== undefined && !isArchive,
    etcdPrefix,
    clusterToken: `kubemend-recovery-${token.digest("hex").slice(0, 16)}`,
  };
}
