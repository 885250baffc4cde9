/** What a salvage did and what it could not, in sentences. */
import { defined } from "../../errors/defined.ts";
import type { Finding } from "../../errors/errors.ts";
import type { FindingCode } from "../../errors/finding-codes.ts";
import type { SalvagePlan } from "../../salvage/choose.ts";
import { heardVoters } from "../../salvage/heard-voters.ts";
import { roleOf } from "../../salvage/identity.ts";
import { hasSmallEntriesOnly, isTooLargeFor34, partEntries } from "../../salvage/log-start.ts";
import type { Loss } from "../../salvage/losses.ts";
import type { Survivor } from "../../salvage/survivor.ts";
import { formatMemberId } from "../../wal/membership.ts";
import type { OpenSurvivor } from "./read-survivor.ts";
import type { WrittenDataDir } from "./write-salvaged.ts";

/** Which part comes from where. */
export function reasonFor({ database, join, last }: SalvagePlan): string {
  const from =
    database === undefined
      ? "no database is sound"
      : `the database of "${database.survivor.dataDir}" has entries up to ${database.database.index}`;
  if (join.parts.length === 0) return `${from}, and no log continues behind it`;
  const ends: { readonly dataDir: string; readonly to: number }[] = [];
  for (const { fragment, to } of join.parts) {
    const { dataDir } = fragment.survivor;
    if (ends.at(-1)?.dataDir === dataDir) ends.pop();
    ends.push({ dataDir, to });
  }
  const logs = ends.map(({ dataDir, to }) => `the log of "${dataDir}" those up to ${to}`);
  return `${[from, ...logs].join(", ")} (term ${last.term})`;
}

export function planFindings(plan: SalvagePlan, survivors: readonly OpenSurvivor[]): Finding[] {
  return [
    ...plan.findings,
    ...lossFindings(plan),
    ...voterFindings(plan),
    ...memberFindings(plan, survivors),
    ...startFindings(plan),
  ];
}

/** What a majority without any of the survivors may have committed is beyond what anybody can know here. */
function voterFindings({ cluster, survivors }: SalvagePlan): Finding[] {
  const { voters, heard, isEnough } = heardVoters(cluster, survivors);
  if (isEnough) return [];
  const text =
    `${heard} of ${voters} voting members could be read to the end, too few to know of every write that was ` +
    "committed: the last ones may be missing";
  return [
    { level: "warning", code: "survivors-too-few", where: survivors.map(({ dataDir }) => dataDir).join(" · "), text },
  ];
}

export function writtenFindings({ findings, alarms }: WrittenDataDir): Finding[] {
  return [
    ...findings,
    ...alarms.map(
      (alarm): Finding => ({
        level: "warning",
        code: "alarm-restored",
        where: 'bucket "alarm"',
        text:
          `the alarm ${alarm.type} of member ${alarm.member} is salvaged too: etcd refuses writes until ` +
          "it is disarmed (etcdctl alarm disarm)",
      }),
    ),
  ];
}

function lossFindings({ losses, last, survivors }: SalvagePlan): Finding[] {
  return losses.map((loss) => {
    const where = loss.survivor?.dataDir ?? survivors.map(({ dataDir }) => dataDir).join(" · ");
    const isOne = loss.from === loss.to;
    const range = isOne ? `entry ${loss.from}` : `entries ${loss.from} to ${loss.to}`;
    const [is, was] = isOne ? ["is", "was"] : ["are", "were"];
    const count = loss.to - loss.from + 1;
    const known = loss.isCommitted ? `${was} committed` : "may have been committed";
    const texts: Readonly<Record<Loss["kind"], readonly [Finding["level"], code: FindingCode, text: string]>> = {
      missing: [
        "error",
        "entries-missing",
        `${range} ${known} and ${is} in no survivor: up to ${count} ` +
          `${isOne ? "write is" : "writes are"} lost${damagedHolder(loss, survivors)}`,
      ],
      "behind-a-hole": [
        "error",
        "entries-unusable",
        `${range} ${is} here, but cannot be used: entries between ${last.index} and ${loss.from} are missing`,
      ],
      unproved: [
        "error",
        "entries-unproved",
        `the log is damaged before entry ${loss.from}, where a new term begins: it is not certain that ` +
          `entry ${loss.from - 1} is the one before it, and entries of the new term may be missing there`,
      ],
      superseded: [
        "warning",
        "entries-superseded",
        `${range} ${is} not used: a later leader wrote others there, and ${isOne ? "it was" : "they were"} never known to be committed`,
      ],
    };
    const [level, code, text] = texts[loss.kind];
    return { level, code, where, text };
  });
}

/** A damaged database may have what is missing. */
function damagedHolder({ to }: Loss, survivors: readonly Survivor[]): string {
  const found = survivors
    .flatMap(({ databases }) => databases)
    .find((database) => database.problem !== undefined && database.index >= to);
  return found === undefined ? "" : ` ("${found.path}" has taken them in, but is damaged)`;
}

function memberFindings(plan: SalvagePlan, survivors: readonly OpenSurvivor[]): Finding[] {
  const findings = survivors.flatMap((survivor): Finding[] => {
    const role = roleOf(survivor, plan.cluster, plan.removed);
    const id = survivor.log.metadata?.nodeId;
    if (id === undefined || role === "voter" || role === "unknown") return [];
    const member = `member ${formatMemberId(id)}`;
    const isNew = survivor.log.fragments.length === 0 && survivor.databases.every(({ revision }) => revision === 0);
    const text = {
      removed: `${member} was removed from the cluster: what it has ends there`,
      learner: `${member} is a learner`,
      "not-a-member": isNew
        ? `${member} has never taken part in the cluster`
        : `${member} is not a member of the cluster at the end of what is salvaged`,
    }[role];
    const code = `member-${role === "not-a-member" ? "unknown" : role}` as const;
    return [{ level: "warning", code, where: survivor.dataDir, text }];
  });
  if (plan.identity.survivor === undefined) {
    const text = `no survivor can continue as the member that it was: a new member ${formatMemberId(plan.identity.memberId)} continues`;
    findings.push({ level: "warning", code: "member-new", where: defined(survivors[0]).dataDir, text });
  }
  return findings;
}

function startFindings({ start, database, join }: SalvagePlan): Finding[] {
  const findings: Finding[] = [];
  const where = database?.database.path ?? join.parts[0]?.fragment.survivor.dataDir ?? "";
  const index = database?.database.index ?? 0;
  if (start.made !== undefined) {
    const why = {
      "log-incomplete": "the log does not reach from a raft snapshot to the database",
      "entry-too-large": "the log has entries of more than 10 MiB, which etcd 3.4 does not read back",
    }[start.made];
    const text = `${why}, so it begins behind the database, at entry ${index + 1}; keys of the v2 API, if there were any, are lost`;
    findings.push({ level: "warning", code: "raft-snapshot-made", where, text });
  }
  if (database === undefined) {
    const text = "no database is sound: etcd makes it again from the log when it starts";
    findings.push({ level: "warning", code: "database-rebuilt", where, text });
  }
  const large = join.parts.flatMap(partEntries).find(isTooLargeFor34);
  if (large !== undefined && hasSmallEntriesOnly(database?.database)) {
    const text = `entry ${large.index} has ${large.size} bytes, which etcd 3.4 does not read back: start etcd 3.5 on it`;
    findings.push({ level: "warning", code: "entry-too-large", where, text });
  }
  const version = versionOf(database?.database);
  if (version !== undefined) {
    const text = `the data is of etcd ${version}: start etcd ${version} or the next minor version on it, older ones refuse it`;
    findings.push({ level: "info", code: "etcd-version", where, text });
  }
  return findings;
}

/** Major and minor version of the newest etcd that wrote it, as far as it says that. */
function versionOf(
  database: { readonly clusterVersion: string | undefined; readonly storageVersion: string | undefined } | undefined,
): string | undefined {
  return /^\d+\.\d+/.exec(database?.storageVersion ?? database?.clusterVersion ?? "")?.[0];
}
