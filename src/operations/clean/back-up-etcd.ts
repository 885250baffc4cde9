/** Copies the database of a stopped member, and verifies the copy as a snapshot is. */

import { createHash } from "node:crypto";
import { closeSync, constants, createReadStream, fstatSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { fromSystemError } from "../../errors/system-error.ts";
import type { FileSystem } from "../../io/files/durable/file-system.ts";
import type { EtcdBackup } from "../../nodes/clean-record.ts";
import type { ProgressSink } from "../../snapshot/progress.ts";
import { type SnapshotVerification, verifySnapshot } from "../snapshot/verify.ts";

export interface BackUpEtcdOptions {
  readonly signal: AbortSignal;
  readonly progress: ProgressSink;
  readonly report: (text: string) => void;
  readonly allowDamagedEtcd: boolean;
}

/**
 * `database` is `DATA_DIR/member/snap/db`, `others` are the backups that are in the directory already. Throws
 * `snapshot-damaged` for one that does not verify, unless that is allowed; nothing is left then.
 */
export async function backUpEtcd(
  fs: FileSystem,
  database: string,
  directory: string,
  others: readonly EtcdBackup[],
  options: BackUpEtcdOptions,
): Promise<EtcdBackup> {
  const { signal, progress } = options;
  const dataDir = dirname(dirname(dirname(database)));
  const file = backupFile(directory, dataDir, database, others);
  const draft = `${file}.partial`;
  fs.makeDirectory(directory, 0o700);
  fs.remove(draft);
  const descriptor = open(database);
  try {
    const { size, mtimeMs } = fstatSync(descriptor);
    progress({ step: "copying etcd's database", done: 0, total: size, unit: "bytes" });
    const copy = await fs.copy(descriptor, draft, 0o600, signal);
    try {
      await copy.sync();
    } finally {
      copy.close();
    }
    signal.throwIfAborted();
    const sha256 = await hashOf(draft, signal);
    if (sha256 !== (await hashOf(database, signal))) {
      throw new MendError("data-dir-in-use", `"${database}" changed while it was copied`, {
        where: database,
        hint: "end the etcd that writes it, then run this again",
      });
    }
    const verdict = await verify(draft, dataDir, options);
    fs.rename(draft, file);
    fs.syncDirectory(directory);
    return {
      database,
      file,
      bytes: size,
      modified: mtimeMs,
      revision: verdict?.revision ?? 0,
      objects: verdict === undefined ? 0 : verdict.objects + verdict.encrypted + verdict.opaque,
      sha256,
      ok: verdict?.ok ?? false,
    };
  } catch (error) {
    if (!signal.aborted && error instanceof MendError) fs.remove(draft);
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

/** Named for its data dir. `/a-b` and `/a/b` would have one name: the second gets another. */
function backupFile(directory: string, dataDir: string, database: string, others: readonly EtcdBackup[]): string {
  const name = dataDir.replace(/^\/+/, "").replaceAll("/", "-");
  for (let i = 1; ; i++) {
    const file = join(directory, i === 1 ? `${name}.db` : `${name}~${i}.db`);
    if (!others.some((other) => other.file === file && other.database !== database)) return file;
  }
}

/** Undefined for one that cannot be read at all, where that is allowed. */
async function verify(
  path: string,
  dataDir: string,
  { signal, progress, report, allowDamagedEtcd }: BackUpEtcdOptions,
): Promise<SnapshotVerification | undefined> {
  let verdict: SnapshotVerification | undefined;
  let why: string;
  try {
    verdict = await verifySnapshot(path, { signal, progress });
    const errors = verdict.findings.filter(({ level }) => level === "error");
    if (errors.length === 0) return verdict;
    why = `${defined(errors[0]).where}: ${defined(errors[0]).text}${errors.length > 1 ? `, and ${errors.length - 1} more` : ""}`;
  } catch (error) {
    if (!(error instanceof MendError) || signal.aborted) throw error;
    why = error.message;
  }
  if (allowDamagedEtcd) {
    report(`warning: etcd's database in "${dataDir}" is damaged, and kept as it is: ${why}`);
    return verdict;
  }
  throw new MendError("snapshot-damaged", `etcd's database in "${dataDir}" does not verify: ${why}`, {
    where: join(dataDir, "member/snap/db"),
    hint: `nothing was removed: take a backup from another member, or pass ${input("allowDamagedEtcd")} to keep this one as it is`,
  });
}

function open(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    throw fromSystemError(error, "open", path);
  }
}

async function hashOf(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
