/** `backup restore`: a moment of a repository becomes a data dir, or a snapshot file. */
import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { ByteSource } from "../../bolt/byte-source.ts";
import { MendError } from "../../errors/errors.ts";
import { checkDiskSpace } from "../../io/files/durable/disk-space.ts";
import { type OutputFile, realFileSystem } from "../../io/files/durable/file-system.ts";
import { openTarget } from "../../io/files/durable/target.ts";
import { refuseInTheWay, writeFile } from "../../io/files/durable/write-file.ts";
import { missingFrom, removeEmpty } from "../../io/files/durable/write-once.ts";
import type { MomentAccess, OpenedMoment } from "../../snapshot/moment-access.ts";
import { openSnapshot, type SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { type RestoreOptions, type RestoreResult, restoreSnapshot } from "../snapshot/restore.ts";

export interface BackupMoment extends Pick<OpenedMoment, "repository" | "revision" | "proof" | "notes"> {
  /** The full that was read, and how many deltas. */
  readonly full: number;
  readonly deltas: number;
}

export interface BackupRestoreOptions extends RestoreOptions {
  readonly moments: MomentAccess;
}

/**
 * `moment` is an address with a moment behind its `@`. The restored keyspace is compared with etcd's own HashKV where
 * the repository has one.
 */
export async function restoreBackup(
  moment: string,
  options: BackupRestoreOptions,
): Promise<RestoreResult & { readonly moment: BackupMoment }> {
  const opened = proving(options.moments);
  const result = await restoreSnapshot(moment, { ...options, moments: opened.access });
  return { ...result, moment: opened.moment() };
}

const COMMAND = "backup restore";
/** Behind the database, as `etcdctl snapshot save` puts it. */
const HASH_BYTES = 32;

export interface SavedMoment {
  readonly file: string;
  readonly size: number;
  readonly sha256: string;
  readonly moment: BackupMoment;
}

/** Writes the moment as `etcdctl snapshot save` would have. Throws `already-exists`. */
export async function saveMoment(
  moment: string,
  path: string,
  options: SnapshotOptions & { readonly moments: MomentAccess },
): Promise<SavedMoment> {
  const opened = proving(options.moments);
  const missing = missingFrom(dirname(path));
  try {
    realFileSystem.makeDirectory(dirname(path), 0o700);
    using target = openTarget(path, { command: COMMAND, kind: "file" });
    refuseInTheWay(target, { mustBeNew: true });
    using snapshot = await openSnapshot(moment, { ...options, moments: opened.access });
    const { source } = snapshot.file;
    const size = source.size + HASH_BYTES;
    checkDiskSpace(target.path, size);
    const sha256 = await writeFile(realFileSystem, target, COMMAND, (file) => copyWithHash(source, file, options), {
      mustBeNew: true,
      mode: 0o600,
    });
    return { file: path, size, sha256, moment: opened.moment() };
  } catch (error) {
    await removeEmpty(missing);
    throw error;
  }
}

/** Returns the SHA-256 that is behind the copy then, in hex. */
async function copyWithHash(
  source: ByteSource,
  file: OutputFile,
  { signal, progress }: SnapshotOptions,
): Promise<string> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(1 << 20);
  let position = 0;
  while (position < source.size) {
    await setImmediate();
    signal?.throwIfAborted();
    const got = source.read(buffer, position);
    if (got === 0)
      throw new MendError("io", `"${source.name}" became shorter while it was read`, { where: source.name });
    const part = buffer.subarray(0, got);
    hash.update(part);
    file.write(part, position);
    position += got;
    progress?.({ step: "writing", done: position, total: source.size, unit: "bytes" });
  }
  const digest = hash.digest();
  file.write(digest, position);
  return digest.toString("hex");
}

function proving(access: MomentAccess): { readonly access: MomentAccess; moment(): BackupMoment } {
  let opened: OpenedMoment | undefined;
  return {
    access: {
      ...access,
      prove: true,
      onOpened: (moment) => {
        opened = moment;
        access.onOpened?.(moment);
      },
    },
    moment() {
      if (opened === undefined) {
        throw new MendError("usage", "that is not a moment of a backup repository", {
          hint: "give the address of a repository; for a snapshot file there is kubemend snapshot restore",
        });
      }
      const { repository, revision, proof, notes, pieces } = opened;
      return { repository, revision, proof, notes, full: pieces.full.sequence, deltas: pieces.deltas.length };
    },
  };
}
