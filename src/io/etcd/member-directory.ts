/** Opens what a stopped etcd member left on disk: its WAL segments, raft snapshots and databases. Nothing is changed. */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { defined } from "../../errors/defined.ts";
import { type Finding, MendError } from "../../errors/errors.ts";
import type { FindingCode } from "../../errors/finding-codes.ts";
import { fromSystemError } from "../../errors/system-error.ts";
import type { Segment } from "../../wal/log.ts";
import { decodeRaftSnapshot, type RaftSnapshot } from "../../wal/raft-snapshot.ts";
import { parseSegmentName, parseSnapshotName } from "../../wal/segment-name.ts";
import { type FileSource, openFileSource } from "../files/file-source.ts";

/** A raft snapshot beyond this is no v2 store: etcd's own limit for v2 data is far below. */
const MOST_SNAPSHOT_BYTES = 256 * 1024 * 1024;

export interface MemberDirectory extends Disposable {
  readonly path: string;
  /** Where the WAL is. */
  readonly wal: string;
  /** By their numbers; numbers may be missing. Empty where there is no WAL. */
  readonly segments: readonly Segment[];
  readonly snapshots: readonly RaftSnapshot[];
  /** `member/snap/db`; undefined where there is none. */
  readonly database: string | undefined;
  /** Databases that came with a raft snapshot and were not taken over yet, by index. */
  readonly receivedDatabases: ReadonlyMap<number, string>;
  /** What is not there or cannot be read. */
  readonly findings: readonly Finding[];
}

/**
 * `walDir`: where etcd's `--wal-dir` has the WAL, if not in the data dir. Throws `not-found` where `path` has neither a
 * WAL nor a database; whatever else is missing or unreadable is among the findings.
 */
export function openMemberDirectory(path: string, walDir?: string): MemberDirectory {
  const snap = join(path, "member/snap");
  const wal = walDir ?? join(path, "member/wal");
  if (!isThere(wal) && !isThere(snap)) {
    throw new MendError("not-found", `"${path}" is no etcd data dir: "${join(path, "member")}" is missing`, {
      where: path,
      hint: "give the directory that etcd's --data-dir names, which holds member/wal and member/snap",
    });
  }
  const findings: Finding[] = [];
  const snapshots: RaftSnapshot[] = [];
  const receivedDatabases = new Map<number, string>();
  for (const name of list(snap, "snap-unreadable", findings)) {
    const received = /^([0-9a-f]{16})\.snap\.db$/.exec(name);
    if (received !== null) receivedDatabases.set(Number.parseInt(defined(received[1]), 16), join(snap, name));
    if (parseSnapshotName(name) === undefined) continue;
    try {
      snapshots.push(readSnapshot(join(snap, name), name));
    } catch (error) {
      if (!(error instanceof MendError)) throw error;
      findings.push({ level: "warning", code: "raft-snapshot-damaged", where: join(snap, name), text: error.message });
    }
  }
  const names = list(wal, "wal-unreadable", findings).filter((name) => parseSegmentName(name) !== undefined);
  if (names.length === 0 && !findings.some((finding) => finding.code === "wal-unreadable")) {
    const text = "no WAL is here: entries that its database has not taken in, if there were any, cannot be used";
    findings.push({ level: "error", code: "wal-missing", where: wal, text });
  }
  const open: FileSource[] = [];
  const close = (): void => {
    for (const segment of open.splice(0)) segment.close();
  };
  const database = join(snap, "db");
  return {
    path,
    wal,
    segments: names.map((name) => openSegment(join(wal, name), open)),
    snapshots,
    database: existsSync(database) ? database : undefined,
    receivedDatabases,
    findings,
    [Symbol.dispose]: close,
  };
}

function openSegment(path: string, open: FileSource[]): Segment {
  try {
    const source = openFileSource(path);
    open.push(source);
    return source;
  } catch (error) {
    if (!(error instanceof MendError) || error.code === "internal") throw error;
    return { name: path, problem: error.message };
  }
}

function readSnapshot(path: string, name: string): RaftSnapshot {
  try {
    if (statSync(path).size <= MOST_SNAPSHOT_BYTES) return decodeRaftSnapshot(readFileSync(path), name);
  } catch (error) {
    throw error instanceof MendError ? error : fromSystemError(error, "read", path);
  }
  throw new MendError("wal-damaged", `raft snapshot "${name}" is larger than ${MOST_SNAPSHOT_BYTES} bytes`);
}

/** Whether there is anything of this name, readable or not. */
function isThere(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code !== "ENOENT" && code !== "ENOTDIR";
  }
}

/** The names in a directory; none where it is missing, and a finding where it cannot be read. */
function list(directory: string, code: FindingCode, findings: Finding[]): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    const read = fromSystemError(error, "read directory", directory);
    if (!(read instanceof MendError)) throw read;
    findings.push({ level: "error", code, where: directory, text: read.message });
    return [];
  }
}
