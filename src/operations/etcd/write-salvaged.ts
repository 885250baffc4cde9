/**
 * Writes a plan of {@link planSalvage} as a data dir: the database, a raft snapshot, and the log with the changes that
 * leave the member alone.
 */
import { readBolt } from "../../bolt/bolt.ts";
import { type Finding, invariant, MendError } from "../../errors/errors.ts";
import {
  createDataDirWriter,
  type DataDirTarget,
  type DataDirWriter,
  type MovedAside,
} from "../../io/etcd/data-dir-writer.ts";
import { checkDiskSpace } from "../../io/files/durable/disk-space.ts";
import { type FileSystem, type OutputFile, realFileSystem } from "../../io/files/durable/file-system.ts";
import { descriptorSource } from "../../io/files/file-source.ts";
import type { Alarm } from "../../mvcc/store-info.ts";
import { alarmsAfter } from "../../salvage/alarms.ts";
import type { SalvagePlan } from "../../salvage/choose.ts";
import { partEntries } from "../../salvage/log-start.ts";
import { becomeSoleMember } from "../../salvage/sole-member.ts";
import type { Survivor } from "../../salvage/survivor.ts";
import { checkStructure } from "../../snapshot/check-structure.ts";
import { openSnapshot, type SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { createEntryReader, type LogEntry, readLog } from "../../wal/log.ts";
import type { Member } from "../../wal/membership.ts";
import { ENTRY_NORMAL, type Entry } from "../../wal/raft.ts";
import { encodeRaftSnapshot } from "../../wal/raft-snapshot.ts";
import { formatSnapshotName } from "../../wal/segment-name.ts";
import { createWalWriter, SEGMENT_SIZE } from "../../wal/writer.ts";
import type { OpenSurvivor } from "./read-survivor.ts";

export interface WriteOptions extends SnapshotOptions, DataDirTarget {
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly fileSystem?: FileSystem;
}

export interface WrittenDataDir {
  readonly moved: MovedAside;
  /** What the check of the database found. */
  readonly findings: readonly Finding[];
  /** Alarms that are raised once etcd has taken in all entries. */
  readonly alarms: readonly Alarm[];
}

/** A database that turned out to be damaged when all of it was read; nothing was written. */
export interface DamagedDatabase {
  readonly damaged: Finding;
}

export async function writeSalvaged(
  plan: SalvagePlan,
  survivors: readonly OpenSurvivor[],
  options: WriteOptions,
): Promise<WrittenDataDir | DamagedDatabase> {
  using writer = await createDataDirWriter(options.fileSystem ?? realFileSystem, options, "etcd salvage");
  const copied = await copyDatabase(writer, plan, options);
  if (copied !== undefined && "damaged" in copied) return copied;
  const alarms = writeLog(writer, plan, survivors, options);
  if (copied !== undefined) {
    const { db, size } = copied;
    invariant(readBolt(descriptorSource(db.descriptor, db.path, size)).meta.root > 1, "the copied database opens");
  }
  options.signal?.throwIfAborted();
  return { moved: await writer.commit(), findings: copied?.findings ?? [], alarms };
}

interface CopiedDatabase {
  readonly db: OutputFile;
  readonly size: number;
  readonly findings: readonly Finding[];
}

async function copyDatabase(
  writer: DataDirWriter,
  { database }: SalvagePlan,
  options: WriteOptions,
): Promise<CopiedDatabase | DamagedDatabase | undefined> {
  if (database === undefined) return undefined; // etcd makes one of the log
  const { path } = database.database;
  using opened = await openSnapshot(path, { ...options, sparesCaller: true });
  checkDiskSpace(options.dataDir, opened.file.source.size, opened.file.descriptor);
  const copy = writer.copyToSnap("db", opened.file.descriptor, options.signal);
  const work = [copy, checkStructure(opened, options)] as const;
  await Promise.allSettled(work);
  const [db] = await Promise.all(work);
  const findings = opened.findings.list();
  const damaged = findings.find((finding) => finding.level === "error");
  if (damaged !== undefined) return { damaged: { ...damaged, where: `${path} · ${damaged.where}` } };
  return { db, size: opened.file.source.size, findings };
}

/** Writes WAL and raft snapshot, and reads the WAL back. Returns the alarms behind its entries. */
function writeLog(
  writer: DataDirWriter,
  plan: SalvagePlan,
  survivors: readonly OpenSurvivor[],
  options: WriteOptions,
): readonly Alarm[] {
  const { identity, start, database } = plan;
  const { snapshot } = start;
  const self: Member = {
    id: identity.memberId,
    name: options.name,
    peerUrls: options.peerUrls,
    clientUrls: [],
    isLearner: false,
  };
  const own = identity.survivor?.log.state;
  const vote = own?.term === plan.term ? own.vote : 0n;
  const sole = becomeSoleMember(self, plan.cluster, plan.last, { term: plan.term, vote });
  const files: OutputFile[] = [];
  const sizes: number[] = [];
  const wal = createWalWriter({ nodeId: identity.memberId, clusterId: identity.clusterId }, (name) => {
    const file = writer.createInWal(name);
    const i = files.push(file) - 1;
    return {
      write(bytes, position) {
        file.write(bytes, position);
        sizes[i] = position + bytes.length;
      },
    };
  });
  wal.mark({ index: 0, term: 0, confState: undefined });
  if (snapshot !== undefined) wal.mark(snapshot);
  let alarms = database?.database.alarms ?? [];
  let count = 0;
  const read = entryReaders(survivors);
  for (const part of start.parts) {
    for (const place of partEntries(part)) {
      const entry = read(part.fragment.survivor, place);
      wal.entry(entry);
      count++;
      const isNew = entry.index > (database?.database.index ?? 0) && entry.type === ENTRY_NORMAL;
      if (isNew && entry.data !== undefined) alarms = alarmsAfter(alarms, entry.data);
    }
  }
  for (const entry of sole.entries) wal.entry(entry);
  wal.state(sole.state);
  wal.finish();
  const written = readLog(files.map((file, i) => descriptorSource(file.descriptor, file.path, sizes[i] ?? 0)));
  const total = written.fragments.reduce((sum, { entries }) => sum + entries.length, 0);
  const isWhole = written.breaks.length === 0 && total === count + sole.entries.length;
  const isSound = isWhole && written.fragments.length === 1 && written.state.commit === sole.state.commit;
  invariant(isSound, "the log that was written is read back whole");
  files.at(-1)?.truncate(Math.max(SEGMENT_SIZE, sizes.at(-1) ?? 0));
  if (snapshot !== undefined) {
    writer.createInSnap(formatSnapshotName(snapshot.term, snapshot.index)).write(encodeRaftSnapshot(snapshot), 0);
  }
  return alarms;
}

function entryReaders(survivors: readonly OpenSurvivor[]): (survivor: Survivor, place: LogEntry) => Entry {
  const readers = new Map(survivors.map(({ dataDir, segments }) => [dataDir, createEntryReader(segments)]));
  return ({ dataDir }, place) => {
    const read = readers.get(dataDir);
    invariant(read !== undefined, "an entry is of a survivor");
    const entry = read(place);
    if (entry.index === place.index && entry.term === place.term) return entry;
    throw new MendError("io", `the WAL of "${dataDir}" changed while it was read`, {
      where: dataDir,
      hint: "stop what writes to it",
    });
  };
}
