/**
 * `etcd salvage`: quorum is lost for good. Reads what the survivors have, picks the log that is most up to date, and writes a data dir with which
 * that member goes on alone, with every entry that it had.
 */
import { readBolt } from "../../bolt/bolt.ts";
import { readLastKey } from "../../bolt/edit.ts";
import { type Finding, invariant, MendError } from "../../errors/errors.ts";
import { findDataDirUsers, stopHint } from "../../io/etcd/data-dir-users.ts";
import { createDataDirWriter, type DataDirTarget, type DataDirWriter } from "../../io/etcd/data-dir-writer.ts";
import { type MemberDirectory, openMemberDirectory } from "../../io/etcd/member-directory.ts";
import { descriptorSource } from "../../io/files/file-source.ts";
import { type FileSystem, type OutputFile, realFileSystem } from "../../io/files/file-system.ts";
import { decodeRevision } from "../../mvcc/revision.ts";
import { checkStructure } from "../../snapshot/check-structure.ts";
import { openSnapshot, readStoreInfo, type SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { createEntryReader, type Log, type LogEntry, readLog } from "../../wal/log.ts";
import { formatMemberId, type Member } from "../../wal/membership.ts";
import { parsePeerUrls } from "../../wal/peer-urls.ts";
import {
  decodeConfChange,
  decodeConfChangeV2,
  ENTRY_CONF_CHANGE,
  ENTRY_CONF_CHANGE_V2,
  type Entry,
  votersOnly,
} from "../../wal/raft.ts";
import { encodeRaftSnapshot, type RaftSnapshot } from "../../wal/raft-snapshot.ts";
import { formatSnapshotName } from "../../wal/segment-name.ts";
import {
  type AppliedState,
  applyConfChanges,
  becomeSoleMember,
  compareLogs,
  type LogBase,
  type LogPosition,
  lastPosition,
  pickSnapshot,
  planBase,
} from "../../wal/survivor.ts";
import { createWalWriter, SEGMENT_SIZE } from "../../wal/writer.ts";

export interface SalvageOptions extends SnapshotOptions, DataDirTarget {
  readonly name: string;
  readonly initialAdvertisePeerUrls: string;
  /** Drop entries beyond the commit index, as etcd's --force-new-cluster does. */
  readonly committedOnly?: boolean;
  /** Where the WAL of a survivor is that is not in its data dir, by data dir. */
  readonly survivorWalDirs?: ReadonlyMap<string, string>;
  readonly fileSystem?: FileSystem;
}

/** What one data dir holds. */
export interface SurvivorReport {
  readonly dataDir: string;
  readonly memberId: string;
  readonly clusterId: string;
  readonly name: string;
  /** Of the last entry that can be read. */
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** raft's current term, and what this member knew to be committed. */
  readonly term: number;
  readonly commitIndex: number;
  /** The last entry that the database has taken in, and its newest revision; null where the database cannot be read. */
  readonly appliedIndex: number | null;
  readonly revision: number | null;
  readonly walEnd: "complete" | "torn" | "damaged";
  readonly findings: readonly Finding[];
}

export interface SalvageResult {
  readonly survivors: readonly SurvivorReport[];
  /** The data dir whose log goes on, and why that one. */
  readonly chosen: string;
  readonly reason: string;
  readonly dataDir: string;
  /** Where what was there before is now. */
  readonly movedAside: string | null;
  readonly walMovedAside: string | null;
  readonly memberId: string;
  readonly clusterId: string;
  /** Members that are no longer part of the cluster. */
  readonly removedMembers: readonly string[];
  /** Entries behind the database, which etcd takes in when it starts; of them, those that were not known to be committed. */
  readonly replayedEntries: number;
  readonly uncommittedEntries: number;
  readonly droppedEntries: number;
  readonly findings: readonly Finding[];
}

interface Survivor {
  readonly directory: MemberDirectory;
  readonly log: Log;
  readonly snapshot: RaftSnapshot | undefined;
  readonly last: LogPosition;
  readonly database: Database | undefined;
  readonly report: SurvivorReport;
}

interface Database extends AppliedState {
  readonly path: string;
  readonly revision: number;
}

/** Throws `data-dir-in-use` while an etcd runs on one of them, `wal-damaged` where nothing can be made of any. */
export async function salvage(dataDirs: readonly string[], options: SalvageOptions): Promise<SalvageResult> {
  const peerUrls = parsePeerUrls(options.initialAdvertisePeerUrls.split(","), "--initial-advertise-peer-urls");
  const survivors: Survivor[] = [];
  try {
    for (const dataDir of dataDirs) survivors.push(await readSurvivor(dataDir, options.survivorWalDirs?.get(dataDir)));
    checkSameCluster(survivors);
    const { chosen, database, reason } = choose(survivors);
    return await writeSalvaged(survivors, chosen, database, reason, peerUrls, options);
  } finally {
    for (const survivor of survivors) survivor.directory[Symbol.dispose]();
  }
}

async function readSurvivor(dataDir: string, walDir: string | undefined): Promise<Survivor> {
  for (const path of walDir === undefined ? [dataDir] : [dataDir, walDir]) {
    const users = findDataDirUsers(path).filter((user) => user.kind === "process");
    if (users.length === 0) continue;
    const names = users.map((user) => user.name).join(", ");
    throw new MendError("data-dir-in-use", `data dir "${path}" is in use by ${names}`, {
      where: path,
      hint: stopHint(findDataDirUsers(path)),
    });
  }
  const directory = openMemberDirectory(dataDir, walDir);
  try {
    const findings = [...directory.findings];
    const log = readLog(directory.segments);
    const snapshot = pickSnapshot(log, directory.snapshots);
    const last = lastPosition(log, snapshot);
    const { end } = log;
    if (end.kind !== "complete") {
      const where = `${directory.segments[end.segment]?.name} · byte ${end.position}`;
      const lost = `entries from index ${last.index + 1} on, if there were any, are lost here`;
      const level = end.kind === "torn" ? "warning" : "error";
      findings.push({ level, code: `wal-${end.kind}`, where, text: `${end.text}; ${lost}` });
    }
    const database = await readDatabase(directory, snapshot, findings);
    const own = database?.members.find((member) => member.id === log.metadata.nodeId);
    const report: SurvivorReport = {
      dataDir,
      memberId: formatMemberId(log.metadata.nodeId),
      clusterId: formatMemberId(log.metadata.clusterId),
      name: own?.name ?? "",
      lastIndex: last.index,
      lastTerm: last.term,
      term: log.state.term,
      commitIndex: log.state.commit,
      appliedIndex: database?.consistentIndex ?? null,
      revision: database?.revision ?? null,
      walEnd: end.kind,
      findings,
    };
    return { directory, log, snapshot, last, database, report };
  } catch (error) {
    directory[Symbol.dispose]();
    throw error;
  }
}

/** The database that etcd would use: `db`, or the one that came with the raft snapshot where `db` is older than that. */
async function readDatabase(
  directory: MemberDirectory,
  snapshot: RaftSnapshot | undefined,
  findings: Finding[],
): Promise<Database | undefined> {
  const received = snapshot === undefined ? undefined : directory.receivedDatabases.get(snapshot.index);
  let best: Database | undefined;
  for (const path of [directory.database, ...(received === undefined ? [] : [received])]) {
    try {
      using opened = await openSnapshot(path);
      const info = readStoreInfo(opened);
      const key = readLastKey(opened.bolt, "key");
      const database: Database = {
        path,
        consistentIndex: info.consistentIndex ?? 0,
        term: info.term,
        members: info.members.map(
          (member): Member => ({
            id: BigInt(`0x${member.id}`),
            name: member.name,
            peerUrls: member.peerURLs,
            clientUrls: member.clientURLs,
            isLearner: member.isLearner,
          }),
        ),
        revision: key === undefined ? 0 : (decodeRevision(key)?.main ?? 0),
      };
      findings.push(...opened.findings.list());
      if (best === undefined || database.consistentIndex > best.consistentIndex) best = database;
    } catch (error) {
      if (!(error instanceof MendError) || error.code === "internal") throw error;
      findings.push({ level: "error", code: "database-unreadable", where: path, text: error.message });
    }
  }
  return best;
}

function checkSameCluster(survivors: readonly Survivor[]): void {
  const [first, ...others] = survivors;
  invariant(first !== undefined, "salvage is given a data dir");
  for (const { report } of others) {
    if (report.clusterId !== first.report.clusterId) {
      const text = `"${first.report.dataDir}" is of cluster ${first.report.clusterId}, "${report.dataDir}" of cluster ${report.clusterId}`;
      throw new MendError("usage", text, { hint: "give data dirs of one cluster" });
    }
    const twin = survivors.find((other) => other.report !== report && other.report.memberId === report.memberId);
    if (twin !== undefined) {
      const text = `"${twin.report.dataDir}" and "${report.dataDir}" are of the same member ${report.memberId}`;
      throw new MendError("usage", text, { hint: "give one data dir of each member" });
    }
  }
}

/** The most up-to-date log that a database fits: its own, else another survivor's. */
function choose(survivors: readonly Survivor[]): { chosen: Survivor; database: Database; reason: string } {
  const ranked = [...survivors].sort((a, b) => compareLogs(b.last, a.last));
  for (const [rank, chosen] of ranked.entries()) {
    const others = ranked.filter((other) => other !== chosen).map((other) => other.database);
    others.sort((a, b) => (b?.consistentIndex ?? 0) - (a?.consistentIndex ?? 0));
    const database = [chosen.database, ...others].find(
      (candidate): candidate is Database =>
        candidate !== undefined && planBase(chosen.log, chosen.snapshot, candidate) !== undefined,
    );
    if (database === undefined) continue;
    return { chosen, database, reason: reasonFor(ranked, rank, chosen, database) };
  }
  const findings = survivors
    .flatMap((survivor) => survivor.report.findings)
    .filter((finding) => finding.level === "error");
  throw new MendError("wal-damaged", `no data dir can be salvaged: ${findings[0]?.text ?? "none has a database"}`, {
    where: findings[0]?.where ?? survivors[0]!.report.dataDir,
    hint: "restore the newest snapshot with kubemend snapshot restore",
  });
}

function reasonFor(ranked: readonly Survivor[], rank: number, chosen: Survivor, database: Database): string {
  const { lastIndex, lastTerm } = chosen.report;
  const place = `its log ends at index ${lastIndex} of term ${lastTerm}`;
  const next = ranked[rank === 0 ? 1 : 0];
  let reason = place;
  if (rank > 0) {
    reason = `${place}; that of "${next!.report.dataDir}" is more up to date, but neither its database nor another fits it`;
  } else if (next !== undefined) {
    const { last, report } = next;
    if (compareLogs(chosen.last, last) === 0) reason = `${place}, as the others' do at most`;
    else if (chosen.last.term > last.term)
      reason = `${place}, a later term than that of "${report.dataDir}" (${last.term})`;
    else reason = `${place}, behind which "${report.dataDir}" has fallen (${last.index})`;
  }
  return database === chosen.database ? reason : `${reason}; the database is that of "${database.path}"`;
}

async function writeSalvaged(
  survivors: readonly Survivor[],
  chosen: Survivor,
  database: Database,
  reason: string,
  peerUrls: readonly string[],
  options: SalvageOptions,
): Promise<SalvageResult> {
  const { log, report } = chosen;
  const findings: Finding[] = [];
  const whole = planBase(log, chosen.snapshot, database);
  invariant(whole !== undefined, "the chosen log has a base");
  const commit = Math.max(log.state.commit, database.consistentIndex);
  const kept = options.committedOnly === true ? whole.entries.filter((entry) => entry.index <= commit) : whole.entries;
  if (whole.isMade) {
    const text = `the log does not reach from its raft snapshot to the database, which goes on from its own index ${database.consistentIndex}; keys of the v2 API, if there were any, are lost`;
    findings.push({ level: "warning", code: "raft-snapshot-made", where: chosen.directory.path, text });
  }
  const writer = createDataDirWriter(options.fileSystem ?? realFileSystem, options);
  try {
    const db = await copyDatabase(writer, database, options, findings);
    const self: Member = {
      id: log.metadata.nodeId,
      name: options.name,
      peerUrls,
      clientUrls: [],
      isLearner: false,
    };
    const removed = writeLog(writer, chosen, { ...whole, entries: kept }, self);
    invariant(readBolt(descriptorSource(db.descriptor, db.path, db.size)).meta.root > 1, "the copied database opens");
    options.signal?.throwIfAborted();
    const moved = await writer.commit();
    return {
      survivors: survivors.map((survivor) => survivor.report),
      chosen: report.dataDir,
      reason,
      dataDir: options.dataDir,
      movedAside: moved.dataDir,
      walMovedAside: moved.walDir,
      memberId: report.memberId,
      clusterId: report.clusterId,
      removedMembers: removed.map(formatMemberId),
      replayedEntries: kept.filter((entry) => entry.index > database.consistentIndex).length,
      uncommittedEntries: kept.filter((entry) => entry.index > commit).length,
      droppedEntries: whole.entries.length - kept.length,
      findings,
    };
  } finally {
    writer.discard();
  }
}

async function copyDatabase(
  writer: DataDirWriter,
  database: Database,
  options: SalvageOptions,
  findings: Finding[],
): Promise<OutputFile & { readonly size: number }> {
  using opened = await openSnapshot(database.path, options);
  const work = [writer.copyToSnap("db", opened.file.descriptor), checkStructure(opened, options)] as const;
  await Promise.allSettled(work);
  const [db] = await Promise.all(work);
  findings.push(...opened.findings.list());
  const error = opened.findings.list().find((finding) => finding.level === "error");
  if (error !== undefined) {
    throw new MendError("snapshot-damaged", `the database is damaged: ${error.text}`, {
      where: `${database.path} · ${error.where}`,
      hint: "leave this data dir out, or restore the newest snapshot with kubemend snapshot restore",
    });
  }
  return Object.assign(db, { size: opened.file.source.size });
}

/** Writes WAL and raft snapshot, reads the WAL back, and returns who had to leave. */
function writeLog(writer: DataDirWriter, chosen: Survivor, base: LogBase, self: Member): bigint[] {
  const { log, directory } = chosen;
  const { snapshot, entries } = base;
  const read = createEntryReader(directory.segments);
  const start = snapshot?.confState ?? votersOnly([]);
  const cluster = applyConfChanges(
    start,
    entries.flatMap((entry) => confChanges(read, entry)),
  );
  const last = entries.at(-1) ?? snapshot ?? { term: 0, index: 0 };
  const sole = becomeSoleMember(self, cluster, last, log.state);
  const files: OutputFile[] = [];
  const sizes: number[] = [];
  const wal = createWalWriter(log.metadata, (name) => {
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
  for (const entry of entries) wal.entry(read(entry));
  for (const entry of sole.entries) wal.entry(entry);
  wal.state(sole.state);
  wal.finish();
  const sources = files.map((file, i) => descriptorSource(file.descriptor, file.path, sizes[i] ?? 0));
  const written = readLog(sources);
  const sound = written.end.kind === "complete" && written.entries.length === entries.length + sole.entries.length;
  invariant(sound && written.state.commit === sole.state.commit, "the log that was written is read back whole");
  files.at(-1)?.truncate(Math.max(SEGMENT_SIZE, sizes.at(-1) ?? 0));
  if (snapshot !== undefined) {
    writer.createInSnap(formatSnapshotName(snapshot.term, snapshot.index)).write(encodeRaftSnapshot(snapshot), 0);
  }
  return [...cluster.voters, ...cluster.learners].filter((id) => id !== self.id);
}

function confChanges(
  read: (entry: LogEntry) => Entry,
  entry: LogEntry,
): readonly { readonly type: number; readonly nodeId: bigint }[] {
  if (entry.type !== ENTRY_CONF_CHANGE && entry.type !== ENTRY_CONF_CHANGE_V2) return [];
  const { data } = read(entry);
  if (data === undefined) return [];
  return entry.type === ENTRY_CONF_CHANGE ? [decodeConfChange(data)] : decodeConfChangeV2(data);
}
