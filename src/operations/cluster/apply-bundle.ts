/**
 * `cluster apply`: the steps of a restore on this node, from its bundle. They are those of `cluster restore`, done here
 * in the same order and with the same journal; where that waits for all nodes, this waits for its peers, on etcd's peer
 * port.
 */

import type { NodeFacts, NodeJournal } from "../../cluster/node-facts.ts";
import { wantedFiles } from "../../cluster/node-needs.ts";
import { notPrepared, notTakenBack } from "../../cluster/peer-barrier.ts";
import { checkMember } from "../../cluster/restore-check.ts";
import {
  needsOf,
  type PlanCheck,
  type PlanInput,
  type PlannedMember,
  type RestorePlan,
} from "../../cluster/restore-plan.ts";
import { type NodeStep, nextStep, undoSteps } from "../../cluster/restore-state.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { type BundleHead, openBundle } from "./bundle-file.ts";
import { readJournal, readJournals } from "./node/journal.ts";
import { peerTls, readablePeerTls } from "./node/peer-tls.ts";
import type { ControlPlaneProof, EtcdProof } from "./node/prove.ts";
import { runStep, type StepRequest } from "./node/run-step.ts";
import { checksPeers } from "./node/serves-peers.ts";
import { surveyNode } from "./node/survey.ts";
import type { ClusterEvent } from "./restore-cluster.ts";
import { type PeerWait, waitForPeers } from "./wait-for-peers.ts";

export interface ApplyOptions {
  /** Of age, for a bundle that is encrypted. */
  readonly identityFile?: string;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly on: (event: ClusterEvent) => void;
  readonly agree: (plan: RestorePlan, check: PlanCheck, node: string) => Promise<boolean>;
}

export interface BundleApplied {
  readonly plan: RestorePlan;
  readonly node: string;
  readonly etcd: EtcdProof;
  readonly controlPlane: ControlPlaneProof;
  readonly seconds: number;
}

/** Undefined where the plan was not agreed to. Throws `plan-refused` with all problems of this node at once. */
export async function applyBundle(path: string, options: ApplyOptions): Promise<BundleApplied | undefined> {
  const began = options.now();
  const { head, snapshot } = await openBundle(path, options.identityFile);
  const { node } = head;
  const member = memberOf(head);
  options.on({ kind: "surveying", nodes: [node] });
  const { named, ports, images } = head;
  const request = { dataDir: member.dataDir, files: wantedFiles(named), ports, images };
  const facts = await surveyNode(request, options.signal);
  const input = inputFor(head, facts, options.now());
  const plan: RestorePlan = { ...head.plan, files: { [node]: needsOf(input, node).files } };
  const check = checkMember(plan, member, facts, input);
  if (!(await options.agree(plan, check, node))) return undefined;
  if (check.problems.length > 0) {
    throw new MendError("plan-refused", `this node cannot be restored like this:\n  ${check.problems.join("\n  ")}`, {
      where: path,
      hint: "mend these, and run the same command again",
    });
  }
  const steps = new Steps(head, plan, facts, snapshot, options);
  const proofs = await steps.toTheEnd(began);
  return { plan, node, ...proofs, seconds: Math.round((options.now() - began) / 1000) };
}

/**
 * This node becomes what it was before. Returns the operation's name. Throws `not-found` where the bundle was not
 * applied here.
 */
export async function takeBundleBack(path: string, options: Omit<ApplyOptions, "agree">): Promise<string> {
  const { head } = await openBundle(path, options.identityFile);
  const { id } = head.plan;
  const journal = readJournals().find((each) => each.id === id);
  if (journal === undefined) {
    throw new MendError("not-found", `operation ${id} was not begun on this node`, { where: path });
  }
  const ask = asker(head, options);
  await ask({ step: "undo-data", id }, "undo");
  // One whose control plane was never stopped still runs its old etcd.
  if (undoSteps(journal).includes("manifests")) {
    if (readablePeerTls(journal) === "unreadable")
      options.on({
        kind: "progress",
        node: head.node,
        text: "not waiting for peers: etcd's certificates are not there",
      });
    else await waitForPeers(waitOf(head, options, false), notTakenBack);
  }
  await ask({ step: "undo-finish", id }, "undo");
  return id;
}

class Steps {
  readonly #head: BundleHead;
  readonly #plan: RestorePlan;
  readonly #facts: NodeFacts;
  readonly #snapshot: AsyncIterable<Uint8Array>;
  readonly #options: ApplyOptions;

  constructor(
    head: BundleHead,
    plan: RestorePlan,
    facts: NodeFacts,
    snapshot: AsyncIterable<Uint8Array>,
    options: ApplyOptions,
  ) {
    this.#head = head;
    this.#plan = plan;
    this.#facts = facts;
    this.#snapshot = snapshot;
    this.#options = options;
  }

  async toTheEnd(began: number): Promise<{ readonly etcd: EtcdProof; readonly controlPlane: ControlPlaneProof }> {
    const { node } = this.#head;
    const plan = this.#plan;
    const { signal, now } = this.#options;
    const ask = asker(this.#head, this.#options, this.#snapshot);
    const nodes = plan.members.map((each) => each.node);
    const proveEtcd = async () => (await ask({ step: "prove-etcd", plan }, "prove-etcd")) as EtcdProof;
    const prove = async () =>
      (await ask({ step: "prove", nodes, id: plan.id, elapsed: now() - began }, "prove")) as ControlPlaneProof;
    let etcd: EtcdProof | undefined;
    let controlPlane: ControlPlaneProof | undefined;
    let state: NodeJournal["state"] = this.#facts.journals.find(({ id }) => id === plan.id)?.state ?? "new";
    for (;;) {
      signal.throwIfAborted();
      const next = nextStep(new Map([[node, state]]));
      if (next.do === "refuse") {
        throw new MendError("plan-refused", "this operation was taken back on this node", {
          where: plan.id,
          hint: `finish that first: kubemend cluster apply FILE ${input("undo")}, on every node`,
        });
      }
      if (next.do === "nothing") break;
      if (next.step === "start-etcd") {
        const isInTurn = checksPeers(readJournal(plan.id));
        await waitForPeers(waitOf(this.#head, this.#options, isInTurn), notPrepared);
      }
      if (next.step === "start") etcd = await proveEtcd();
      if (next.step === "finish") controlPlane = await prove();
      state = ((await ask(this.#requestFor(next.step), next.step)) as NodeJournal).state;
    }
    etcd ??= await proveEtcd();
    controlPlane ??= (await ask({ step: "prove", nodes, id: plan.id, elapsed: null }, "prove")) as ControlPlaneProof;
    return { etcd, controlPlane };
  }

  #requestFor(step: NodeStep): StepRequest {
    const { node, size, sha256, spare, identity, files } = this.#head;
    const plan = this.#plan;
    switch (step) {
      case "receive":
        return { step, plan, size, sha256 };
      case "stop":
        return { step, id: plan.id, staticPods: this.#facts.kubelet.staticPods, spare };
      case "restore":
        return { step, plan, node };
      case "prepare": {
        const planned = plan.files[node] ?? [];
        const sent = files.filter(({ file }) => planned.some(({ path }) => path === file.path));
        const issue = planned.some(({ from }) => from === "authority") || this.#facts.expired.length > 0;
        return { step, id: plan.id, files: sent.map(({ file }) => file), identity, issue };
      }
      default:
        return { step, id: plan.id };
    }
  }
}

type Ask = (request: StepRequest, shown: (ClusterEvent & { readonly kind: "step" })["step"]) => Promise<unknown>;

function asker(
  { node }: BundleHead,
  { signal, on }: Pick<ApplyOptions, "signal" | "on">,
  input: AsyncIterable<Uint8Array> = none(),
): Ask {
  return async (request, shown) => {
    on({ kind: "step", step: shown, node, state: "begun" });
    const report = (text: string): void => on({ kind: "progress", node, text });
    const answer = await runStep(request, { input, report, signal });
    on({ kind: "step", step: shown, node, state: "done" });
    return answer;
  };
}

async function* none(): AsyncGenerator<Uint8Array> {}

function memberOf({ plan, node }: BundleHead): PlannedMember {
  const member = plan.members.find((each) => each.node === node);
  if (member === undefined) throw new MendError("config-invalid", `the bundle's plan has no member for node "${node}"`);
  return member;
}

function inputFor(head: BundleHead, facts: NodeFacts, now: number): PlanInput {
  const { plan, node, named, identity, files, authorities, acceptNewAuthority } = head;
  const paths = (from: BundleHead["files"][number]["from"]) =>
    new Set(files.filter((each) => each.from === from).map(({ file }) => file.path));
  return {
    backup: plan.backup,
    members: plan.members,
    without: plan.without,
    surveys: new Map([[node, { facts }]]),
    material: {
      nodes: new Map([[node, { named, identity }]]),
      stored: new Map([[node, paths("repository")]]),
      certs: paths("kubeadm-certs"),
      inBackup: paths("backup"),
      authorities,
      acceptNewAuthority,
    },
    now,
    random: "",
  };
}

function waitOf(
  { plan, node, secret }: BundleHead,
  { signal, on }: Pick<ApplyOptions, "signal" | "on">,
  isInTurn: boolean,
): PeerWait {
  const { id } = plan;
  return {
    plan,
    node,
    secret,
    tls: peerTls(readJournal(id)),
    isInTurn,
    state: () => readJournal(id).state,
    report: (text) => on({ kind: "progress", node, text }),
    signal,
  };
}
