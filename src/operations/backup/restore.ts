/** `backup restore`: a moment of a repository becomes a data dir, or a snapshot file. */
import { createHash } from "node:crypto";
import { MendError } from "../../errors/errors.ts";
import { checkDiskSpace } from "../../io/files/durable/disk-space.ts";
import { writeOnce } from "../../io/files/durable/write-once.ts";
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
  using snapshot = await openSnapshot(moment, { ...options, moments: opened.access });
  const { source } = snapshot.file;
  checkDiskSpace(path, source.size + 32);
  const hash = createHash("sha256");
  async function* content(): AsyncGenerator<Uint8Array> {
    const buffer = new Uint8Array(1 << 20);
    for (let position = 0; position < source.size; ) {
      options.signal?.throwIfAborted();
      const got = source.read(buffer, position);
      if (got === 0)
        throw new MendError("io", `"${source.name}" became shorter while it was read`, { where: source.name });
      const part = buffer.subarray(0, got);
      hash.update(part);
      position += got;
      yield part;
      options.progress?.({ step: "writing", done: position, total: source.size, unit: "bytes" });
    }
    yield hash.copy().digest();
  }
  if (!(await writeOnce(path, content()))) {
    throw new MendError("already-exists", `"${path}" exists already`, { where: path, hint: "choose another file" });
  }
  return { file: path, size: source.size + 32, sha256: hash.digest("hex"), moment: opened.moment() };
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
