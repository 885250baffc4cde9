/**
 * What `etcd health` finds, as troubles of the control plane: with consequences and commands, and consequences of a
 * lost member under the member.
 */

import type { Finding } from "../errors/errors.ts";
import { input } from "../errors/input.ts";
import { flagNamed } from "../kube/container-flags.ts";
import { commandLine } from "./command-line.ts";
import { mendElsewhere, restartHere, startHere } from "./component-commands.ts";
import type { MemberHealth } from "./etcd-health.ts";
import type { EtcdFacts, Facts } from "./facts.ts";
import { isOwn } from "./static-pods.ts";
import type { Trouble } from "./trouble.ts";

const ALL_STOPS = "the API server cannot answer, and the control plane stands still; running pods keep serving";

const LOCAL_CAUSES = [
  "manifest-missing:etcd",
  "manifest-invalid:etcd",
  "crash-loop:etcd",
  "port-taken:etcd",
  "not-running:etcd",
  "kubelet-stopped:etcd",
];

/** How the codes of `etcd health` read here. What is not named is a warning as it is. */
const CONSEQUENCES: Readonly<Record<string, string>> = {
  "quorum-lost": ALL_STOPS,
  "no-leader": ALL_STOPS,
  "alarm-nospace": "nothing can be written: no pod is made, no lease renewed; running pods keep running",
  "alarm-corrupt": "reads differ from member to member: what is seen depends on whom one asks",
  "members-disagree": "reads differ from member to member: what is seen depends on whom one asks",
  "member-unreachable": "etcd keeps serving, with fewer members to spare",
  "member-never-started": "it counts for the quorum and cannot vote",
  "member-without-leader": "API servers that use this member alone cannot answer",
  "clusters-differ": "the API servers may show different clusters",
  "leaders-differ": "the cluster may be split",
};

export function judgeEtcd(facts: Facts): Trouble[] {
  const { etcd } = facts;
  if (etcd === undefined) return [];
  if ("error" in etcd.health) return [unreachable(etcd, etcd.health, facts)];
  const { findings, members } = etcd.health;
  return joinFull(findings).map((finding) => asTrouble(finding, members, etcd, facts));
}

/** Every member that is full raises an alarm of its own, and what mends it mends all. */
function joinFull(findings: readonly Finding[]): Finding[] {
  const [first, ...others] = findings.filter(({ code }) => code === "alarm-nospace");
  const where = [first, ...others].map((each) => each?.where).join(", ");
  return findings.flatMap((each) => (each === first ? { ...each, where } : others.includes(each) ? [] : each));
}

function unreachable(
  etcd: EtcdFacts,
  {
    error,
    hangs,
    lacksCertificate = false,
  }: { readonly error: string; readonly hangs: boolean; readonly lacksCertificate?: boolean },
  facts: Facts,
): Trouble {
  const explainedBy = [
    ...LOCAL_CAUSES,
    "certificate-expired:etcd",
    "certificate-key-mismatch:etcd",
    ...(lacksCertificate ? ["certificate-missing"] : []),
  ];
  if (lacksCertificate && !hangs) {
    return {
      ...{ area: "etcd", level: "error", code: "etcd-unreachable", where: etcd.endpoints.join(","), text: error },
      evidence: ["the client certificate that the control plane here uses for etcd is not on this machine"],
      consequence: "how etcd is cannot be seen from here",
      commands: [],
      advice: `name another client certificate of its authority: ${input("cert")}, ${input("key")} and ${input("cacert")}`,
      explainedBy,
    };
  }
  const mending = etcd.endpoints.map((endpoint) => mendMember(endpoint, hangs, facts));
  const advice = [...new Set(mending.flatMap((each) => each.advice ?? []))];
  return {
    area: "etcd",
    level: "error",
    code: "etcd-unreachable",
    where: etcd.endpoints.join(","),
    text: error,
    evidence: [],
    consequence: ALL_STOPS,
    commands: [...new Set(mending.flatMap(({ commands }) => commands))],
    advice: [...advice, SALVAGE].join("; "),
    explainedBy,
  };
}

const SALVAGE =
  "where a majority of the members' disks is lost, see kubemend etcd salvage, or kubemend recover with a backup";

function asTrouble(finding: Finding, members: readonly MemberHealth[], etcd: EtcdFacts, facts: Facts): Trouble {
  const { level, code, where, text } = finding;
  const silent = members.filter(({ status, name }) => status === null && name !== "");
  const member = members.find(({ id }) => where.includes(id));
  return {
    area: "etcd",
    level,
    code: `etcd-${code}` as Trouble["code"],
    where,
    text: where === "cluster" ? `etcd: ${text}` : `etcd ${where}: ${text}`,
    evidence: [],
    consequence: CONSEQUENCES[code] ?? "etcd keeps serving for now",
    ...mend(code, member, silent, etcd, facts),
    explainedBy: explainedBy(code, member, facts),
  };
}

function explainedBy(code: string, member: MemberHealth | undefined, facts: Facts): string[] {
  switch (code) {
    case "member-unreachable":
      return ["etcd-quorum-lost", ...(isHere(member?.endpoint, facts) ? LOCAL_CAUSES : [])];
    case "no-member-to-spare":
      return ["etcd-member-unreachable", "etcd-member-never-started", ...LOCAL_CAUSES];
    case "no-leader":
    case "member-without-leader":
    case "member-behind":
      return ["etcd-quorum-lost"];
    case "leaders-differ":
      return ["etcd-clusters-differ"];
    case "database-near-quota":
      return ["etcd-alarm-nospace"];
    case "members-disagree":
      return ["etcd-alarm-corrupt"];
    default:
      return [];
  }
}

type Mending = Pick<Trouble, "commands" | "advice">;

function mend(
  code: string,
  member: MemberHealth | undefined,
  silent: readonly MemberHealth[],
  etcd: EtcdFacts,
  facts: Facts,
): Mending {
  const kubemend = (...words: string[]) => commandLine("kubemend", "etcd", ...words, ...etcd.flags);
  const start = ({ endpoint, hangs }: MemberHealth): Mending =>
    endpoint === null ? { commands: [] } : mendMember(endpoint, hangs, facts);
  switch (code) {
    case "member-unreachable":
      return member === undefined ? { commands: [] } : start(member);
    case "quorum-lost": {
      const each = silent.map(start);
      const advice = [...new Set(each.flatMap((mending) => mending.advice ?? []))];
      return { commands: each.flatMap(({ commands }) => commands), advice: [...advice, SALVAGE].join("; ") };
    }
    case "no-member-to-spare":
      return { commands: [kubemend("member", "list")], advice: "add a member, up to an odd number of them" };
    case "alarm-nospace":
      return { commands: [...compact(etcd, kubemend), kubemend("alarm", "disarm")] };
    case "database-near-quota":
    case "database-fragmented":
      return { commands: compact(etcd, kubemend) };
    case "member-never-started":
      return { commands: member === undefined ? [] : [kubemend("member", "remove", member.id)] };
    case "member-without-leader":
      return member?.endpoint ? mendMember(member.endpoint, true, facts) : { commands: [] };
    default:
      return { commands: [commandLine("kubemend", "etcd", "health", ...etcd.flags)], advice: text(code) };
  }
}

function text(code: string): string {
  return code === "alarm-corrupt" || code === "members-disagree"
    ? "find the member that differs, remove it, and add it again with an empty data dir"
    : "see docs/back-up-and-restore-etcd.md";
}

/**
 * Compaction to the newest revision, to its end, because nothing else gives defragmentation something to give back;
 * then that of every member.
 */
function compact(etcd: EtcdFacts, kubemend: (...words: string[]) => string): string[] {
  if ("error" in etcd.health) return [];
  const revision = Math.max(0, ...etcd.health.members.map(({ status }) => status?.revision ?? 0));
  return [kubemend("compact", input("physical"), String(revision)), kubemend("defrag", input("cluster"))];
}

/** A member that hangs runs already: it is restarted. */
function mendMember(endpoint: string, hangs: boolean, facts: Facts): Mending {
  if (isHere(endpoint, facts)) return hangs || runsHere(facts) ? restartHere("etcd", facts) : startHere("etcd", facts);
  const host = URL.parse(endpoint)?.hostname;
  return { commands: host === undefined ? [] : mendElsewhere("etcd", host, hangs, facts) };
}

function runsHere({ local }: Facts): boolean {
  return local?.components.find(({ name }) => name === "etcd")?.process !== undefined;
}

/** Whether a member of this machine is meant. */
function isHere(endpoint: string | null | undefined, { local }: Facts): boolean {
  if (endpoint === null || endpoint === undefined || local === undefined) return false;
  const own = local.components.find(({ name }) => name === "etcd");
  const hostname = URL.parse(endpoint)?.hostname ?? "";
  if (flagNamed(own?.flags, "advertise-client-urls")?.includes(hostname) === true) return true;
  return isOwn(endpoint, local);
}
