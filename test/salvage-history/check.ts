/** One seed: a history, what is left of it, a plan, and whether the plan keeps what the independent side says that survivors hold. */
import { memorySource } from "../../src/bolt/byte-source.ts";
import { MendError } from "../../src/errors/errors.ts";
import { planSalvage, type SalvagePlan } from "../../src/salvage/choose.ts";
import { partEntries } from "../../src/salvage/log-start.ts";
import type { Loss } from "../../src/salvage/losses.ts";
import type { Survivor, SurvivorDatabase } from "../../src/salvage/survivor.ts";
import { createEntryReader, readLog, type Segment } from "../../src/wal/log.ts";
import { votersOnly } from "../../src/wal/raft.ts";
import { type Random, seededRandom } from "../damage/mutate.ts";
import { type DamagedMember, harm, KINDS, stopped } from "./damage.ts";
import { type Holdings, heldEntries, holdingsOf, showsPredecessor } from "./held.ts";
import { asMember, configurationAt, type History, type ModelMember, makeHistory } from "./raft-model.ts";

export interface Scenario {
  readonly seed: number;
  readonly history: History;
  readonly survivors: readonly DamagedMember[];
  /** Databases of etcd before 3.5 do not say the term of their last entry. */
  readonly hasTerms: boolean;
}

export interface HistoryCheck {
  readonly scenario: Scenario;
  readonly plan: SalvagePlan | undefined;
  readonly refusal: MendError | undefined;
  /** What is wrong, in sentences. */
  readonly faults: readonly string[];
  /** What this seed is an example of. */
  readonly classes: readonly string[];
}

export function makeScenario(seed: number): Scenario {
  const random = seededRandom(seed);
  const history = makeHistory(random);
  const left = history.members.filter(() => random.next(5) > 1);
  const members = left.length > 0 ? left : [history.members[random.next(history.members.length)]!];
  const survivors = members.map(stopped);
  const isHarmed = random.next(4) > 0;
  for (const survivor of isHarmed ? survivors : []) {
    for (let i = random.next(4); i > 0; i--) harm(survivor, KINDS[random.next(KINDS.length)]!, random);
  }
  return { seed, history, survivors: shuffled(survivors, random), hasTerms: random.next(3) > 0 };
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  return list
    .map((each): [number, T] => [random.next(2 ** 30), each])
    .sort(([a], [b]) => a - b)
    .map(([, each]) => each);
}

export function segmentsOf({ segments }: DamagedMember): Segment[] {
  return segments
    .filter((segment) => !segment.isMissing)
    .map(({ image, bytes, isUnreadable }) => {
      return isUnreadable ? { name: image.name, problem: "cannot be read" } : memorySource(bytes, image.name);
    });
}

function databaseAt({ history, hasTerms }: Scenario, member: ModelMember, index: number): SurvivorDatabase {
  const entries = history.committed.slice(0, index);
  const { voters, learners, removed } = configurationAt(history.committed, index);
  const members = history.members.filter(({ id }) => voters.includes(id) || learners.includes(id));
  const puts = entries.filter(({ key }) => key !== undefined).length;
  return {
    path: `${member.name}/member/snap/db-${index}`,
    index,
    term: hasTerms && index > 0 ? entries.at(-1)!.term : undefined,
    revision: puts === 0 ? 0 : puts + 1,
    members: members.map((each) => asMember(each, learners.includes(each.id))),
    removedMembers: removed,
    clusterVersion: hasTerms ? "3.5.0" : "3.4.0",
    storageVersion: undefined,
    alarms: [],
    problem: undefined,
  };
}

export function asSurvivor(scenario: Scenario, data: DamagedMember): Survivor {
  const { member } = data;
  const log = readLog(segmentsOf(data));
  return {
    dataDir: member.name,
    log: log.metadata === undefined ? { ...log, fragments: [], marks: [] } : log,
    snapshots: data.hasSnapshots
      ? member.snapshots.map(({ index, term }) => {
          const { voters, learners } = configurationAt(scenario.history.committed, index);
          return { index, term, confState: { ...votersOnly(voters), learners }, data: new Uint8Array(0) };
        })
      : [],
    databases: data.databases.map((index) => databaseAt(scenario, member, index)),
  };
}

export function checkSeed(seed: number): HistoryCheck {
  const scenario = makeScenario(seed);
  const { history, survivors } = scenario;
  const holdings = holdingsOf(history, survivors);
  const given = survivors.map((data) => asSurvivor(scenario, data));
  let plan: SalvagePlan;
  try {
    plan = planSalvage(given, { peerUrls: ["http://127.0.0.1:2380"] });
  } catch (error) {
    if (!(error instanceof MendError) || error.code === "internal") throw error;
    const faults = isRefusalRight(scenario, holdings) ? [] : [`refused: ${error.message}`];
    return { scenario, plan: undefined, refusal: error, faults, classes: ["refused"] };
  }
  const faults = [...lostEntries(scenario, holdings, plan), ...untrueClaims(scenario, holdings, plan)];
  return { scenario, plan, refusal: undefined, faults, classes: classesOf(scenario, holdings, plan) };
}

/**
 * Nothing can be written where no log says who anybody is, or where there is neither a database nor a write that
 * follows the first entry.
 */
function isRefusalRight({ survivors, history }: Scenario, { reach }: Holdings): boolean {
  const isSomebody = survivors.some((data) => heldEntries(data).size > 0);
  const hasDatabase = survivors.some(({ databases }) => databases.some((index) => index > 0));
  const hasWrites = hasDatabase || history.committed.slice(0, reach).some(({ key }) => key !== undefined);
  return !isSomebody || !hasWrites;
}

interface Included {
  readonly index: number;
  readonly term: number;
  readonly data: Uint8Array | undefined;
  readonly isSame: boolean;
}

/** The keys that an etcd serves which starts on the plan. */
export function plannedKeys(scenario: Scenario, plan: SalvagePlan): string[] {
  const applied = scenario.history.committed.slice(0, plan.database?.database.index ?? 0);
  const later = [...includedEntries(scenario, plan).values()].map(({ data }) => data && keyOf(data));
  return [...applied.map(({ key }) => key), ...later].filter((key) => key !== undefined).sort();
}

/** The key of a put; undefined for any other entry. */
function keyOf(data: Uint8Array): string | undefined {
  return /\/k\/\d{5}/.exec(Buffer.from(data).toString("latin1"))?.[0];
}

/** The entries of the plan behind its database, beside what was really committed there. */
function includedEntries({ history, survivors }: Scenario, plan: SalvagePlan): Map<number, Included> {
  const readers = new Map(survivors.map((data) => [data.member.name, createEntryReader(segmentsOf(data))]));
  const included = new Map<number, Included>();
  for (const part of plan.join.parts) {
    for (const place of partEntries(part)) {
      const entry = readers.get(part.fragment.survivor.dataDir)!(place);
      const real = history.committed[entry.index - 1];
      const isSame =
        real !== undefined &&
        real.term === entry.term &&
        Buffer.compare(real.data ?? new Uint8Array(0), entry.data ?? new Uint8Array(0)) === 0;
      included.set(entry.index, { index: entry.index, term: entry.term, data: entry.data?.slice(), isSame });
    }
  }
  return included;
}

function lostEntries(scenario: Scenario, { committed, reach }: Holdings, plan: SalvagePlan): string[] {
  const base = plan.database?.database.index ?? 0;
  const included = includedEntries(scenario, plan);
  const isReported = (index: number, kinds?: readonly Loss["kind"][]): boolean =>
    plan.losses.some(({ kind, from, to }) => from <= index && index <= to && (kinds?.includes(kind) ?? true));
  // Which of two leaders' entries was committed cannot be known where neither says so and those who took part in the
  // later one's election are gone. Then the later one's are used; never an earlier one's in place of what a later
  // leader wrote and committed.
  const isUndecided = (index: number): boolean => {
    const used = included.get(index)?.term ?? plan.last.term;
    return isReported(index, ["superseded"]) && used > scenario.history.committed[index - 1]!.term;
  };
  const isUnproved = plan.losses.some(({ kind }) => kind === "unproved");
  const faults: string[] = [];
  for (const index of committed) {
    if (index <= base || included.get(index)?.isSame === true) continue;
    if (isUndecided(index) || isReported(index, ["missing", "behind-a-hole", "unproved"])) continue;
    if (isUnproved && isReported(index)) continue;
    faults.push(`entry ${index} was committed, a survivor has it, and it is lost without a word`);
  }
  for (let index = base + 1; index <= reach; index++) {
    if (included.get(index)?.isSame === true || isUnproved || isUndecided(index)) continue;
    faults.push(`entry ${index} could be kept: survivors have all up to ${reach}`);
  }
  return faults;
}

/** Whether a log surely shows this entry and the one before it, and they are those that were committed. */
function isCommittedPair({ history }: Scenario, data: DamagedMember, index: number): boolean {
  const held = heldEntries(data);
  const isReal = [index - 1, index].every((each) => held.has(each) && held.get(each) === history.committed[each - 1]);
  return isReal && showsPredecessor(data, index);
}

function untrueClaims(scenario: Scenario, holdings: Holdings, plan: SalvagePlan): string[] {
  const { history } = scenario;
  const base = plan.database?.database.index ?? 0;
  const faults: string[] = [];
  for (const { kind, from, to } of plan.losses) {
    if (kind === "unproved" && scenario.survivors.some((data) => isCommittedPair(scenario, data, from))) {
      faults.push(`entry ${from} is called unproved, but a survivor's log shows the one before it`);
    }
    if (kind !== "missing") continue;
    for (let index = from; index <= to; index++) {
      if (holdings.committed.has(index)) faults.push(`entry ${index} is called missing, but a survivor has it`);
    }
  }
  if (base > history.committed.length) faults.push("the database is beyond what was committed");
  if (plan.commit > history.committed.length) faults.push(`entries up to ${plan.commit} are called committed`);
  let next = base + 1;
  for (const { from, to } of plan.join.parts) {
    if (from !== next || to < from) faults.push(`entries ${from} to ${to} follow ${next - 1}`);
    next = to + 1;
  }
  // An entry that contradicts one that was committed, and nothing said that this could be.
  const isReported = plan.losses.some(({ kind }) => kind === "unproved" || kind === "superseded");
  for (const { index, isSame } of includedEntries(scenario, plan).values()) {
    if (isSame || index > history.committed.length || isReported) continue;
    const isKnown = holdings.committed.has(index);
    if (isKnown) faults.push(`entry ${index} is another one than was committed`);
  }
  const { memberId, survivor } = plan.identity;
  if (plan.removed.has(memberId)) faults.push("it continues as a member that was removed");
  const isMember = plan.cluster.voters.includes(memberId) || plan.cluster.learners.includes(memberId);
  if (survivor !== undefined && !isMember) faults.push("it continues as a member that is none");
  return faults;
}

function classesOf(scenario: Scenario, holdings: Holdings, plan: SalvagePlan): string[] {
  const { survivors, history } = scenario;
  const classes = survivors.flatMap(({ damage }) => damage);
  const users = new Set(plan.join.parts.map(({ fragment }) => fragment.survivor));
  if (plan.database !== undefined) users.add(plan.database.survivor);
  if (users.size > 1) classes.push("joined");
  if (plan.join.parts.length > 1) classes.push("several parts");
  if (plan.database === undefined) classes.push("no database");
  if (plan.identity.survivor === undefined) classes.push("new identity");
  if (plan.start.made !== undefined) classes.push("raft snapshot made");
  if (plan.last.index > history.committed.length) classes.push("uncommitted end");
  const role = (id: bigint): string => (plan.cluster.learners.includes(id) ? "learner" : "voter");
  if (plan.identity.survivor !== undefined) classes.push(`continues as ${role(plan.identity.memberId)}`);
  const included = includedEntries(scenario, plan);
  const base = plan.database?.database.index ?? 0;
  const isLost = (index: number): boolean => index > base && included.get(index)?.isSame !== true;
  const lost = [...holdings.committed].filter(isLost);
  for (const kind of ["superseded", "behind-a-hole", "unproved"]) {
    const reported = plan.losses.filter((loss) => loss.kind === kind);
    if (lost.some((index) => reported.some(({ from, to }) => from <= index && index <= to)))
      classes.push(`lost and said: ${kind}`);
  }
  classes.push(...plan.losses.map(({ kind }) => `said: ${kind}`), `of ${history.members.length} members`);
  classes.push(survivors.every(({ damage }) => damage.length === 0) ? "whole" : "damaged");
  return [...new Set(classes)];
}
