/** Opens what a stopped etcd member left on disk: its WAL segments and raft snapshots. Nothing is changed. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Finding, MendError } from "../../errors/errors.ts";
import { decodeRaftSnapshot, type RaftSnapshot } from "../../wal/raft-snapshot.ts";
import { parseSegmentName, parseSnapshotName } from "../../wal/segment-name.ts";
import { type FileSource, openFileSource } from "../files/file-source.ts";
import { fromSystemError } from "../files/system-error.ts";

/** A raft snapshot beyond this is no v2 store: etcd's own limit for v2 data is far below. */
const MOST_SNAPSHOT_BYTES = 256 * 1024 * 1024;

export interface MemberDirectory extends Disposable {
  readonly path: string;
  /** Oldest first, without gaps between their numbers. */
  readonly segments: readonly FileSource[];
  readonly snapshots: readonly RaftSnapshot[];
  /** `member/snap/db`. */
  readonly database: string;
  /** Databases that came with a raft snapshot and were not taken over yet, by index. */
  readonly receivedDatabases: ReadonlyMap<number, string>;
  readonly findings: readonly Finding[];
}

/** `walDir`: where etcd's `--wal-dir` has the WAL, if not in the data dir. Throws `not-found` where `path` is no data dir. */
export function openMemberDirectory(path: string, walDir?: string): MemberDirectory {
  const snap = join(path, "member/snap");
  const wal = walDir ?? join(path, "member/wal");
  const findings: Finding[] = [];
  const snapshots: RaftSnapshot[] = [];
  const receivedDatabases = new Map<number, string>();
  for (const name of list(snap, path, DATA_DIR_HINT)) {
    const received = /^([0-9a-f]{16})\.snap\.db$/.exec(name);
    if (received !== null) receivedDatabases.set(Number.parseInt(received[1]!, 16), join(snap, name));
    if (parseSnapshotName(name) === undefined) continue;
    try {
      snapshots.push(readSnapshot(join(snap, name), name));
    } catch (error) {
      if (!(error instanceof MendError)) throw error;
      findings.push({ level: "warning", code: "raft-snapshot-damaged", where: join(snap, name), text: error.message });
    }
  }
  const names = continuous(list(wal, path, walDir === undefined ? WAL_HINT : DATA_DIR_HINT), wal, findings);
  const segments: FileSource[] = [];
  const close = (): void => {
    for (const segment of segments.splice(0)) segment.close();
  };
  try {
    for (const name of names) segments.push(openFileSource(join(wal, name)));
  } catch (error) {
    close();
    throw error;
  }
  return {
    path,
    segments,
    snapshots,
    database: join(snap, "db"),
    receivedDatabases,
    findings,
    [Symbol.dispose]: close,
  };
}

function readSnapshot(path: string, name: string): RaftSnapshot {
  if (statSync(path).size > MOST_SNAPSHOT_BYTES) {
    throw new MendError("wal-damaged", `raft snapshot "${name}" is larger than ${MOST_SNAPSHOT_BYTES} bytes`);
  }
  return decodeRaftSnapshot(readFileSync(path), name);
}

const DATA_DIR_HINT = "give the directory that etcd's --data-dir names, which holds member/wal and member/snap";
const WAL_HINT = "where etcd runs with --wal-dir, say where with --survivor-wal-dir";

function list(directory: string, dataDir: string, hint: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw fromSystemError(error, "read directory", directory);
    throw new MendError("not-found", `"${dataDir}" is no etcd data dir: "${directory}" is missing`, {
      where: dataDir,
      hint,
    });
  }
}

/** The last run of segments whose numbers follow each other. */
function continuous(files: readonly string[], directory: string, findings: Finding[]): string[] {
  const names = files.filter((file) => parseSegmentName(file) !== undefined);
  const sequence = (i: number): number => parseSegmentName(names[i]!)!.sequence;
  let first = 0;
  for (let i = 1; i < names.length; i++) {
    if (sequence(i) === sequence(i - 1) + 1) continue;
    const text = `segment ${sequence(i)} follows segment ${sequence(i - 1)}: those in between are missing, and what was before cannot be used`;
    findings.push({ level: "error", code: "wal-segment-missing", where: join(directory, names[i]!), text });
    first = i;
  }
  return names.slice(first);
}
