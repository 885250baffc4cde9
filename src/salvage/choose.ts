/** Survivors in, a plan out: which database, which entries behind it, from where the log is written, and as which member it continues. */

import { defined } from "../errors/defined.ts";
import { type Finding, MendError } from "../errors/errors.ts";
import { input } from "../errors/input.ts";
import { formatMemberId } from "../wal/membership.ts";
import { CONF_CHANGE_REMOVE_NODE, type ConfState, votersOnly } from "../wal/raft.ts";
import { chooseIdentity, type Identity } from "./identity.ts";
import { type Broken, isJoin, type Join, type JoinBase, joinTo } from "./join.ts";
import { type LogStart, partEntries, planLogStart, termOf } from "./log-start.ts";
import { findLosses, type Loss } from "./losses.ts";
import { clusterIds, findContradiction, findSkippedEntries } from "./one-history.ts";
import { applyConfChanges } from "./sole-member.ts";
import {
  committedPositions,
  compareLogs,
  type HeldFragment,
  heldFragments,
  type LogPosition,
  type Survivor,
  type SurvivorDatabase,
  termAt,
} from "./survivor.ts";

export interface SalvagePlan {
  /** As they were given, with what is known against their databases. */
  readonly survivors: readonly Survivor[];
  /** Undefined where the log has every entry from the first on and no database is sound. */
  readonly database: { readonly survivor: Survivor; readonly database: SurvivorDatabase } | undefined;
  /** Entries behind the database. */
  readonly join: Join;
  readonly start: LogStart;
  /** The last entry. */
  readonly last: LogPosition;
  /** Entries up to this one were committed, as far as anybody says it. */
  readonly commit: number;
  readonly identity: Identity;
  /** The members at the end of the log, and those that may not come back. */
  readonly cluster: ConfState;
  readonly removed: ReadonlySet<bigint>;
  /** The highest term that any survivor knew. */
  readonly term: number;
  /** How many entries were left out because they were not known to be committed. */
  readonly dropped: number;
  /** What survivors hold, or knew to be committed, and the plan does not have. */
  readonly losses: readonly Loss[];
  readonly findings: readonly Finding[];
}

export interface PlanOptions {
  /** Of the new member, for an id of its own where it needs one. */
  readonly peerUrls: readonly string[];
  /** Leave out entries that were not known to be committed. */
  readonly committedOnly?: boolean;
}

/** Throws `usage` where the survivors are not of one cluster, `wal-damaged` where nothing can be made of them. */
export function planSalvage(given: readonly Survivor[], options: PlanOptions): SalvagePlan {
  const findings: Finding[] = [];
  refuseSeveralClusters(given);
  const survivors = membersFirst(markSkippedEntries(dropForeignDatabases(given, findings), findings));
  const fragments = heldFragments(survivors);
  refuseContradiction(fragments);
  const { database, join: whole } = chooseEntries(survivors, fragments);
  const base = database?.database.index ?? 0;
  const committed = committedPositions(survivors, fragments);
  const commit = Math.max(base, committedOn(whole, committed));
  const join = options.committedOnly === true ? cutAfter(whole, commit) : whole;
  const start = planLogStart(survivors, fragments, committed, database?.database, join);
  if (start === undefined) throw nothingUsable(survivors);
  const last = lastPosition(join, start, database?.database, fragments, committed);
  const cluster = applyConfChanges(
    start.snapshot?.confState ?? votersOnly([]),
    start.parts.flatMap(partEntries).flatMap((entry) => entry.changes ?? []),
  );
  const removed = removedMembers(database?.database, start);
  const preferred = inOrderOfUse(survivors, join, database?.survivor);
  const identity = chooseIdentity(preferred, cluster, removed, options.peerUrls);
  if (identity === undefined || cluster.voters.length === 0) throw nothingUsable(survivors);
  const wholeEnd = lastOf(whole) ?? { index: base, term: termOf(database?.database, whole, fragments, committed) ?? 0 };
  const losses = findLosses(survivors, fragments, whole, { base, last: wholeEnd });
  return {
    survivors,
    database,
    join,
    start,
    last,
    commit,
    dropped: wholeEnd.index - last.index,
    identity,
    cluster,
    removed,
    term: Math.max(last.term, ...survivors.map(({ log }) => log.state.term)),
    losses,
    findings,
  };
}

/** A database and what follows it in any log: one database has everything that another one with a lower index has. */
export function chooseEntries(
  survivors: readonly Survivor[],
  fragments: readonly HeldFragment[],
): { readonly database: SalvagePlan["database"]; readonly join: Join } {
  const committed = committedPositions(survivors, fragments);
  const all = survivors
    .flatMap((survivor) => survivor.databases.map((database) => ({ survivor, database })))
    .filter(({ database }) => database.problem === undefined);
  const highest = Math.max(0, ...all.map(({ database }) => database.index));
  // An index of 0 beside revisions is not known: such a database cannot be continued.
  const candidates = all.filter(
    ({ database }) => database.index === highest && (highest > 0 || database.revision === 0),
  );
  const [first] = candidates;
  if (first === undefined) return { database: undefined, join: fromFirstEntry(survivors, fragments, committed) };
  const base = { index: highest, term: termOf(first.database, undefined, fragments, committed) };
  const own = candidates.map((candidate) => bestJoin({ ...base, survivor: candidate.survivor }, fragments, committed));
  const best = own.reduce((a, b) => (b.unproved.length < a.unproved.length ? b : a));
  // Among equals, the database of who has the entries behind it.
  const holder = best.parts[0]?.fragment.survivor;
  const chosen = candidates.find(({ survivor }) => survivor === holder) ?? first;
  return { database: chosen, join: best };
}

/** The highest last entry that can be reached from the base, as raft compares logs, and that contradicts nothing that is committed. */
function bestJoin(base: JoinBase, fragments: readonly HeldFragment[], committed: readonly LogPosition[]): Join {
  const nothing: Join = { parts: [], unproved: [] };
  const joins = fragments
    .filter((fragment) => fragment.last > base.index)
    .map((fragment): Join | Broken => joinTo(fragment, base, fragments))
    .filter(isJoin)
    .map((join) => untilContradicted(join, committed));
  const rank = (join: Join): readonly [committed: number, last: LogPosition] => {
    return [committedOn(join, committed), lastOf(join) ?? { index: base.index, term: base.term ?? 0 }];
  };
  return joins.reduce((a, b) => {
    const [committedA, lastA] = rank(a);
    const [committedB, lastB] = rank(b);
    return (committedB - committedA || compareLogs(lastB, lastA) || a.unproved.length - b.unproved.length) > 0 ? b : a;
  }, nothing);
}

/** Without the entries behind `index`. */
function cutAfter({ parts, unproved }: Join, index: number): Join {
  const kept = parts.filter(({ from }) => from <= index).map((part) => ({ ...part, to: Math.min(part.to, index) }));
  return { parts: kept, unproved: unproved.filter((each) => each <= index) };
}

function lastOf({ parts }: Join): LogPosition | undefined {
  const part = parts.at(-1);
  return part === undefined ? undefined : { index: part.to, term: defined(termAt(part.fragment, part.to)) };
}

function termOn({ parts }: Join, index: number): number | undefined {
  const part = parts.find(({ from, to }) => from <= index && index <= to);
  return part === undefined ? undefined : termAt(part.fragment, index);
}

/** The last entry of the join that is known to be committed; 0 where none is. */
function committedOn(join: Join, committed: readonly LogPosition[]): number {
  const on = committed.filter(({ index, term }) => termOn(join, index) === term);
  return Math.max(0, ...on.map(({ index }) => index));
}

/**
 * Another entry was committed than the join has: from there on it is of no use. Before, nobody knows where the two
 * part, so all of that is kept.
 */
function untilContradicted(join: Join, committed: readonly LogPosition[]): Join {
  const wrong = committed.filter(({ index, term }) => (termOn(join, index) ?? term) !== term);
  return wrong.length === 0 ? join : cutAfter(join, Math.min(...wrong.map(({ index }) => index)) - 1);
}

/** No database is sound, but the log may have every entry from the first on. */
function fromFirstEntry(
  survivors: readonly Survivor[],
  fragments: readonly HeldFragment[],
  committed: readonly LogPosition[],
): Join {
  // A member that began with a restored database has only configuration changes before its first raft snapshot: its
  // keys are not in the log.
  const isRestored = survivors.some(({ log }) => {
    const mark = log.marks.map((each) => each.index).filter((index) => index > 0);
    if (mark.length === 0) return false;
    const first = Math.min(...mark);
    const entries = fragments.flatMap((fragment) => fragment.entries.filter((entry) => entry.index <= first));
    return entries.every((entry) => entry.changes !== undefined);
  });
  const join = isRestored ? undefined : bestJoin({ index: 0, term: 0, survivor: undefined }, fragments, committed);
  // Configuration changes alone would make an empty etcd.
  const hasWrites = join?.parts.some((part) =>
    partEntries(part).some(({ changes, digest }) => changes === undefined && digest !== 0),
  );
  if (join === undefined || hasWrites !== true) throw nothingUsable(survivors);
  return join;
}

function lastPosition(
  join: Join,
  start: LogStart,
  database: SurvivorDatabase | undefined,
  fragments: readonly HeldFragment[],
  committed: readonly LogPosition[],
): LogPosition {
  const term = termOf(database, join, fragments, committed) ?? start.snapshot?.term ?? 0;
  return lastOf(join) ?? { index: database?.index ?? 0, term };
}

function removedMembers(database: SurvivorDatabase | undefined, start: LogStart): ReadonlySet<bigint> {
  const removed = new Set(database?.removedMembers);
  for (const { changes = [] } of start.parts.flatMap(partEntries)) {
    for (const { type, nodeId } of changes) {
      if (type === CONF_CHANGE_REMOVE_NODE) removed.add(nodeId);
    }
  }
  return removed;
}

/** Whoever brought the end of the log, then the database, then the others. */
function inOrderOfUse(survivors: readonly Survivor[], join: Join, database: Survivor | undefined): readonly Survivor[] {
  const users = [
    ...join.parts.map(({ fragment }) => fragment.survivor).reverse(),
    ...(database === undefined ? [] : [database]),
  ];
  return [...new Set([...users, ...survivors])];
}

/** Voters first, then learners, then those that were removed or never joined: among equals, the first is used. */
function membersFirst(survivors: readonly Survivor[]): Survivor[] {
  const databases = survivors.flatMap((survivor) => survivor.databases);
  const newest = databases.reduce<SurvivorDatabase | undefined>(
    (a, b) => (a === undefined || b.index > a.index ? b : a),
    undefined,
  );
  const rank = ({ log }: Survivor): number => {
    const id = log.metadata?.nodeId;
    if (id === undefined) return 2;
    const member = newest?.members.find((each) => each.id === id);
    if (member === undefined || newest?.removedMembers.includes(id) === true) return 3;
    return member.isLearner ? 1 : 0;
  };
  return survivors.toSorted((a, b) => rank(a) - rank(b));
}

function refuseSeveralClusters(survivors: readonly Survivor[]): void {
  if (clusterIds(survivors).length > 1) {
    const named = survivors.flatMap(({ dataDir, log }) => {
      return log.metadata === undefined ? [] : [`"${dataDir}" of cluster ${formatMemberId(log.metadata.clusterId)}`];
    });
    throw new MendError("usage", `the data dirs are of several clusters: ${named.join(", ")}`, {
      hint: "give data dirs of one cluster, and leave the others out",
    });
  }
  for (const survivor of survivors) {
    const id = survivor.log.metadata?.nodeId;
    const twin = survivors.find((other) => other !== survivor && id !== undefined && other.log.metadata?.nodeId === id);
    if (twin === undefined) continue;
    const text = `"${survivor.dataDir}" and "${twin.dataDir}" are of the same member ${formatMemberId(defined(id))}`;
    throw new MendError("usage", text, { hint: "give one data dir of each member" });
  }
}

function refuseContradiction(fragments: readonly HeldFragment[]): void {
  const found = findContradiction(fragments);
  if (found === undefined) return;
  const { one, other, text } = found;
  throw new MendError("usage", `"${one.dataDir}" and "${other.dataDir}" are not of one history: ${text}`, {
    where: other.dataDir,
    hint: "one of them is of a cluster that was recreated, or that continued alone: leave that one out",
  });
}

/**
 * A database without a WAL does not say its cluster: its members do. Where the others say nothing of their members, it
 * is taken for one of theirs, with a warning.
 */
function dropForeignDatabases(survivors: readonly Survivor[], findings: Finding[]): Survivor[] {
  const whose = survivors.filter(({ log }) => log.metadata !== undefined);
  const own = new Set(whose.map(({ log }) => log.metadata?.nodeId));
  const known = new Set(whose.flatMap(knownMembers));
  if (whose.length === 0) return [...survivors];
  return survivors.map((survivor) => {
    if (survivor.log.metadata !== undefined) return survivor;
    const databases = survivor.databases.filter((database) => {
      const ids = idsOf(database);
      if (database.index === 0 || ids.some((id) => known.has(id) || own.has(id))) return true;
      const isUnknown = ids.length === 0 || known.size === 0;
      const text = isUnknown
        ? "nothing says of which cluster it is; it is taken for one of the cluster that the others are of"
        : "its members are none of the cluster that the others are of, so it is not used";
      const [level, code] = isUnknown
        ? (["warning", "database-unproved"] as const)
        : (["error", "database-foreign"] as const);
      findings.push({ level, code, where: database.path, text });
      return isUnknown;
    });
    return { ...survivor, databases };
  });
}

/** Ids of members, past ones too, that a survivor's files name beside its own. */
function knownMembers({ log, databases, snapshots }: Survivor): readonly bigint[] {
  const states = [...snapshots, ...log.marks].flatMap(({ confState }) => (confState === undefined ? [] : [confState]));
  return [
    ...databases.flatMap(idsOf),
    ...states.flatMap(({ voters, learners }) => [...voters, ...learners]),
    ...log.fragments.flatMap(({ entries }) =>
      entries.flatMap(({ changes = [] }) => changes.map(({ nodeId }) => nodeId)),
    ),
  ];
}

function idsOf({ members, removedMembers: removed }: SurvivorDatabase): readonly bigint[] {
  return [...members.map((member) => member.id), ...removed];
}

function markSkippedEntries(survivors: readonly Survivor[], findings: Finding[]): Survivor[] {
  const skipped = new Map(findSkippedEntries(survivors).map((found) => [found.path, found.text]));
  for (const [path, text] of skipped) {
    findings.push({ level: "error", code: "database-inconsistent", where: path, text: `${text}, so it is not used` });
  }
  return survivors.map((survivor) => ({
    ...survivor,
    databases: survivor.databases.map((database) => ({
      ...database,
      problem: database.problem ?? skipped.get(database.path),
    })),
  }));
}

/** Says what there is all the same. */
function nothingUsable(survivors: readonly Survivor[]): MendError {
  const databases = survivors.flatMap((survivor) => survivor.databases);
  const best = databases.reduce<SurvivorDatabase | undefined>(
    (a, b) => (a === undefined || b.index > a.index || (b.index === a.index && b.revision > a.revision) ? b : a),
    undefined,
  );
  if (best !== undefined && best.revision > 0) {
    const why = survivors.every(({ log }) => log.metadata === undefined)
      ? "no WAL says which cluster and member this is"
      : "no log and no database fit together";
    return new MendError("wal-damaged", `no data dir can be salvaged: ${why}`, {
      where: best.path,
      hint: `make a new cluster of the newest database: kubemend snapshot restore ${best.path} ${input("skipHashCheck")}`,
    });
  }
  const isNew =
    survivors.every(({ log }) => log.fragments.length === 0) && survivors.some(({ log }) => log.metadata !== undefined);
  const text = isNew
    ? "its member has never taken part in the cluster"
    : "none has a sound database or a log from the first entry on";
  return new MendError("wal-damaged", `no data dir can be salvaged: ${text}`, {
    where: survivors.map(({ dataDir }) => dataDir).join(" · "),
    hint: "restore the newest snapshot with kubemend snapshot restore",
  });
}
