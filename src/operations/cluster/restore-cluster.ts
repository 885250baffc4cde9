/**
 * `cluster restore`: a backup becomes the cluster again, on all control-plane nodes in step. Nothing is touched before
 * every node was surveyed and the plan agreed to; each step is done on all nodes before the next begins; and what
 * serves in the end was asked, not assumed.
 */

import { createHash, randomBytes } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { basename } from "node:path";
import { checksPeersAtStart } from "../../cluster/initial-check.ts";
import type { NodeFacts, NodeJournal } from "../../cluster/node-facts.ts";
import { wantedFiles } from "../../cluster/node-needs.ts";
import { checkRestore } from "../../cluster/restore-check.ts";
import {
  bumpFor,
  controlPlaneOf,
  nodesOf,
  type PlanCheck,
  type PlanInput,
  planRestore,
  type RestorePlan,
  type Surveyed,
} from "../../cluster/restore-plan.ts";
import { type NodeStep, nextStep } from "../../cluster/restore-state.ts";
import { type RunbookInput, runbookOf } from "../../cluster/runbook.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { quote } from "../../io/ssh/ssh.ts";
import { gatherFiles, materialOf } from "./gather-files.ts";
import type { SentFile } from "./node/prepare-node.ts";
import type { ControlPlaneProof, EtcdProof } from "./node/prove.ts";
import type { StepRequest } from "./node/run-step.ts";
import { callNode, inTurn, type NodeTarget, onEach, type Reach } from "./nodes.ts";
import { type BackupOptions, type ClusterBackup, readClusterBackup } from "./read-backup-plan.ts";

export interface ClusterRestoreOptions extends BackupOptions {
  /** Addresses by node, for those that are not reached by the one in the backup. */
  readonly addresses: ReadonlyMap<string, string>;
  /** Nodes of the backup that no longer are. */
  readonly without: readonly string[];
  /** Whether the nodes may have another authority than the backup's cluster has. */
  readonly acceptNewAuthority: boolean;
  /** How each node is reached; called once for each, before it is surveyed. */
  readonly reach: (target: NodeTarget) => Promise<Reach>;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly on: (event: ClusterEvent) => void;
  /** Whether to continue with this plan. */
  readonly agree: (plan: RestorePlan, check: PlanCheck) => Promise<boolean>;
}

export type ClusterEvent =
  | { readonly kind: "surveying"; readonly nodes: readonly string[] }
  | {
      readonly kind: "step";
      readonly step: NodeStep | "gather" | "join" | "promote" | "remove" | "prove-etcd" | "prove" | "undo";
      readonly node: string;
      readonly state: "begun" | "done" | "failed";
    }
  | { readonly kind: "progress"; readonly node: string; readonly text: string };

export interface ClusterRestored {
  readonly plan: RestorePlan;
  readonly etcd: EtcdProof;
  readonly controlPlane: ControlPlaneProof;
  readonly seconds: number;
}

/** Undefined where the plan was not agreed to. Throws `plan-refused` with all problems at once. */
export async function restoreCluster(
  path: string,
  options: ClusterRestoreOptions,
): Promise<ClusterRestored | undefined> {
  const { signal, on, now } = options;
  const began = now();
  using backup = await readClusterBackup(path, { ...options, takesExternal: true });
  const session = await openSession(backup, options);
  const { plan, check } = planFor(backup, session, options);
  if (!(await options.agree(plan, check))) return undefined;
  if (check.problems.length > 0) {
    throw new MendError("plan-refused", `the cluster cannot be restored like this:\n  ${check.problems.join("\n  ")}`, {
      where: path,
      hint: `mend these, or leave a node out with ${input("without")} NAME`,
    });
  }
  const files = await allFiles(plan, backup, session, options);
  const states = new Map<string, NodeJournal["state"]>(
    nodesOf(plan).map((node) => [node, journalOf(session, node, plan.id)?.state ?? "new"]),
  );
  const nodes = controlPlaneOf(plan).map(({ node }) => node);
  const hasExternalEtcd = plan.external !== undefined;
  const waitsForPeers = [...backup.manifests.values()].flatMap((each) => Object.values(each)).some(checksPeersAtStart);
  let etcd: EtcdProof | undefined;
  let controlPlane: ControlPlaneProof | undefined;
  const prover = session.targets.get(nodes[0] ?? "");
  if (prover === undefined || plan.members.length === 0) throw new MendError("plan-refused", "the plan has no member");
  const prove = async (request: StepRequest & { readonly step: "prove-etcd" | "prove" }): Promise<unknown> => {
    on({ kind: "step", step: request.step, node: prover.name, state: "begun" });
    const proof = await call(prover, request, session, options);
    on({ kind: "step", step: request.step, node: prover.name, state: "done" });
    return proof;
  };
  for (;;) {
    signal.throwIfAborted();
    const next = nextStep(states);
    if (next.do === "refuse") {
      throw new MendError("plan-refused", `this operation was taken back on ${next.undone.join(", ")}`, {
        where: plan.id,
        hint: `finish that first: kubemend cluster undo ${plan.id}`,
      });
    }
    if (next.do === "nothing") break;
    if (next.step === "start") etcd = (await prove({ step: "prove-etcd", plan })) as EtcdProof;
    if (next.step === "finish") {
      const about = { nodes, id: plan.id, elapsed: now() - began, hasExternalEtcd };
      controlPlane = (await prove({ step: "prove", ...about })) as ControlPlaneProof;
    }
    const onNodes = next.step === "start-etcd" && waitsForPeers ? inTurn<string, void> : onEach<string, void>;
    await onNodes(next.nodes, async (node) => {
      const target = session.targets.get(node);
      if (target === undefined) return;
      on({ kind: "step", step: next.step, node, state: "begun" });
      const request = requestFor(next.step, plan, node, session, backup, files);
      const journal = (await call(target, request, session, options, backup).catch((error: unknown) => {
        on({ kind: "step", step: next.step, node, state: "failed" });
        throw error;
      })) as NodeJournal;
      states.set(node, journal.state);
      on({ kind: "step", step: next.step, node, state: "done" });
    });
  }
  etcd ??= (await prove({ step: "prove-etcd", plan })) as EtcdProof;
  const about = { nodes, id: plan.id, elapsed: null, hasExternalEtcd };
  controlPlane ??= (await prove({ step: "prove", ...about })) as ControlPlaneProof;
  return { plan, etcd, controlPlane, seconds: Math.round((now() - began) / 1000) };
}

/**
 * The same plan as a document, without asking any node: the revision is raised by as much as nobody can have written
 * since.
 */
export async function restoreRunbook(
  path: string,
  options: BackupOptions & Pick<ClusterRestoreOptions, "without" | "now" | "addresses">,
): Promise<string> {
  using backup = await readClusterBackup(path, { ...options, takesExternal: true });
  const members = backup.members
    .filter(({ node }) => !options.without.includes(node))
    .map((member) => ({ ...member, address: options.addresses.get(member.node) ?? member.address }));
  const { without, now } = options;
  const random = randomBytes(3).toString("hex");
  const material = materialOf(backup, false);
  const about = { backup: backup.backup, members, without, surveys: new Map(), material };
  const plan = planRestore({ ...about, now: now(), random });
  const bumpRevision = bumpFor(backup.backup.revision, [null], now());
  const { external } = backup;
  const access =
    external === undefined
      ? {}
      : { external: { ...external, controlPlane: external.controlPlane.map(({ node }) => node) } };
  const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  return runbookOf({
    plan: { ...plan, bumpRevision },
    ...(isFile ? await asFile(path) : asExport(path, backup)),
    ...access,
  });
}

async function asFile(path: string): Promise<Pick<RunbookInput, "file" | "sha256" | "export">> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return { file: basename(path), sha256: hash.digest("hex"), export: undefined };
}

/** A moment has to be written to a file before it can be carried. */
function asExport(path: string, { backup }: ClusterBackup): Pick<RunbookInput, "file" | "sha256" | "export"> {
  const place = path.replace(/@[^@/]*$/, "");
  const words = `${input("toRevision")} ${backup.revision} ${input("outputFile")} backup.db`;
  const command = `kubemend backup restore ${quote(place)} ${words}`;
  return { file: "backup.db", sha256: undefined, export: command };
}

/** Of an etcd that is none of a control-plane node's. */
const USUAL_DATA_DIR = "/var/lib/etcd";

interface Session {
  readonly targets: ReadonlyMap<string, NodeTarget>;
  readonly reaches: ReadonlyMap<string, Reach>;
  readonly surveys: ReadonlyMap<string, Surveyed>;
}

async function openSession(backup: ClusterBackup, options: ClusterRestoreOptions): Promise<Session> {
  const all = [...backup.members, ...(backup.external?.controlPlane ?? [])];
  const shared = backup.members.filter((member) =>
    backup.external?.controlPlane.some(({ node, address }) => node === member.node || address === member.address),
  );
  if (shared.length > 0) {
    const names = shared.map(({ node }) => node).join(", ");
    throw new MendError("unsupported", `etcd is a service on control-plane nodes themselves: ${names}`, {
      hint: "the runbook of cluster restore has the commands for them",
    });
  }
  const nodes = all.filter(({ node }) => !options.without.includes(node));
  const unknown = [...options.addresses.keys(), ...options.without].filter(
    (name) => !all.some(({ node }) => node === name),
  );
  if (unknown.length > 0) {
    throw new MendError("usage", `the backup knows no control-plane node "${unknown.join('", "')}"`, {
      hint: `its nodes are ${all.map(({ node }) => node).join(", ")}`,
    });
  }
  options.on({ kind: "surveying", nodes: nodes.map(({ node }) => node) });
  const targets = new Map<string, NodeTarget>();
  const reaches = new Map<string, Reach>();
  const surveys = new Map<string, Surveyed>();
  await Promise.all(
    nodes.map(async ({ node, address }) => {
      const member = backup.members.find((each) => each.node === node);
      const target = { name: node, address: options.addresses.get(node) ?? address };
      targets.set(node, target);
      try {
        reaches.set(node, await options.reach(target));
        const about = backup.nodes.get(node);
        const request = {
          step: "survey",
          dataDir: member?.dataDir ?? USUAL_DATA_DIR,
          files: about === undefined ? [] : wantedFiles(about.named),
          ports: about?.ports ?? [],
          images: about?.images ?? [],
          isEtcdHost: backup.external !== undefined && member !== undefined,
        } as const;
        const sent = options.now();
        const answer = await callNode(target, request, reachOf(reaches, node), options);
        surveys.set(node, { facts: answer as NodeFacts, asked: { sent, received: options.now() } });
      } catch (error) {
        options.signal.throwIfAborted();
        if (!(error instanceof Error)) throw error;
        surveys.set(node, { fault: error.message });
      }
    }),
  );
  return { targets, reaches, surveys };
}

function planFor(
  backup: ClusterBackup,
  { surveys, targets }: Session,
  { without, now, acceptNewAuthority }: ClusterRestoreOptions,
): { readonly plan: RestorePlan; readonly check: PlanCheck } {
  const address = <Place extends { readonly node: string; readonly address: string }>(place: Place): Place => ({
    ...place,
    address: targets.get(place.node)?.address ?? place.address,
  });
  const members = backup.members
    .filter(({ node }) => targets.has(node))
    .map((member) => ({ ...address(member), dataDir: dataDirOf(surveys, member.node) ?? member.dataDir }));
  const { external } = backup;
  const input: PlanInput = {
    backup: backup.backup,
    members,
    ...(external === undefined
      ? {}
      : {
          external: {
            ...external,
            controlPlane: external.controlPlane.filter(({ node }) => targets.has(node)).map(address),
          },
        }),
    without,
    surveys,
    material: materialOf(backup, acceptNewAuthority),
    now: now(),
    random: randomBytes(3).toString("hex"),
  };
  const plan = planRestore(input);
  return { plan, check: checkRestore(plan, input) };
}

function requestFor(
  step: NodeStep,
  plan: RestorePlan,
  node: string,
  session: Session,
  backup: ClusterBackup,
  files: ReadonlyMap<string, readonly SentFile[]>,
): StepRequest {
  const isMember = plan.members.some((member) => member.node === node);
  switch (step) {
    case "receive":
      if (!isMember) return { step: "begin", id: plan.id, digest: plan.digest };
      return { step, plan, size: backup.size, sha256: backup.sha256 };
    case "stop":
      if (isMember && plan.external !== undefined) return { step: "stop-service", id: plan.id };
      return {
        step,
        id: plan.id,
        staticPods: factsOf(session, node)?.kubelet.staticPods ?? "/etc/kubernetes/manifests",
        spare: backup.manifests.get(node) ?? {},
      };
    case "restore":
      return { step, plan, node };
    case "prepare": {
      const isMade = plan.files[node]?.some(({ from }) => from === "authority") === true;
      return {
        step,
        id: plan.id,
        files: files.get(node) ?? [],
        identity: backup.nodes.get(node)?.identity ?? {},
        issue: isMade || (factsOf(session, node)?.expired.length ?? 0) > 0,
      };
    }
    default:
      return { step, id: plan.id };
  }
}

/** Before any node is changed. */
async function allFiles(
  plan: RestorePlan,
  backup: ClusterBackup,
  session: Session,
  options: ClusterRestoreOptions,
): Promise<ReadonlyMap<string, readonly SentFile[]>> {
  const files = new Map<string, readonly SentFile[]>();
  for (const { node } of controlPlaneOf(plan)) {
    const planned = plan.files[node] ?? [];
    const readShared = async (holder: string, paths: readonly string[]): Promise<readonly SentFile[]> => {
      const target = session.targets.get(holder);
      if (target === undefined) throw new MendError("ssh-failed", `node "${holder}" cannot be reached`);
      return (await call(target, { step: "read-files", paths }, session, options)) as readonly SentFile[];
    };
    files.set(node, await gatherFiles(node, planned, backup.files, readShared));
  }
  return files;
}

function call(
  target: NodeTarget,
  request: StepRequest,
  { reaches }: Session,
  { signal, on }: ClusterRestoreOptions,
  backup?: ClusterBackup,
): Promise<unknown> {
  return callNode(target, request, reachOf(reaches, target.name), {
    signal,
    report: (text) => on({ kind: "progress", node: target.name, text }),
    ...(request.step === "receive" && backup !== undefined
      ? { payload: backup.content(), payloadBytes: backup.size }
      : {}),
  });
}

function reachOf(reaches: ReadonlyMap<string, Reach>, node: string): Reach {
  const reach = reaches.get(node);
  if (reach === undefined) throw new MendError("ssh-failed", `node "${node}" cannot be reached`, { where: node });
  return reach;
}

/** Where the unit of an etcd host has its data. */
function dataDirOf(surveys: ReadonlyMap<string, Surveyed>, node: string): string | undefined {
  const found = surveys.get(node);
  return found !== undefined && "facts" in found ? (found.facts.etcdService?.dataDir ?? undefined) : undefined;
}

function factsOf({ surveys }: Session, node: string): NodeFacts | undefined {
  const found = surveys.get(node);
  return found !== undefined && "facts" in found ? found.facts : undefined;
}

function journalOf(session: Session, node: string, id: string): NodeJournal | undefined {
  return factsOf(session, node)?.journals.find((journal) => journal.id === id);
}
