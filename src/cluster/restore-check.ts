/** What a survey of the nodes says against a plan of a restore: each contradiction, before anything is touched. */
import { manifestProblems } from "./etcd-manifest.ts";
import { megabytes } from "./megabytes.ts";
import type { NodeFacts } from "./node-facts.ts";
import { isOpen } from "./node-facts.ts";
import {
  factsOf,
  needsOf,
  type PlanCheck,
  type PlanInput,
  type PlannedMember,
  type RestorePlan,
} from "./restore-plan.ts";

/** A copy of the snapshot, the database made of it, and two segments of the log. */
const SPACE_FACTOR = 2;
const LOG_BYTES = 128 * 1024 * 1024;
/** Where a node keeps the backup while it is restored. */
const OPERATIONS = "/var/lib/kubemend";
const MOST_SKEW_MS = 2_000;
/** What a certificate of the control plane cannot be made without. */
const NEEDED_FACTS = ["address", "serviceAddress", "minor"] as const;

/** What a survey says against the plan. */
export function checkRestore(plan: RestorePlan, input: PlanInput): PlanCheck {
  const problems: string[] = [];
  const warnings: string[] = [];
  const notes = { problems, warnings };
  const surveyed = (node: string): NodeFacts | undefined => {
    const found = input.surveys.get(node);
    if (found !== undefined && "facts" in found) return found.facts;
    problems.push(`node "${node}" cannot be surveyed: ${found === undefined ? "nobody asked it" : found.fault}`);
    return undefined;
  };
  for (const member of plan.members) {
    const facts = surveyed(member.node);
    if (facts === undefined) continue;
    if (plan.external === undefined) checkNode(plan, member, facts, input, notes);
    else checkEtcdHost(plan, member, facts, notes);
  }
  for (const place of plan.external?.controlPlane ?? []) {
    const facts = surveyed(place.node);
    if (facts !== undefined) checkControlPlane(plan, place, facts, input, notes);
  }
  checkClocks(input, warnings);
  checkAuthorities(input, problems, warnings);
  if (plan.without.length > 0) {
    const list = plan.without.join(", ");
    warnings.push(
      `without ${list}: the restored etcd has ${plan.members.length} of ${plan.members.length + plan.without.length} members`,
    );
  }
  return { problems, warnings };
}

/** What its own survey says against the plan of one node, where the others are not asked. */
export function checkMember(plan: RestorePlan, member: PlannedMember, facts: NodeFacts, input: PlanInput): PlanCheck {
  const check = { problems: [] as string[], warnings: [] as string[] };
  checkNode(plan, member, facts, input, check);
  checkAuthorities(input, check.problems, check.warnings);
  return check;
}

function checkNode(
  plan: RestorePlan,
  member: PlannedMember,
  facts: NodeFacts,
  input: PlanInput,
  { problems, warnings }: { readonly problems: string[]; readonly warnings: string[] },
): void {
  if (!checkControlPlane(plan, member, facts, input, { problems, warnings })) return;
  const { etcdManifest: etcd, unreadableManifests: unreadable } = facts;
  problems.push(...manifestProblems(member.node, { etcd, unreadable }, member.dataDir));
  checkEtcd(plan, member, facts, { problems, warnings });
}

/** A host whose etcd is a unit of systemd's. */
function checkEtcdHost(
  plan: RestorePlan,
  member: PlannedMember,
  facts: NodeFacts,
  notes: { readonly problems: string[]; readonly warnings: string[] },
): void {
  const host = `host "${member.node}"`;
  if (!facts.isRoot) notes.problems.push(`${host}: kubemend does not run as root there`);
  checkJournals(host, plan, facts, notes);
  if (facts.etcdService === null) {
    notes.problems.push(`${host}: systemd has no etcd.service there: use the runbook of cluster restore`);
  } else if (facts.etcdService.dataDir === null) {
    notes.problems.push(`${host}: ${facts.etcdService.unit} does not say where its data is: set ETCD_DATA_DIR there`);
  }
  checkEtcd(plan, member, facts, notes);
}

/** All but etcd of a control-plane node. Returns whether it is the node at all. */
function checkControlPlane(
  plan: RestorePlan,
  { node: name, address }: { readonly node: string; readonly address: string },
  facts: NodeFacts,
  input: PlanInput,
  { problems, warnings }: { readonly problems: string[]; readonly warnings: string[] },
): boolean {
  const node = `node "${name}"`;
  if (facts.nodeName !== name) {
    problems.push(`the machine at ${address} is node "${facts.nodeName}", not "${name}"`);
    return false;
  }
  if (!facts.isRoot) problems.push(`${node}: kubemend does not run as root there`);
  checkKubelet(node, facts, problems, warnings);
  checkJournals(node, plan, facts, { problems, warnings });
  checkFiles(plan, name, facts, input, { problems, warnings });
  for (const { port, component, program } of facts.takenPorts) {
    problems.push(`${node}: ${program} listens on port ${port}, which ${component} needs: stop it first`);
  }
  if (facts.absentImages !== null && facts.absentImages.length > 0) {
    warnings.push(`${node}: not there, and pulled when they are started: ${facts.absentImages.join(", ")}`);
  }
  const all = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
  const components = plan.external === undefined ? all : all.slice(1);
  const absent = components.filter((each) => !facts.manifests.includes(each));
  if (absent.length > 0 && !hasReceived(facts, plan.id)) {
    warnings.push(`${node}: no manifest of ${absent.join(", ")}: made again from the backup`);
  }
  return true;
}

function checkJournals(
  node: string,
  plan: RestorePlan,
  facts: NodeFacts,
  { problems, warnings }: { readonly problems: string[]; readonly warnings: string[] },
): void {
  const other = facts.journals.find((each) => isOpen(each.state) && each.id !== plan.id);
  if (other !== undefined) problems.push(`${node}: operation ${other.id} was begun and not finished`);
  const finished = facts.journals.find((each) => each.state === "done" && each.digest === plan.digest);
  if (finished !== undefined) {
    warnings.push(
      `${node}: was restored from this backup by ${finished.id} already: what was written since will be lost`,
    );
  }
}

/** The disk that a member is restored on, and what is there. */
function checkEtcd(
  plan: RestorePlan,
  member: PlannedMember,
  facts: NodeFacts,
  { problems, warnings }: { readonly problems: string[]; readonly warnings: string[] },
): void {
  const node = `node "${member.node}"`;
  const needed = SPACE_FACTOR * plan.backup.size + LOG_BYTES;
  if (facts.etcd.freeBytes < needed && !hasReceived(facts, plan.id)) {
    problems.push(
      `${node}: ${megabytes(facts.etcd.freeBytes)} are free for ${member.dataDir}, and ${megabytes(needed)} are needed`,
    );
  }
  const free = facts.freeForBackup;
  if (free !== null && free < plan.backup.size && !hasReceived(facts, plan.id)) {
    problems.push(
      `${node}: ${megabytes(free)} are free for the backup in ${OPERATIONS}, and ${megabytes(plan.backup.size)} are needed`,
    );
  }
  checkData(plan, member, facts, { problems, warnings });
  if (facts.etcd.fault !== null) warnings.push(`${node}: the old data cannot be read: ${facts.etcd.fault}`);
  const newest = facts.etcd.newestRevision;
  const raised = plan.backup.revision + plan.bumpRevision;
  if (newest !== null && newest >= raised && !facts.journals.some((each) => each.id === plan.id)) {
    problems.push(`${node}: its data goes to revision ${newest}, beyond ${raised}, to which the restore raises it`);
  }
  const isRestored = facts.journals.some((each) => each.id === plan.id && each.bump !== null);
  if (newest !== null && newest > plan.backup.revision && !isRestored) {
    warnings.push(
      `${node}: its data goes to revision ${newest}: ${newest - plan.backup.revision} revisions are not in the backup`,
    );
  }
}

function checkClocks(input: PlanInput, warnings: string[]): void {
  const ahead = [...input.surveys.values()].flatMap((found) => {
    if ("fault" in found) return [];
    const { facts, asked = { sent: 0, received: 0 } } = found;
    return [{ least: facts.time - asked.received, most: facts.time - asked.sent }];
  });
  if (ahead.length < 2) return;
  // A slow answer proves nothing: what counts is by how much two of them are apart at the least.
  const skew = Math.max(...ahead.map(({ least }) => least)) - Math.min(...ahead.map(({ most }) => most));
  if (skew > MOST_SKEW_MS) warnings.push(`the nodes' clocks are ${(skew / 1000).toFixed(1)} s apart`);
}

function checkKubelet(node: string, facts: NodeFacts, problems: string[], warnings: string[]): void {
  if (facts.kubelet.running) return;
  if (!facts.kubelet.hasUnit) {
    problems.push(`${node}: no kubelet runs, which starts and stops the static pods`);
  } else if (facts.running.length > 0) {
    problems.push(
      `${node}: no kubelet runs, and ${facts.running.join(", ")} still does: start the kubelet, so that it stops them`,
    );
  } else warnings.push(`${node}: no kubelet runs: it is started when its files are there`);
}

/** Missing files that come from nowhere stop the restore; what is made, and from what, is said. */
function checkFiles(
  plan: RestorePlan,
  name: string,
  facts: NodeFacts,
  input: PlanInput,
  { problems, warnings }: { readonly problems: string[]; readonly warnings: string[] },
): void {
  const { lacking, unmade } = needsOf(input, name);
  problems.push(...lacking);
  warnings.push(...unmade);
  const files = plan.files[name] ?? [];
  const made = files.filter(({ from }) => from === "authority").map(({ path }) => path);
  const lost = facts.expired.filter(({ renewable }) => !renewable).map((each) => each.name);
  const renewed = facts.expired.filter(({ renewable }) => renewable).map((each) => each.name);
  if (lost.length > 0) {
    problems.push(
      `node "${name}": expired, and without the authority's key not to be renewed here: ${lost.join(", ")}`,
    );
  }
  if (renewed.length > 0) warnings.push(`node "${name}": expired, and renewed for a year: ${renewed.join(", ")}`);
  if (made.length === 0) return;
  const identity = input.material.nodes.get(name)?.identity ?? {};
  const unknown = NEEDED_FACTS.filter((fact) => identity[fact] === undefined);
  if (unknown.length > 0) {
    problems.push(
      `node "${name}": the backup does not say its ${unknown.join(", ")}: make what is missing with kubemend certificate issue there`,
    );
  }
}

function checkData(
  plan: RestorePlan,
  { node, dataDir }: PlannedMember,
  { etcd, journals }: NodeFacts,
  { problems, warnings }: { readonly problems: string[]; readonly warnings: string[] },
): void {
  if (etcd.foreign.length > 0) {
    problems.push(
      `node "${node}": ${dataDir} holds what is not etcd's: ${etcd.foreign.slice(0, 5).join(", ")}: move it elsewhere`,
    );
  }
  const ours = plan.members.flatMap(({ peerUrl }) => peerUrl.split(","));
  const isRestored = journals.some((each) => each.id === plan.id && each.revision !== null);
  if (etcd.peerUrls.length > 0 && !isRestored && !etcd.peerUrls.some((url) => ours.includes(url))) {
    warnings.push(
      `node "${node}": ${dataDir} is of another etcd cluster, with the members ${etcd.peerUrls.join(", ")}: it is moved aside`,
    );
  }
}

/** The nodes' authority has to be the one that the backup's cluster trusts: a backup of another cluster has the same names often enough. */
function checkAuthorities(input: PlanInput, problems: string[], warnings: string[]): void {
  const { authorities, acceptNewAuthority } = input.material;
  const found = factsOf(input).filter((facts) => facts.authorities.length > 0);
  const other = found.filter((facts) => !facts.authorities.some((each) => authorities.includes(each)));
  if (authorities.length > 0 && other.length > 0) {
    const nodes = other.map(({ nodeName }) => nodeName).join(", ");
    const text = `the authority in /etc/kubernetes/pki/ca.crt on ${nodes} is not the one of the backup's cluster`;
    if (acceptNewAuthority) {
      warnings.push(
        `${text}: every kubelet and every kubeconfig needs the new one, and webhooks and service accounts are to be looked at`,
      );
    } else problems.push(`${text}: this is another cluster's backup, or the authority was recreated since`);
  }
  const first = found[0];
  const odd = found.filter((facts) => !facts.authorities.some((each) => first?.authorities.includes(each)));
  if (first !== undefined && odd.length > 0) {
    problems.push(`${[first, ...odd].map(({ nodeName }) => nodeName).join(" and ")} have different authorities`);
  }
}

function hasReceived(facts: NodeFacts, id: string): boolean {
  return facts.journals.some((each) => each.id === id && each.state !== "new");
}
