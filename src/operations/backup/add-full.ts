/** Puts a snapshot file into a repository as a full: checked, sealed and stored, then named by a link. */

import { randomUUID } from "node:crypto";
import { readEntriesFrom } from "../../bolt/seek.ts";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { openFileSource } from "../../io/files/file-source.ts";
import { headsOf } from "../../io/repository/repository.ts";
import { sealStream } from "../../io/repository/seal.ts";
import { newestRevision } from "../../mvcc/newest-revision.ts";
import { decodeRevision, encodeRevision } from "../../mvcc/revision.ts";
import type { Change } from "../../repository/delta.ts";
import type { FullHead, HashMark } from "../../repository/head.ts";
import { fingerprintChanges, historyOf } from "../../repository/history.ts";
import { DATA } from "../../repository/names.ts";
import { currentSigner } from "../../repository/signers.ts";
import { isKeyspaceHead, type KeyspaceHead } from "../../repository/timeline.ts";
import { openSnapshot, readStoreInfo, type Snapshot } from "../../snapshot/open-snapshot.ts";
import type { ProgressSink } from "../../snapshot/progress.ts";
import type { WritableRepository } from "./open-for-writing.ts";

export interface FullFacts {
  /** In hex; of an imported snapshot as its members say, or "0". */
  readonly cluster: string;
  readonly member: string;
  readonly etcdVersion: string;
  readonly times: FullHead["times"];
  readonly hashes: readonly HashMark[];
  readonly reason: string;
  readonly source: string;
}

export interface AddOptions {
  readonly signal?: AbortSignal;
  readonly progress?: ProgressSink;
  /** The newest link of the keyspace, where the caller knows a newer one than the repository had when it was opened. */
  readonly last?: KeyspaceHead | undefined;
  /** The caller has seen that the cluster was restored. */
  readonly isNewHistory?: boolean;
}

const CHUNK = 1 << 20;

/** `path` is of a snapshot that was verified. Returns the head as it was stored. */
export async function addFull(
  { repository, key, appender, links }: WritableRepository,
  path: string,
  facts: FullFacts,
  options: AddOptions = {},
): Promise<FullHead> {
  const last = options.last ?? headsOf(links).filter(isKeyspaceHead).at(-1);
  const seen = await look(path, last);
  const fingerprint = (changes: readonly Change[] | undefined): string | undefined =>
    changes === undefined || changes.length === 0 ? undefined : fingerprintChanges(key, changes);
  const seenHistory = historyOf(last, {
    cluster: facts.cluster,
    revision: seen.revision,
    // A fingerprint that the former key made cannot be compared.
    changesThere:
      last !== undefined && last.sequence < currentSigner(repository.signers).from
        ? undefined
        : fingerprint(seen.changesThere),
  });
  const history = options.isNewHistory === true && seenHistory === last?.history ? seenHistory + 1 : seenHistory;
  const object = `${DATA}${randomUUID()}`;
  const seal = sealStream(readPlain(path, options), repository.description.recipients);
  await repository.store.upload(object, seal.stored);
  const signed = await appender.append(
    {
      kind: "full",
      content: seal.content(object),
      cluster: facts.cluster,
      member: facts.member,
      etcdVersion: facts.etcdVersion,
      history,
      compactRevision: seen.compactRevision,
      hashes: [...facts.hashes],
      revisions: { from: Math.max(1, seen.compactRevision), to: seen.revision },
      times: facts.times,
      lastChanges: fingerprint(seen.lastChanges) ?? null,
      reason: facts.reason,
      source: facts.source,
    },
    new Uint8Array(0),
  );
  return defined(signed).head as FullHead;
}

interface SnapshotLook {
  readonly revision: number;
  readonly compactRevision: number;
  /** Of its newest revision. */
  readonly lastChanges: readonly Change[];
  /** Of the revision at which the repository ends; undefined where it was compacted, or is still to come. */
  readonly changesThere: readonly Change[] | undefined;
}

async function look(path: string, last: KeyspaceHead | undefined): Promise<SnapshotLook> {
  using snapshot = await openSnapshot(path);
  const revision = newestRevision(snapshot.bolt);
  const { finishedCompact, scheduledCompact } = readStoreInfo(snapshot);
  const compactRevision = Math.max(finishedCompact, scheduledCompact);
  const there = last?.revisions.to ?? 0;
  const canSee = there > compactRevision && there <= revision;
  return {
    revision,
    compactRevision,
    lastChanges: changesAt(snapshot, revision),
    changesThere: canSee ? changesAt(snapshot, there) : undefined,
  };
}

/** The changes of one revision, read off the end of the keyspace. */
function changesAt({ bolt, buckets, findings }: Snapshot, revision: number): Change[] {
  const changes: Change[] = [];
  const bucket = buckets.find(({ path }) => path === "key");
  if (bucket === undefined) return changes;
  const from = encodeRevision({ main: revision, sub: 0, tombstone: false });
  for (const { key, value } of readEntriesFrom(bolt, bucket, from, findings.report)) {
    const found = decodeRevision(key);
    if (found?.main !== revision) break;
    changes.push({ revision, sub: found.sub, deletion: found.tombstone, keyValue: Uint8Array.from(value) });
  }
  return changes;
}

async function* readPlain(path: string, { signal, progress }: AddOptions): AsyncGenerator<Uint8Array> {
  const file = openFileSource(path);
  try {
    const buffer = new Uint8Array(CHUNK);
    for (let position = 0; position < file.size; ) {
      signal?.throwIfAborted();
      const got = file.read(buffer, position);
      if (got === 0) throw new MendError("io", `"${path}" became shorter while it was read`, { where: path });
      position += got;
      yield buffer.subarray(0, got);
      progress?.({ step: "storing", done: position, total: file.size, unit: "bytes" });
    }
  } finally {
    file.close();
  }
}
