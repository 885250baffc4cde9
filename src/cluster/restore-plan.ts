/** From a backup and a survey of its nodes to the plan of a restore on all of them: who is restored as which member, and what speaks against it. */
import { createHash } from "node:crypto";
import type { StaticEtcdMember } from "../controlplane/static-etcd.ts";
import { isOpen, type NodeFacts } from "./node-facts.ts";

export interface RestoreBackup {
  readonly path: string;
  /** Bytes of the database, unpacked. */
  readonly size: number;
  readonly revision: number;
  /** Live keys. */
  readonly keys: number;
  /** What identifies the content: its SHA-256, or of a raw copy that of the file. */
  readonly sha256: string;
}

export interface PlannedMember extends StaticEtcdMember {
  /** How the node is reached. */
  readonly address: string;
  readonly clientUrls: readonly string[];
}

export interface RestorePlan {
  /** The same on every node. */
  readonly id: string;
  readonly digest: string;
  readonly backup: RestoreBackup;
  readonly members: readonly PlannedMember[];
  /** `NAME=PEER-URL,…` of all of them. */
  readonly initialCluster: string;
  /** New with each restore: with the token of the cluster that was, old members and new ones would take each other for their own. */
  readonly token: string;
  /** Added to the snapshot's revision, so that no client that saw the newest old one waits for the past. */
  readonly bumpRevision: number;
  /** Nodes of the backup's control plane that are left out, as their owner said. */
  readonly without: readonly string[];
}

/** What a survey of a node came to: facts, or why there are none. */
export type Surveyed = { readonly facts: NodeFacts } | { readonly fault: string };

export interface PlanNotes {
  /** Each stops the restore before anything is touched. */
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** Where no old data says how far clients have seen: more than any cluster writes between two backups. */
const BLIND_BUMP = 1_000_000_000;
/** Room above the newest revision that was seen, for what was being written. */
const BUMP_MARGIN = 1_000_000;
/** A copy of the snapshot, the database made of it, and two segments of the log. */
const SPACE_FACTOR = 2;
const LOG_BYTES = 128 * 1024 * 1024;
const MOST_SKEW_MS = 2_000;

/**
 * The bump for what the nodes' old data shows: `newest` holds the newest revision of each old data directory, null where one is there and cannot be read.
 */
export function bumpFor(snapshotRevision: number, newest: readonly (number | null)[]): number {
  if (newest.some((revision) => revision === null)) return BLIND_BUMP;
  const most = Math.max(snapshotRevision, ...(newest as readonly number[]));
  return most - snapshotRevision + BUMP_MARGIN;
}

export interface PlanInput {
  readonly backup: RestoreBackup;
  readonly members: readonly PlannedMember[];
  readonly without: readonly string[];
  readonly surveys: ReadonlyMap<string, Surveyed>;
  /** Milliseconds since 1970 here. */
  readonly now: number;
  /** Random hex, for the names of a new operation. */
  readonly random: string;
}

/** The plan. An operation that was begun with the same backup and members goes on under its own names. */
export function planRestore(input: PlanInput): RestorePlan {
  const { backup, members, without } = input;
  const digest = digestOf(backup, members);
  const begun = factsOf(input)
    .flatMap(({ journals }) => journals)
    .find((each) => isOpen(each.state) && each.digest === digest);
  const stamp = new Date(input.now)
    .toISOString()
    .replace(/[-:]|\..*$/g, "")
    .replace("T", "-");
  const id = begun?.id ?? `restore-${stamp}-${input.random.slice(0, 6)}`;
  // What the first node has noted holds for all: otherwise their revisions would differ, and their hashes.
  const bump = factsOf(input)
    .flatMap(({ journals }) => journals)
    .find((each) => each.id === id && each.bump !== null)?.bump;
  const old = factsOf(input).filter(({ etcd }) => etcd.present);
  return {
    id,
    digest,
    backup,
    members,
    without,
    initialCluster: members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(","),
    token: `kubemend-${id}`,
    bumpRevision:
      bump ??
      bumpFor(
        backup.revision,
        old.map(({ etcd }) => etcd.newestRevision),
      ),
  };
}

/** What a survey says against the plan. */
export function checkRestore(plan: RestorePlan, input: PlanInput): PlanNotes {
  const problems: string[] = [];
  const warnings: string[] = [];
  for (const member of plan.members) {
    const found = input.surveys.get(member.node);
    if (found === undefined || "fault" in found) {
      problems.push(
        `node "${member.node}" cannot be surveyed: ${found === undefined ? "nobody asked it" : found.fault}`,
      );
      continue;
    }
    checkNode(plan, member, found.facts, problems, warnings);
  }
  checkClocks(input, warnings);
  if (plan.without.length > 0) {
    const list = plan.without.join(", ");
    warnings.push(
      `without ${list}: the restored etcd has ${plan.members.length} of ${plan.members.length + plan.without.length} members`,
    );
  }
  return { problems, warnings };
}

function checkNode(
  plan: RestorePlan,
  member: PlannedMember,
  facts: NodeFacts,
  problems: string[],
  warnings: string[],
): void {
  const node = `node "${member.node}"`;
  if (facts.nodeName !== member.node) {
    problems.push(`the machine at ${member.address} is node "${facts.nodeName}", not "${member.node}"`);
    return;
  }
  if (!facts.isRoot) problems.push(`${node}: kubemend does not run as root there`);
  if (!facts.kubelet.running) problems.push(`${node}: no kubelet runs, which starts and stops the static pods`);
  const other = facts.journals.find((each) => isOpen(each.state) && each.id !== plan.id);
  if (other !== undefined) problems.push(`${node}: operation ${other.id} was begun and not finished`);
  const finished = facts.journals.find((each) => each.state === "done" && each.digest === plan.digest);
  if (finished !== undefined) {
    warnings.push(
      `${node}: was restored from this backup by ${finished.id} already: what was written since will be lost`,
    );
  }
  const needed = SPACE_FACTOR * plan.backup.size + LOG_BYTES;
  if (facts.etcd.freeBytes < needed && !hasReceived(facts, plan.id)) {
    problems.push(
      `${node}: ${megabytes(facts.etcd.freeBytes)} are free for ${member.dataDir}, and ${megabytes(needed)} are needed`,
    );
  }
  if (facts.missingFiles.length > 0) problems.push(`${node}: missing ${facts.missingFiles.join(", ")}`);
  if (facts.etcd.fault !== null) warnings.push(`${node}: the old data cannot be read: ${facts.etcd.fault}`);
  const components = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
  const absent = components.filter((name) => !facts.manifests.includes(name));
  if (absent.length > 0 && !hasReceived(facts, plan.id)) {
    warnings.push(`${node}: no manifest of ${absent.join(", ")}: made again from the backup`);
  }
  const newest = facts.etcd.newestRevision;
  const isRestored = facts.journals.some((each) => each.id === plan.id && each.bump !== null);
  if (newest !== null && newest > plan.backup.revision && !isRestored) {
    warnings.push(
      `${node}: its data goes to revision ${newest}: ${newest - plan.backup.revision} revisions are not in the backup`,
    );
  }
}

function checkClocks(input: PlanInput, warnings: string[]): void {
  const times = factsOf(input).map(({ time }) => time);
  const skew = Math.max(...times) - Math.min(...times);
  // Nodes are asked one after another within the same moment.
  if (times.length > 1 && skew > MOST_SKEW_MS)
    warnings.push(`the nodes' clocks are ${(skew / 1000).toFixed(1)} s apart`);
}

function hasReceived(facts: NodeFacts, id: string): boolean {
  return facts.journals.some((each) => each.id === id && each.state !== "new");
}

function factsOf({ surveys, members }: PlanInput): NodeFacts[] {
  return members.flatMap(({ node }) => {
    const found = surveys.get(node);
    return found !== undefined && "facts" in found ? [found.facts] : [];
  });
}

function digestOf(backup: RestoreBackup, members: readonly PlannedMember[]): string {
  const what = [backup.sha256, ...members.map(({ node, name, peerUrl, dataDir }) => [node, name, peerUrl, dataDir])];
  return createHash("sha256").update(JSON.stringify(what)).digest("hex");
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
