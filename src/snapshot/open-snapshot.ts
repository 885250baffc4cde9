/** Opens a snapshot for an operation: the file, its database, its buckets, and a place for what is found wrong on the way. */
import { type BoltFile, readBolt } from "../bolt/bolt.ts";
import { type Bucket, readBuckets, readEntries } from "../bolt/bucket.ts";
import { createPageSet, type PageSet } from "../bolt/page-set.ts";
import { MendError } from "../errors/errors.ts";
import { collectFindings, type FindingCollector } from "../errors/findings.ts";
import { createStoreInfo, INFO_BUCKETS, type StoreInfo } from "../mvcc/store-info.ts";
import type { ProgressSink } from "./progress.ts";
import { openSnapshotFile, type SnapshotFile } from "./snapshot-file.ts";
import { type SweepThreads, startSweepThreads } from "./sweep-threads.ts";

export interface Snapshot extends Disposable {
  readonly file: SnapshotFile;
  readonly descriptor: number;
  readonly bolt: BoltFile;
  readonly threads: SweepThreads;
  readonly buckets: readonly Bucket[];
  readonly findings: FindingCollector;
  /** Pages that were reached so far. */
  readonly reached: PageSet;
}

export interface SnapshotOptions {
  readonly signal?: AbortSignal;
  readonly progress?: ProgressSink;
}

/**
 * Opens a snapshot. Throws where nothing can be read at all: no such file, not a database, an archive that is damaged. A database without etcd's `key` bucket
 * is somebody else's: `not-a-snapshot`.
 */
export async function openSnapshot(path: string, options: SnapshotOptions = {}): Promise<Snapshot> {
  const { progress, signal } = options;
  const file = await openSnapshotFile(path, {
    ...(signal === undefined ? {} : { signal }),
    onProgress: (bytes) => progress?.({ step: "unpacking", done: bytes, unit: "bytes" }),
  });
  let threads: SweepThreads | undefined;
  try {
    const bolt = readBolt(file.source);
    threads = startSweepThreads(file.source.size);
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
      file.close();
    };
    const { descriptor } = file;
    return { file, descriptor, bolt, threads, buckets, findings, reached, [Symbol.dispose]: close };
  } catch (error) {
    threads?.stop();
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
