/** `backup import`: snapshots that others took, as fulls of a repository. */
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { basename, join } from "node:path";
import type { ByteSource } from "../../bolt/byte-source.ts";
import { MendError } from "../../errors/errors.ts";
import { makeTemporaryDirectory } from "../../io/files/durable/temporary-directory.ts";
import { writeOnce } from "../../io/files/durable/write-once.ts";
import type { FullHead } from "../../repository/head.ts";
import { snapshotTime } from "../../repository/snapshot-name.ts";
import { checkStructure } from "../../snapshot/check-structure.ts";
import { startHash } from "../../snapshot/hash-snapshot.ts";
import { openSnapshot, readStoreInfo } from "../../snapshot/open-snapshot.ts";
import type { ProgressSink } from "../../snapshot/progress.ts";
import { addFull } from "./add-full.ts";
import { openForWriting, type WriteAccess } from "./open-for-writing.ts";

export interface ImportOptions extends WriteAccess {
  readonly progress?: ProgressSink;
  /** Take when a file was last changed for when it was taken, where its name does not say. */
  readonly trustFileTime: boolean;
}

export interface Imported {
  readonly file: string;
  readonly full: FullHead;
  /** Where its time is from; `unknown`: it can be restored by its revision only. */
  readonly timeFrom: "name" | "file" | "unknown";
}

/** In the order of their times. Throws `snapshot-refused` for a file that is not sound, before anything of it is stored. */
export async function importSnapshots(
  address: string,
  files: readonly string[],
  options: ImportOptions,
): Promise<Imported[]> {
  const writable = await openForWriting(address, options);
  const imported: Imported[] = [];
  try {
    const dated = files.map((file) => ({ file, ...timeOf(file, options) }));
    dated.sort((a, b) => (a.time ?? 0) - (b.time ?? 0));
    for (const { file, time, timeFrom } of dated) {
      const temporary = makeTemporaryDirectory("kubemend-import-");
      const directory = temporary.path;
      try {
        const path = join(directory, "snapshot.db");
        const facts = await unpack(file, path, options);
        const iso = time === undefined ? undefined : new Date(time).toISOString();
        const last = imported.at(-1)?.full;
        const full = await addFull(
          writable,
          path,
          {
            ...facts,
            times: iso === undefined ? null : { from: iso, to: iso },
            hashes: [],
            reason: "imported",
            source: basename(file),
          },
          {
            ...(last === undefined ? {} : { last }),
            ...(options.signal === undefined ? {} : { signal: options.signal }),
          },
        );
        imported.push({ file, full, timeFrom });
      } finally {
        temporary[Symbol.dispose]();
      }
    }
    return imported;
  } finally {
    await writable.repository.store.close();
  }
}

function timeOf(
  file: string,
  { trustFileTime }: ImportOptions,
): Pick<Imported, "timeFrom"> & { time: number | undefined } {
  const named = snapshotTime(basename(file));
  if (named !== undefined) return { time: named, timeFrom: "name" };
  const stat = trustFileTime ? statSync(file, { throwIfNoEntry: false }) : undefined;
  return stat === undefined ? { time: undefined, timeFrom: "unknown" } : { time: stat.mtimeMs, timeFrom: "file" };
}

/** The snapshot alone, checked as before a restore, with a SHA-256 at its end. */
async function unpack(
  file: string,
  path: string,
  options: ImportOptions,
): Promise<{ cluster: string; member: string; etcdVersion: string }> {
  const common = {
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.progress === undefined ? {} : { progress: options.progress }),
  };
  using snapshot = await openSnapshot(file, common);
  await checkStructure(snapshot, common);
  const verdict = await startHash(snapshot.file).verdict;
  const error = snapshot.findings.list().find(({ level }) => level === "error");
  if (verdict === "mismatch" || error !== undefined) {
    throw new MendError("snapshot-refused", `"${file}" is damaged: ${error?.text ?? "it does not match its SHA-256"}`, {
      where: error?.where ?? file,
      hint: "see all with kubemend snapshot verify",
    });
  }
  await writeOnce(path, withHash(snapshot.file.source, file, options.signal));
  // A snapshot does not name its cluster: that of its members tells one from another.
  const { members, clusterVersion } = readStoreInfo(snapshot);
  const ids = members.map(({ id }) => id).sort();
  const cluster = ids.length === 0 ? "0" : createHash("sha256").update(ids.join(",")).digest("hex").slice(0, 16);
  return { cluster, member: ids[0] ?? "0", etcdVersion: clusterVersion ?? "unknown" };
}

async function* withHash(source: ByteSource, file: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(1 << 20);
  for (let position = 0; position < source.size; ) {
    signal?.throwIfAborted();
    const got = source.read(buffer, position);
    if (got === 0) throw new MendError("io", `"${file}" became shorter while it was read`, { where: file });
    hash.update(buffer.subarray(0, got));
    position += got;
    yield buffer.subarray(0, got);
  }
  yield hash.digest();
}
