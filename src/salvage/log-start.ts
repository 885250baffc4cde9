/**
 * From where the new log is written. A raft snapshot of a survivor serves where the entries behind it are there without
 * a gap: keys of the v2 API are in it. Else a snapshot is made of the database, which has everything up to its own
 * index, and the log begins behind it.
 */
import { defined } from "../errors/defined.ts";
import type { LogEntry } from "../wal/log.ts";
import { encodeMemberStore } from "../wal/membership.ts";
import { votersOnly } from "../wal/raft.ts";
import type { RaftSnapshot } from "../wal/raft-snapshot.ts";
import { isJoin, type Join, joinTo, type LogPart } from "./join.ts";
import { type HeldFragment, type LogPosition, type Survivor, type SurvivorDatabase, termAt } from "./survivor.ts";

/** etcd 3.4 and before read no record that is longer. */
const MOST_ENTRY_BYTES_3_4 = 10 * 1024 * 1024;

export interface LogStart {
  /** Undefined where the log has its very first entry. */
  readonly snapshot: RaftSnapshot | undefined;
  /** All entries that are written, those that the database has among them. */
  readonly parts: readonly LogPart[];
  /** Why the raft snapshot had to be made; undefined where a survivor's serves. */
  readonly made: "log-incomplete" | "entry-too-large" | undefined;
}

/** `join` continues `database`; without a database the log must have its first entry. */
export function planLogStart(
  survivors: readonly Survivor[],
  fragments: readonly HeldFragment[],
  committed: readonly LogPosition[],
  database: SurvivorDatabase | undefined,
  join: Join,
): LogStart | undefined {
  const index = database?.index ?? 0;
  const term = termOf(database, join, fragments, committed);
  const old = survivors
    .flatMap((survivor) => survivor.snapshots.map((snapshot) => ({ survivor, snapshot })))
    .filter(({ snapshot }) => snapshot.index <= index)
    .sort((a, b) => b.snapshot.index - a.snapshot.index);
  let isTooLarge = false;
  for (const candidate of [...old, undefined]) {
    const from = candidate?.snapshot;
    const start = { index: from?.index ?? 0, term: from?.term ?? 0, survivor: candidate?.survivor };
    const behind = before(start, index, term, fragments);
    if (behind === undefined) continue;
    const parts = mergeParts([...behind, ...join.parts]);
    isTooLarge = hasSmallEntriesOnly(database) && behind.some((part) => partEntries(part).some(isTooLargeFor34));
    if (!isTooLarge) return { snapshot: from, parts, made: undefined };
    break;
  }
  if (database === undefined || database.index === 0) return undefined;
  const voters = database.members.filter((member) => !member.isLearner).map((member) => member.id);
  const learners = database.members.filter((member) => member.isLearner).map((member) => member.id);
  return {
    snapshot: {
      index,
      term: term ?? firstTerm(join) ?? Math.max(...survivors.map(({ log }) => log.state.term)),
      confState: { ...votersOnly(voters), learners },
      data: encodeMemberStore(database.members),
    },
    parts: join.parts,
    made: isTooLarge ? "entry-too-large" : "log-incomplete",
  };
}

/** Whether an etcd may start on it that reads no large entries: 3.4, or one that is not known. */
export function hasSmallEntriesOnly(database: SurvivorDatabase | undefined): boolean {
  const minor = /^3\.(\d+)\./.exec(database?.clusterVersion ?? "")?.[1];
  return database?.term === undefined && (minor === undefined || Number(minor) <= 4);
}

export function isTooLargeFor34(entry: LogEntry): boolean {
  return entry.size >= MOST_ENTRY_BYTES_3_4;
}

/** The entries behind a raft snapshot up to those that the database has; undefined where one is missing or not proved. */
function before(
  start: LogPosition & { readonly survivor: Survivor | undefined },
  index: number,
  term: number | undefined,
  fragments: readonly HeldFragment[],
): readonly LogPart[] | undefined {
  if (start.index === index) return term === undefined || start.index === 0 || term === start.term ? [] : undefined;
  for (const fragment of fragments) {
    const own = termAt(fragment, index);
    if (own === undefined || (term !== undefined && own !== term)) continue;
    const cut = { ...fragment, entries: fragment.entries.slice(0, index - fragment.first + 1), last: index };
    const way = joinTo(cut, start, fragments);
    if (isJoin(way) && way.unproved.length === 0) return way.parts;
  }
  return undefined;
}

/**
 * The term of the last entry that the database has taken in, as far as anything says it. Where an etcd 3.4 continued with
 * a database of 3.5, the database's own word is too old: a log that has a later term there is right, because nobody
 * writes another entry in place of one that was committed.
 */
export function termOf(
  database: SurvivorDatabase | undefined,
  join: Join | undefined,
  fragments: readonly HeldFragment[],
  committed: readonly LogPosition[],
): number | undefined {
  if (database === undefined || database.index === 0) return 0;
  const { index } = database;
  const first = join?.parts[0];
  const onTheWay = first === undefined ? undefined : termAt(first.fragment, index);
  if (onTheWay !== undefined) return onTheWay;
  const holders = fragments.filter((fragment) => termAt(fragment, index) !== undefined);
  const isCommitted = holders.find((fragment) => fragment.commit >= index);
  if (isCommitted !== undefined) return termAt(isCommitted, index);
  const own = database.term;
  if (own !== undefined && !holders.some((fragment) => defined(termAt(fragment, index)) > own)) return own;
  const known = committed.find((position) => position.index === index && position.term !== own);
  if (known !== undefined) return known.term;
  const terms = new Set(holders.map((fragment) => termAt(fragment, index)));
  return terms.size === 1 ? [...terms][0] : undefined;
}

function firstTerm({ parts: [first] }: Join): number | undefined {
  return first === undefined ? undefined : termAt(first.fragment, first.from);
}

export function partEntries({ fragment, from, to }: LogPart): HeldFragment["entries"] {
  return fragment.entries.slice(from - fragment.first, to - fragment.first + 1);
}

/** Parts that continue in the same fragment become one. */
function mergeParts(parts: readonly LogPart[]): LogPart[] {
  const merged: LogPart[] = [];
  for (const part of parts) {
    const last = merged.at(-1);
    if (last?.fragment === part.fragment && last.to + 1 === part.from)
      merged[merged.length - 1] = { ...last, to: part.to };
    else merged.push(part);
  }
  return merged;
}
