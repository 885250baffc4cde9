/**
 * `etcd salvage`: quorum is lost for good. Reads what the survivors have, plans what can be made of it (`src/salvage`),
 * and writes a data dir from which one member continues alone.
 */

import { type Finding, MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { recordEvidence } from "../../io/audit/audit-trail.ts";
import { checkDataDirTarget, type DataDirTarget } from "../../io/etcd/data-dir-writer.ts";
import type { FileSystem } from "../../io/files/durable/file-system.ts";
import { chooseEntries, planSalvage, type SalvagePlan } from "../../salvage/choose.ts";
import { type Role, roleOf } from "../../salvage/identity.ts";
import { heldFragments, knownCommit, type Survivor } from "../../salvage/survivor.ts";
import type { SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { type Log, lastEntry } from "../../wal/log.ts";
import { formatMemberId } from "../../wal/membership.ts";
import { parsePeerUrls } from "../../wal/peer-urls.ts";
import { planFindings, reasonFor, writtenFindings } from "./describe-salvage.ts";
import { type OpenSurvivor, readSurvivor } from "./read-survivor.ts";
import { type WrittenDataDir, writeSalvaged } from "./write-salvaged.ts";

export interface SalvageOptions extends SnapshotOptions, DataDirTarget {
  readonly name: string;
  readonly initialAdvertisePeerUrls: string;
  /** Drop entries beyond the commit index, as etcd's --force-new-cluster does. */
  readonly committedOnly?: boolean;
  /** Say what would be done, and write nothing. */
  readonly dryRun?: boolean;
  /** Where the WAL of a survivor is that is not in its data dir, by data dir. */
  readonly survivorWalDirs?: ReadonlyMap<string, string>;
  readonly fileSystem?: FileSystem;
}

/** What one data dir holds. */
interface SurvivorReport {
  readonly dataDir: string;
  /** In hex; null where no WAL says it. */
  readonly memberId: string | null;
  readonly clusterId: string | null;
  readonly name: string;
  /** What it is in the cluster at the end of what is salvaged. */
  readonly role: Role;
  /** Of the last entry that can be read. */
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** raft's current term, and up to which entry anything here says that entries were committed. */
  readonly term: number;
  readonly commitIndex: number;
  /** The last entry that the database has taken in, and its newest revision; null where the database cannot be read. */
  readonly appliedIndex: number | null;
  readonly revision: number | null;
  /**
   * The last entry that this one could bring alone: its database, and its own log as far as it is continuous behind that
   * without a gap. Null where it brings nothing.
   */
  readonly reach: number | null;
  readonly walEnd: "complete" | "torn" | "damaged" | "missing";
  readonly findings: readonly Finding[];
}

/** Entries that are not in the result. */
interface LostEntries {
  readonly from: number;
  readonly to: number;
  readonly kind: "missing" | "behind-a-hole" | "unproved" | "superseded";
  readonly isCommitted: boolean;
  /** The data dir that has them, where one has. */
  readonly dataDir: string | null;
}

export interface SalvageResult {
  readonly survivors: readonly SurvivorReport[];
  /** The data dir that has the newest of what is used, and what is used of which. */
  readonly chosen: string;
  readonly reason: string;
  /** Null where etcd makes the database again from the log. */
  readonly database: string | null;
  readonly dataDir: string;
  /** Nothing was written. */
  readonly isDryRun: boolean;
  /** Where what was there before is now. */
  readonly movedAside: string | null;
  readonly walMovedAside: string | null;
  readonly memberId: string;
  readonly clusterId: string;
  /** No survivor could continue as the member that it was. */
  readonly isNewMember: boolean;
  /** Members that are no longer part of the cluster. */
  readonly removedMembers: readonly string[];
  /** The last entry that is in the result. */
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** Entries behind the database, which etcd takes in when it starts; of them, those that were not known to be committed. */
  readonly replayedEntries: number;
  readonly uncommittedEntries: number;
  readonly droppedEntries: number;
  /**
   * False where entries that were committed, or that may have been, are known to be missing. True says no more than that
   * where the finding `survivors-too-few` is there: members that were not read may have committed writes without the others.
   */
  readonly isComplete: boolean;
  readonly lost: readonly LostEntries[];
  readonly findings: readonly Finding[];
}

/** Throws `data-dir-in-use` while an etcd runs on one of them, `wal-damaged` where nothing can be made of any. */
export async function salvage(dataDirs: readonly string[], options: SalvageOptions): Promise<SalvageResult> {
  const peerUrls = parsePeerUrls(options.initialAdvertisePeerUrls.split(","), input("initialAdvertisePeerUrls"));
  const opened: OpenSurvivor[] = [];
  try {
    for (const dataDir of dataDirs) {
      opened.push(await readSurvivor(dataDir, options.survivorWalDirs?.get(dataDir), options));
    }
    const damaged: Finding[] = [];
    let survivors: readonly Survivor[] = opened;
    for (;;) {
      const plan = plannedOrExplained(survivors, opened, damaged, { ...options, peerUrls });
      if (options.dryRun === true) {
        checkDataDirTarget(options);
        return report(plan, opened, damaged, undefined, options);
      }
      const { index, term } = plan.last;
      recordEvidence({ salvage: reasonFor(plan), lastIndex: index, lastTerm: term });
      const written = await writeSalvaged(plan, opened, { ...options, peerUrls });
      if (!("damaged" in written)) return report(plan, opened, damaged, written, options);
      damaged.push({ ...written.damaged, code: "database-damaged" });
      survivors = withProblem(survivors, plan.database?.database.path, written.damaged.text);
    }
  } finally {
    for (const survivor of opened) survivor[Symbol.dispose]();
  }
}

/** A refusal says what stands in the way of the first data dir, where that is more than the plan knows. */
function plannedOrExplained(
  survivors: readonly Survivor[],
  opened: readonly OpenSurvivor[],
  damaged: readonly Finding[],
  options: { readonly peerUrls: readonly string[]; readonly committedOnly?: boolean },
): SalvagePlan {
  try {
    return planSalvage(survivors, options);
  } catch (error) {
    if (!(error instanceof MendError && error.code === "wal-damaged")) throw error;
    const [first] = damaged;
    if (first !== undefined) {
      throw new MendError("snapshot-damaged", `the database is damaged: ${first.text}`, {
        where: first.where,
        hint: "give the data dirs of more survivors, or restore the newest snapshot with kubemend snapshot restore",
      });
    }
    const withoutWal = opened.find(({ findings }) => findings.some(({ code }) => code === "wal-missing"));
    const cause = opened.flatMap(({ findings }) => findings).find(({ level }) => level === "error");
    const code = withoutWal === undefined ? error.code : "not-found";
    const ways = [error.hint ?? ""];
    if (withoutWal !== undefined)
      ways.unshift(`where etcd ran with a WAL directory of its own, name it with ${input("survivorWalDir")}`);
    const text = cause === undefined ? error.message : `${error.message}: ${cause.text}`;
    throw new MendError(code, text, { where: cause?.where ?? error.where ?? "", hint: ways.join("; otherwise ") });
  }
}

function withProblem(survivors: readonly Survivor[], path: string | undefined, problem: string): Survivor[] {
  return survivors.map((survivor) => ({
    ...survivor,
    databases: survivor.databases.map((database) => (database.path === path ? { ...database, problem } : database)),
  }));
}

function report(
  plan: SalvagePlan,
  opened: readonly OpenSurvivor[],
  damaged: readonly Finding[],
  written: WrittenDataDir | undefined,
  options: SalvageOptions,
): SalvageResult {
  const { identity, cluster, last } = plan;
  const base = plan.database?.database.index ?? 0;
  const newest = plan.join.parts.at(-1)?.fragment.survivor ?? plan.database?.survivor;
  return {
    survivors: opened.map((survivor) => reportSurvivor(survivor, plan)),
    chosen: newest?.dataDir ?? "",
    reason: reasonFor(plan),
    database: plan.database?.database.path ?? null,
    dataDir: options.dataDir,
    isDryRun: written === undefined,
    movedAside: written?.moved.dataDir ?? null,
    walMovedAside: written?.moved.walDir ?? null,
    memberId: formatMemberId(identity.memberId),
    clusterId: formatMemberId(identity.clusterId),
    isNewMember: identity.survivor === undefined,
    removedMembers: [...cluster.voters, ...cluster.learners]
      .filter((id) => id !== identity.memberId)
      .map(formatMemberId),
    lastIndex: last.index,
    lastTerm: last.term,
    replayedEntries: last.index - base,
    uncommittedEntries: Math.max(0, last.index - plan.commit),
    droppedEntries: plan.dropped,
    isComplete: plan.losses.every(({ kind }) => kind === "superseded"),
    lost: plan.losses.map(({ survivor, ...loss }) => ({ ...loss, dataDir: survivor?.dataDir ?? null })),
    findings: [...damaged, ...planFindings(plan, opened), ...(written === undefined ? [] : writtenFindings(written))],
  };
}

function reportSurvivor(survivor: OpenSurvivor, plan: SalvagePlan): SurvivorReport {
  const { log, databases, dataDir, findings } = survivor;
  const { metadata } = log;
  const best = databases.reduce<Survivor["databases"][number] | undefined>(
    (a, b) => (a === undefined || b.index > a.index ? b : a),
    undefined,
  );
  const last = lastEntry(log);
  return {
    dataDir,
    memberId: metadata === undefined ? null : formatMemberId(metadata.nodeId),
    clusterId: metadata === undefined ? null : formatMemberId(metadata.clusterId),
    name: best?.members.find((member) => member.id === metadata?.nodeId)?.name ?? "",
    role: roleOf(survivor, plan.cluster, plan.removed),
    lastIndex: last?.index ?? 0,
    lastTerm: last?.term ?? 0,
    term: log.state.term,
    commitIndex: knownCommit(survivor),
    appliedIndex: best?.index ?? null,
    revision: best?.revision ?? null,
    reach: reachOf(survivor),
    walEnd: walEnd(log),
    findings,
  };
}

function reachOf(survivor: Survivor): number | null {
  try {
    const { database, join } = chooseEntries([survivor], heldFragments([survivor]));
    return join.parts.at(-1)?.to ?? database?.database.index ?? null;
  } catch (error) {
    if (error instanceof MendError && error.code === "wal-damaged") return null;
    throw error;
  }
}

function walEnd({ breaks, metadata }: Log): SurvivorReport["walEnd"] {
  if (breaks.some(({ kind }) => kind !== "torn")) return "damaged";
  if (breaks.length > 0) return "torn";
  return metadata === undefined ? "missing" : "complete";
}
