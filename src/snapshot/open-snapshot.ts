/** Opens a snapshot for an operation: the file, its database, its buckets, and a place for what is found wrong on the way. */
import { statSync } from "node:fs";
import { type BoltFile, readBolt } from "../bolt/bolt.ts";
import { type Bucket, readBuckets, readEntries } from "../bolt/bucket.ts";
import { createPageSet, type PageSet } from "../bolt/page-set.ts";
import { MendError } from "../errors/errors.ts";
import { collectFindings, type FindingCollector } from "../errors/findings.ts";
import { fromSystemError } from "../errors/system-error.ts";
import { createStoreInfo, INFO_BUCKETS, type StoreInfo } from "../mvcc/store-info.ts";
import type { HashMark } from "../repository/head.ts";
import type { ComposeTarget } from "./compose-moment.ts";
import { hashRevision } from "./hash-revision.ts";
import { type KeyIndexCache, type KeyIndexOptions, openKeyIndexCache } from "./key-index-cache.ts";
import type { MomentAccess } from "./moment-access.ts";
import type { ProgressSink } from "./progress.ts";
import { openSnapshotFile, type SnapshotFile } from "./snapshot-file.ts";
import { createSweepThreads, type SweepThreads } from "./sweep-threads.ts";

export interface Snapshot extends Disposable {
  readonly file: SnapshotFile;
  readonly descriptor: number;
  readonly bolt: BoltFile;
  readonly threads: SweepThreads;
  readonly buckets: readonly Bucket[];
  readonly findings: FindingCollector;
  /** Pages that were reached so far. */
  readonly reached: PageSet;
  /** Where look-ups find the keys of a file that was read before; undefined where none are kept. */
  readonly keyIndex: KeyIndexCache | undefined;
}

export interface SnapshotOptions {
  readonly signal?: AbortSignal;
  /** How moments of repositories are reached; without it a path is a path. */
  readonly moments?: MomentAccess;
  readonly progress?: ProgressSink;
  /** Where the database of a moment is composed; in a file without a name unless given. */
  readonly composeInto?: ComposeTarget;
  /** Keep an index of the keys of a large file, and use it; without it nothing is kept. */
  readonly keyIndex?: KeyIndexOptions;
  /** This thread has other work while the file is read: threads sweep it. */
  readonly sparesCaller?: boolean;
}

function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  } catch (error) {
    throw fromSystemError(error, "open", path);
  }
}

/**
 * Opens a snapshot. Throws where nothing can be read at all: no such file, not a database, an archive that is damaged.
 * A database without etcd's `key` bucket is somebody else's: `not-a-snapshot`.
 */
export async function openSnapshot(path: string, options: SnapshotOptions = {}): Promise<Snapshot> {
  const { moments } = options;
  if (moments === undefined || isFile(path)) {
    return startReading(await openFile(path, options), path, options);
  }
  const { momentPlace, openFileRevision, openRepositoryMoment } = await import("./open-moment.ts");
  const place = momentPlace(path, moments);
  if (place === undefined) return startReading(await openFile(path, options), path, options);
  if (place.kind === "file") {
    return startReading(await openFileRevision(await openFile(place.path, options), place.revision), path, options);
  }
  const moment = await openRepositoryMoment(place, path, moments, options);
  const snapshot = startReading(moment.file, path, options);
  try {
    const proof =
      moments.prove === true && moment.hash !== undefined ? await prove(snapshot, moment.hash, options) : null;
    const { repository, pieces, notes } = moment;
    moments.onOpened?.({ repository, pieces, revision: pieces.revision, proof, notes });
    return snapshot;
  } catch (error) {
    snapshot[Symbol.dispose]();
    throw error;
  }
}

/** Throws `backup-unproved` where etcd had another keyspace at the revision of `mark`. */
async function prove(
  snapshot: Snapshot,
  mark: HashMark,
  options: SnapshotOptions,
): Promise<HashMark & { readonly verdict: "equal" }> {
  const found = await hashRevision(
    snapshot,
    mark.revision,
    mark.compactRevision,
    snapshot.findings.report,
    options.signal,
  );
  if (found === mark.hash) return { ...mark, verdict: "equal" };
  throw new MendError(
    "backup-unproved",
    `what the repository holds is not what etcd had at revision ${mark.revision}: its HashKV is ${found}, etcd's was ${mark.hash}`,
    {
      where: snapshot.file.path,
      hint: "restore to a revision before it, and report this with the output of kubemend backup verify",
    },
  );
}

function openFile(path: string, { progress, signal }: SnapshotOptions): Promise<SnapshotFile> {
  return openSnapshotFile(path, {
    ...(signal === undefined ? {} : { signal }),
    onProgress: (bytes) => progress?.({ step: "unpacking", done: bytes, unit: "bytes" }),
  });
}

function startReading(file: SnapshotFile, path: string, options: SnapshotOptions): Snapshot {
  let threads: SweepThreads | undefined;
  let keyIndex: KeyIndexCache | undefined;
  try {
    const bolt = readBolt(file.source);
    keyIndex = options.keyIndex && openKeyIndexCache(file, options.keyIndex);
    threads = createSweepThreads(file.source.size, options);
    const findings = collectFindings();
    const reached = createPageSet(bolt.pageCount);
    const buckets = readBuckets(bolt, findings.report, reached);
    if (!buckets.some((bucket) => bucket.path === "key") && findings.count("error") === 0) {
      const names = buckets.map((bucket) => `"${bucket.path}"`).join(", ");
      const found = names === "" ? "" : `, but ${names}`;
      throw new MendError("not-a-snapshot", `a bolt database, but not etcd's: it has no bucket "key"${found}`, {
        where: path,
        hint: "give the file that `etcdctl snapshot save` wrote, or a copy of member/snap/db",
      });
    }
    const close = (): void => {
      threads?.stop();
      keyIndex?.close();
      file.close();
    };
    const { descriptor } = file;
    return { file, descriptor, bolt, threads, buckets, findings, reached, keyIndex, [Symbol.dispose]: close };
  } catch (error) {
    threads?.stop();
    keyIndex?.close();
    file.close();
    throw error;
  }
}

/** Reads members, leases, compaction and the rest of what is not the keyspace. */
export function readStoreInfo(snapshot: Snapshot): StoreInfo {
  const { bolt, buckets, findings } = snapshot;
  const info = createStoreInfo((where, text) =>
    findings.report({ level: "error", code: "store-info-invalid", where, text }),
  );
  for (const bucket of buckets) {
    if (!INFO_BUCKETS.includes(bucket.path)) continue;
    for (const entry of readEntries(bolt, bucket, () => {})) info.add(bucket.path, entry); // damage is the sweep's to report
  }
  return info.finish();
}
