/**
 * `cluster replace-node`: a control-plane node of a living cluster is gone, and a new machine takes its name and its
 * place, joined by kubeadm.
 */

import { planReplacement, type ReplacePlan } from "../../cluster/replace-plan.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import type { MachineFacts } from "./node/join-node.ts";
import type { LivingCluster } from "./node/living-cluster.ts";
import type { ControlPlaneProof } from "./node/prove.ts";
import type { StepRequest } from "./node/run-step.ts";
import { callNode, type NodeTarget, type Reach } from "./nodes.ts";
import type { ClusterEvent } from "./restore-cluster.ts";

export interface ReplaceNodeOptions {
  readonly living: readonly NodeTarget[];
  readonly machine: NodeTarget;
  readonly reach: (target: NodeTarget) => Promise<Reach>;
  /** Given to `kubeadm join` as they are. */
  readonly joinFlags: readonly string[];
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly on: (event: ClusterEvent) => void;
  readonly agree: (plan: ReplacePlan) => Promise<boolean>;
}

export interface Replaced {
  readonly node: string;
  readonly removedMembers: readonly string[];
  readonly etcd: { readonly members: readonly string[]; readonly revision: number };
  readonly controlPlane: ControlPlaneProof;
  readonly seconds: number;
}

/** Undefined where it was not agreed to. Throws `plan-refused` with all problems at once. */
export async function replaceNode(options: ReplaceNodeOptions): Promise<Replaced | undefined> {
  const { living, machine, signal, on, now } = options;
  const began = now();
  on({ kind: "surveying", nodes: [...living, machine].map(({ name }) => name) });
  const reaches = new Map<NodeTarget, Reach>();
  const ask = async (to: NodeTarget, request: StepRequest): Promise<unknown> => {
    const reach = reaches.get(to) ?? (await options.reach(to));
    reaches.set(to, reach);
    return callNode(to, request, reach, { signal, report: (text) => on({ kind: "progress", node: to.name, text }) });
  };
  const facts = async (to: NodeTarget): Promise<MachineFacts> =>
    (await ask(to, { step: "describe-machine" })) as MachineFacts;
  const [lead] = living;
  if (lead === undefined)
    throw new MendError("usage", "no living node is named", {
      hint: `pass ${input("node")} NAME=ADDRESS of the living control-plane nodes`,
    });
  const lives = await Promise.all(living.map(async (target) => ({ ...target, ...(await facts(target)) })));
  const fresh = await facts(machine);
  const { etcd, nodeReady } = (await ask(lead, { step: "see-cluster", name: machine.name })) as LivingCluster;
  const plan = planReplacement(lives, { ...fresh, ...machine }, etcd, nodeReady);
  if (!("lead" in plan)) throw new MendError("plan-refused", plan.problems.join("; "));
  if (!(await options.agree(plan))) return undefined;
  if (plan.problems.length > 0) {
    throw new MendError("plan-refused", `the node cannot be replaced like this:\n  ${plan.problems.join("\n  ")}`, {
      where: machine.name,
    });
  }
  const step = async (to: NodeTarget, shown: (ClusterEvent & { kind: "step" })["step"], request: StepRequest) => {
    on({ kind: "step", step: shown, node: to.name, state: "begun" });
    const answer = await ask(to, request);
    on({ kind: "step", step: shown, node: to.name, state: "done" });
    return answer;
  };
  await step(lead, "remove", {
    step: "remove-lost",
    memberIds: plan.removeMembers.map(({ id }) => id),
    node: plan.deleteNode ? machine.name : null,
  });
  const { words } = (await ask(lead, { step: "make-join" })) as { words: readonly string[] };
  await step(machine, "join", { step: "join-node", words, ...machine, extra: options.joinFlags });
  const names = [...lives.map(({ nodeName }) => nodeName), machine.name];
  const proved = await step(lead, "prove-etcd", { step: "prove-living", names });
  const id = `replace-${machine.name}`;
  const controlPlane = await step(lead, "prove", { step: "prove", nodes: names, id, elapsed: null });
  return {
    node: machine.name,
    removedMembers: plan.removeMembers.map(({ id }) => id),
    etcd: proved as Replaced["etcd"],
    controlPlane: controlPlane as ControlPlaneProof,
    seconds: Math.round((now() - began) / 1000),
  };
}
