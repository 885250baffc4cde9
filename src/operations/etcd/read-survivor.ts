/** Reads what one stopped member left. Whatever is missing, damaged or unreadable is described, so that the others can still be used. */

import { existsSync } from "node:fs";
import { defined } from "../../errors/defined.ts";
import { type Finding, MendError } from "../../errors/errors.ts";
import { findDataDirUsers, stopHint } from "../../io/etcd/data-dir-users.ts";
import { type MemberDirectory, openMemberDirectory } from "../../io/etcd/member-directory.ts";
import { newestRevision } from "../../mvcc/newest-revision.ts";
import type { Survivor, SurvivorDatabase } from "../../salvage/survivor.ts";
import { openSnapshot, readStoreInfo, type SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { type LogBreak, readLog, type Segment } from "../../wal/log.ts";
import type { Member } from "../../wal/membership.ts";

export interface OpenSurvivor extends Survivor, Disposable {
  readonly segments: readonly Segment[];
  readonly findings: readonly Finding[];
}

/** Throws `data-dir-in-use` while an etcd runs on it, `not-found` where there is no such directory. `walDir` as etcd's `--wal-dir`. */
export async function readSurvivor(
  dataDir: string,
  walDir: string | undefined,
  options: SnapshotOptions,
): Promise<OpenSurvivor> {
  for (const path of walDir === undefined ? [dataDir] : [dataDir, walDir]) refuseInUse(path);
  if (!existsSync(dataDir)) {
    throw new MendError("not-found", `"${dataDir}" does not exist`, { where: dataDir, hint: "check the path" });
  }
  const findings: Finding[] = [];
  const directory = openOrDescribe(dataDir, walDir, findings);
  try {
    const segments = directory?.segments ?? [];
    const log = readLog(segments);
    findings.push(...(directory?.findings ?? []), ...log.breaks.map((each) => describeBreak(each, segments)));
    if (segments.length > 0 && log.metadata === undefined) {
      const text = "no segment says which member it is of: nothing in it can be used";
      findings.push({ level: "error", code: "wal-without-member", where: defined(directory).wal, text });
    }
    return {
      dataDir,
      // A log of nobody is no part of any history.
      log: log.metadata === undefined ? { ...log, fragments: [], marks: [] } : log,
      snapshots: directory?.snapshots ?? [],
      databases: directory === undefined ? [] : await readDatabases(directory, findings, options),
      segments,
      findings,
      [Symbol.dispose]: () => directory?.[Symbol.dispose](),
    };
  } catch (error) {
    directory?.[Symbol.dispose]();
    throw error;
  }
}

function refuseInUse(path: string): void {
  const users = findDataDirUsers(path);
  const processes = users.filter((user) => user.kind === "process");
  if (processes.length === 0) return;
  const names = processes.map((user) => user.name).join(", ");
  throw new MendError("data-dir-in-use", `data dir "${path}" is in use by ${names}`, {
    where: path,
    hint: stopHint(users),
  });
}

function openOrDescribe(dataDir: string, walDir: string | undefined, findings: Finding[]): MemberDirectory | undefined {
  try {
    return openMemberDirectory(dataDir, walDir);
  } catch (error) {
    if (!(error instanceof MendError) || error.code === "internal") throw error;
    findings.push({ level: "error", code: "data-dir-unreadable", where: dataDir, text: error.message });
    return undefined;
  }
}

const BREAK_CODES: Readonly<Record<LogBreak["kind"], Finding["code"]>> = {
  torn: "wal-torn",
  damaged: "wal-damaged",
  missing: "wal-segment-missing",
  empty: "wal-segment-empty",
  unreadable: "wal-segment-unreadable",
};

function describeBreak(
  { kind, segment, position, text, before, behind }: LogBreak,
  segments: readonly Segment[],
): Finding {
  const next = (before ?? 0) + 1;
  const from = before === undefined ? "entries" : `entries from ${next} on`;
  let lost: string;
  if (behind === undefined) lost = `${from}, if there were any, are lost here`;
  else if (behind <= next) lost = "no entry is missing here, unless a later leader wrote it again";
  else if (behind === next + 1) lost = `entry ${next} is lost here`;
  else
    lost =
      before === undefined ? `entries before ${behind} are not here` : `entries ${next} to ${behind - 1} are lost here`;
  const level = kind === "torn" ? "warning" : "error";
  return {
    level,
    code: BREAK_CODES[kind],
    where: `${segments[segment]?.name} · byte ${position}`,
    text: `${text}; ${lost}`,
  };
}

/** The database that etcd would use, and those that came with a raft snapshot and were not taken over yet. */
async function readDatabases(
  directory: MemberDirectory,
  findings: Finding[],
  options: SnapshotOptions,
): Promise<SurvivorDatabase[]> {
  const databases: SurvivorDatabase[] = [];
  const paths = [
    ...(directory.database === undefined ? [] : [directory.database]),
    ...directory.receivedDatabases.values(),
  ];
  if (directory.database === undefined) {
    const text = "there is no database here";
    findings.push({ level: "error", code: "database-missing", where: directory.path, text });
  }
  for (const path of paths) {
    try {
      databases.push(await readDatabase(path, findings, options));
    } catch (error) {
      if (!(error instanceof MendError) || error.code === "internal" || error.code === "interrupted") throw error;
      findings.push({ level: "error", code: "database-unreadable", where: path, text: error.message });
    }
  }
  return databases;
}

async function readDatabase(path: string, findings: Finding[], options: SnapshotOptions): Promise<SurvivorDatabase> {
  using opened = await openSnapshot(path, options);
  const info = readStoreInfo(opened);
  findings.push(...opened.findings.list());
  return {
    path,
    index: info.consistentIndex ?? 0,
    term: info.term,
    revision: Math.max(newestRevision(opened.bolt), info.scheduledCompact),
    members: info.members.map(
      (member): Member => ({
        id: BigInt(`0x${member.id}`),
        name: member.name,
        peerUrls: member.peerURLs,
        clientUrls: member.clientURLs,
        isLearner: member.isLearner,
      }),
    ),
    removedMembers: info.removedMembers.filter((id) => /^[0-9a-f]{1,16}$/.test(id)).map((id) => BigInt(`0x${id}`)),
    clusterVersion: info.clusterVersion,
    storageVersion: info.storageVersion,
    alarms: info.alarms,
    problem: undefined,
  };
}
