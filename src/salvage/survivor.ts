/**
 * What is left of a cluster that lost its quorum, and what can be made of it. A survivor brings any of these:
 * databases, each of which has taken in all entries up to its index; fragments of a log; raft snapshots; and its raft
 * state. All decisions here are pure: survivors in, a plan out.
 *
 * Three facts of raft carry them (sections 5.3 and 5.4 of the raft paper). Two logs that have an entry of one index and
 * term have the same entries before it. What a member has applied was committed, and so was what its raft state calls
 * committed. A committed entry is in the log of every later leader, so of two logs the one whose last entry has the
 * higher term has it, and of two with equal terms the longer one.
 */
import { defined } from "../errors/defined.ts";
import type { Alarm } from "../mvcc/store-info.ts";
import type { Log, LogFragment } from "../wal/log.ts";
import type { Member } from "../wal/membership.ts";
import type { RaftSnapshot } from "../wal/raft-snapshot.ts";

/** A database, which holds what all entries up to `index` wrote. */
export interface SurvivorDatabase {
  readonly path: string;
  /** The last entry that it has taken in; 0 where it has taken in none. */
  readonly index: number;
  /** That entry's term; etcd before 3.5 does not say. */
  readonly term: number | undefined;
  /** The newest revision, or that of the last compaction where that is higher. */
  readonly revision: number;
  readonly members: readonly Member[];
  readonly removedMembers: readonly bigint[];
  /** Such as "3.5.0": the lowest version among the members when it was set. */
  readonly clusterVersion: string | undefined;
  /** Of the database's schema, since etcd 3.6. */
  readonly storageVersion: string | undefined;
  readonly alarms: readonly Alarm[];
  /** Why it cannot be used; undefined where nothing is known against it. */
  readonly problem: string | undefined;
}

export interface Survivor {
  readonly dataDir: string;
  readonly log: Log;
  /** Those whose files are sound. */
  readonly snapshots: readonly RaftSnapshot[];
  readonly databases: readonly SurvivorDatabase[];
}

/** An entry of a log: raft's proof rests on these two numbers. */
export interface LogPosition {
  readonly term: number;
  readonly index: number;
}

/** Positive where `a` is more up to date than `b`. */
export function compareLogs(a: LogPosition, b: LogPosition): number {
  return a.term === b.term ? a.index - b.index : a.term - b.term;
}

/** A fragment and the survivor it is of. */
export interface HeldFragment extends LogFragment {
  readonly survivor: Survivor;
  readonly first: number;
  readonly last: number;
}

export function heldFragments(survivors: readonly Survivor[]): HeldFragment[] {
  return survivors.flatMap((survivor) =>
    survivor.log.fragments.map((fragment) => ({
      ...fragment,
      survivor,
      first: defined(fragment.entries[0]).index,
      last: defined(fragment.entries.at(-1)).index,
    })),
  );
}

/** The term of the entry of this index; undefined where the fragment does not have it. */
export function termAt(fragment: HeldFragment, index: number): number | undefined {
  return fragment.entries[index - fragment.first]?.term;
}

/** The entries of a fragment that its member knew to be committed end here; 0 where none was. */
export function committedEnd(fragment: HeldFragment): number {
  const end = Math.min(fragment.commit, fragment.last);
  return end >= fragment.first ? end : 0;
}

/** Up to which index anything that the survivor has says that entries were committed. */
export function knownCommit({ log, databases, snapshots }: Survivor): number {
  return Math.max(
    log.state.commit,
    ...log.fragments.map((fragment) => fragment.commit),
    ...log.marks.map((mark) => mark.index),
    ...databases.map((database) => database.index),
    ...snapshots.map((snapshot) => snapshot.index),
  );
}

/**
 * Entries that were committed for certain: those that fragments, raft snapshots and databases say. Whatever is before
 * them in the same log was, too.
 */
export function committedPositions(survivors: readonly Survivor[], fragments: readonly HeldFragment[]): LogPosition[] {
  const positions: LogPosition[] = [];
  for (const { log, snapshots, databases } of survivors) {
    for (const { index, term } of [...log.marks, ...snapshots]) positions.push({ index, term });
    for (const { index, term } of databases) {
      if (term !== undefined && !fragments.some((fragment) => (termAt(fragment, index) ?? 0) > term)) {
        positions.push({ index, term });
      }
    }
  }
  for (const fragment of fragments) {
    const index = committedEnd(fragment);
    if (index > 0) positions.push({ index, term: defined(termAt(fragment, index)) });
  }
  return positions.filter(({ index }) => index > 0);
}
