/** The control plane's objects from a backup of etcd: offline, with its integrity judged on the way. */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { type HashVerdict, startHash } from "../../snapshot/hash-snapshot.ts";
import { loadEncryptionConfig } from "../../snapshot/load-encryption-config.ts";
import { openSnapshot, type Snapshot } from "../../snapshot/open-snapshot.ts";
import { createTransformer } from "../../storage/encryption.ts";
import { readControlPlaneObjects } from "./control-plane-objects.ts";
import type { SourceOptions, SourceReading } from "./recovery-source.ts";
import { openSnapshotValues, type SnapshotValues } from "./snapshot-values.ts";

/** Where the boot member finds a backup that came in an archive, which etcdctl cannot read. */
const BACKUP_COPY = "etcd/backup.db";

/** Disposing of the reading closes the file; its copy among the assets has to be written before. */
export async function readBackup(
  path: string,
  recoveryDir: string,
  options: SourceOptions & { readonly dryRun: boolean },
): Promise<SourceReading> {
  const snapshot = await openSnapshot(path, options);
  try {
    const config = loadEncryptionConfig(options.encryptionConfig);
    for (const finding of config?.findings ?? []) snapshot.findings.report(finding);
    const { etcdPrefix, revision, values, sha256 } = await openAndVerify(snapshot, options);
    const found = await readControlPlaneObjects(values, {
      etcdPrefix,
      transformer: createTransformer(config, etcdPrefix),
      namespace: options.namespace,
      report: snapshot.findings.report,
    });
    const { archive, source: content, storedHash } = snapshot.file;
    // A moment of a repository has no name of its own either.
    const isArchive = archive !== undefined || snapshot.file.vouched === true;
    return {
      source: { kind: "backup", path, revision, sha256, archive, etcdPrefix },
      found,
      findings: () => snapshot.findings.list(),
      backupFor: () => ({
        backup: {
          path: isArchive ? join(recoveryDir, BACKUP_COPY) : path,
          // What is unpacked from an archive is written without the hash at its end.
          hasHash: storedHash !== undefined && !isArchive,
          etcdPrefix,
          clusterToken: clusterToken(snapshot, revision),
        },
        copy: isArchive && !options.dryRun ? { path: BACKUP_COPY, mode: 0o600, content } : undefined,
      }),
      [Symbol.dispose]: () => snapshot[Symbol.dispose](),
    };
  } catch (error) {
    snapshot[Symbol.dispose]();
    throw error;
  }
}

function clusterToken({ file }: Snapshot, revision: number): string {
  const token = createHash("sha256").update(`${revision} ${file.source.size} `);
  if (file.storedHash !== undefined) token.update(file.storedHash);
  return `kubemend-recovery-${token.digest("hex").slice(0, 16)}`;
}

/** Reads the keys while another thread hashes the file. What is wrong with the file comes before what is not found in it. */
async function openAndVerify(
  snapshot: Snapshot,
  options: SourceOptions,
): Promise<SnapshotValues & { readonly sha256: HashVerdict }> {
  const hashing = startHash(snapshot.file);
  try {
    const { signal, progress, atRevision, etcdPrefix } = options;
    const opening = openSnapshotValues(snapshot, {
      etcdPrefix,
      ...(signal === undefined ? {} : { signal }),
      ...(progress === undefined ? {} : { progress }),
      ...(atRevision === undefined ? {} : { atRevision }),
    });
    await Promise.allSettled([opening]);
    signal?.throwIfAborted();
    const sha256 = acceptHash(await hashing.verdict, snapshot, options);
    return { ...(await opening), sha256 };
  } finally {
    await hashing.stop();
  }
}

/** Refuses a snapshot that does not match its hash, unless set otherwise. */
function acceptHash(verdict: HashVerdict, snapshot: Snapshot, options: SourceOptions): HashVerdict {
  const { path } = snapshot.file;
  if (verdict === "absent") {
    const text = "a raw copy without a SHA-256: writes that etcd had not yet put into it are not in it";
    snapshot.findings.report({ level: "warning", code: "snapshot-hash-absent", where: path, text });
  }
  if (verdict === "mismatch") {
    if (!options.skipHashCheck) {
      throw new MendError(
        "snapshot-hash-mismatch",
        "the snapshot does not match its SHA-256: it was changed or cut after it was taken",
        {
          where: path,
          hint: `copy it again or try another backup; ${input("skipHashCheck")} reads what is there`,
        },
      );
    }
    const text = "the snapshot does not match its SHA-256";
    snapshot.findings.report({ level: "warning", code: "snapshot-hash-mismatch", where: path, text });
  }
  return verdict;
}
