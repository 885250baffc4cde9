/**
 * Which pods go to a node that returned. Pods do not move back by themselves, so after a failure the node stays empty
 * and the others full. A plan moves just enough: first it evens out each owner's replicas, then what the nodes' pods
 * ask for. It is made of single moves, and is to be recreated after each, because where a pod comes to run is the
 * scheduler's to say.
 */
import { defined } from "../errors/defined.ts";
import { objectOf, textOf } from "../kube/fields.ts";
import { nodeOf } from "../kube/mirror-pod.ts";
import { namespacedName } from "../kube/names.ts";
import { isCordoned, isNodeReady } from "../kube/node-state.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import {
  controllerOf,
  daemonSetOf,
  hasEmptyDir,
  isFinished,
  isServing,
  isTerminating,
  type Requests,
  requestsOf,
} from "../kube/pod.ts";
import { parseQuantity } from "../kube/quantity.ts";
import { toleratesAll } from "../kube/tolerations.ts";
import { budgetsOf } from "./budget.ts";
import { taintsOf } from "./evict-guard.ts";

export interface RebalanceInput {
  readonly nodes: readonly KubeObject[];
  /** All pods of all nodes. */
  readonly pods: readonly KubeObject[];
  readonly budgets: readonly KubeObject[];
  /** Nodes that pods are moved to; undefined: any. */
  readonly targets: ReadonlySet<string> | undefined;
  /** Pods with emptyDir volumes may move: their data is lost. */
  readonly moveEmptyDir: boolean;
  /** UIDs of controllers that must not be touched. */
  readonly barred: ReadonlySet<string>;
}

export interface Move {
  readonly pod: KubeObject;
  readonly from: string;
  readonly to: string;
  readonly because: "spread" | "requests";
}

export interface NodeLoad {
  readonly node: string;
  readonly pods: number;
  readonly requests: Requests;
  readonly allocatable: Requests;
  /** The larger of its shares of CPU and memory that are asked for: 0 to 1, or more. */
  readonly share: number;
}

/** Moves by load stop when the fullest and the emptiest node are as close as this. */
const CLOSE_ENOUGH = 0.1;
/** A plan is made step by step; this bounds it. */
const MOST_MOVES = 1000;

/** The moves in the order in which they are to be made. */
export function planRebalance(input: RebalanceInput): Move[] {
  const state = new Spread(input);
  const moves: Move[] = [];
  while (moves.length < MOST_MOVES) {
    const move = state.nextMove();
    if (move === undefined) break;
    state.apply(move);
    moves.push(move);
  }
  return moves;
}

/** How full each schedulable node is, with moves made; in the order of the nodes. */
export function nodeLoads(input: RebalanceInput, moves: readonly Move[] = []): NodeLoad[] {
  const state = new Spread(input);
  for (const move of moves) state.apply(move);
  return state.loads();
}

interface NodeCapacity {
  readonly node: KubeObject;
  readonly name: string;
  readonly allocatable: Requests;
  readonly maxPods: number;
  cpu: number;
  memory: number;
  pods: number;
}

class Spread {
  readonly #input: RebalanceInput;
  readonly #capacities = new Map<string, NodeCapacity>();
  /** Controller's UID to its pods that may move, by node. */
  readonly #owners = new Map<string, Map<string, KubeObject[]>>();
  /** Controller's UID to how many of its pods each node has, whether they may move or not. */
  readonly #counts = new Map<string, Map<string, number>>();

  constructor(input: RebalanceInput) {
    this.#input = input;
    for (const node of input.nodes)
      if (isNodeReady(node) && !isCordoned(node)) this.#capacities.set(node.metadata.name, capacity(node));
    for (const pod of input.pods) this.#add(pod);
  }

  #add(pod: KubeObject): void {
    const here = this.#capacities.get(nodeOf(pod));
    if (here === undefined || isFinished(pod) || isTerminating(pod)) return; // what is on its way out makes room
    fill(here, pod, 1);
    const owner = controllerOf(pod);
    if (owner === undefined) return;
    count(this.#counts, owner.uid, here.name, 1);
    if (!this.#mayMove(pod)) return;
    const byNode = this.#owners.get(owner.uid) ?? new Map<string, KubeObject[]>();
    this.#owners.set(owner.uid, byNode);
    byNode.set(here.name, [...(byNode.get(here.name) ?? []), pod]);
  }

  #mayMove(pod: KubeObject): boolean {
    const owner = defined(controllerOf(pod));
    if (!["ReplicaSet", "ReplicationController"].includes(owner.kind) || daemonSetOf(pod) !== undefined) return false;
    if (this.#input.barred.has(owner.uid) || !isServing(pod)) return false;
    if (hasEmptyDir(pod) && !this.#input.moveEmptyDir) return false;
    // More than one budget makes the eviction API refuse for good.
    return budgetsOf(pod, this.#input.budgets).length <= 1;
  }

  nextMove(): Move | undefined {
    return this.#spreadMove() ?? this.#requestsMove();
  }

  /** The owner whose replicas are most unevenly spread; a difference of one is as even as it gets. */
  #spreadMove(): Move | undefined {
    let best: Move | undefined;
    let largest = 1;
    for (const [uid, byNode] of this.#owners) {
      const counts = defined(this.#counts.get(uid));
      for (const [from, pods] of byNode) {
        const pod = pods.at(-1);
        if (pod === undefined) continue;
        for (const to of this.#targets()) {
          const difference = (counts.get(from) ?? 0) - (counts.get(to.name) ?? 0);
          if (difference <= largest || !this.#fits(pod, to)) continue;
          largest = difference;
          best = { pod, from, to: to.name, because: "spread" };
        }
      }
    }
    return best;
  }

  /** From the fullest node to the emptiest, where that brings them closer and does not undo an owner's spread. */
  #requestsMove(): Move | undefined {
    const from = [...this.#capacities.values()].sort((a, b) => shareOf(b) - shareOf(a));
    for (const source of from) {
      for (const target of this.#targets().sort((a, b) => shareOf(a) - shareOf(b))) {
        const gap = shareOf(source) - shareOf(target);
        if (gap <= CLOSE_ENOUGH) break;
        const pod = this.#bestPod(source, target, gap);
        if (pod !== undefined) return { pod, from: source.name, to: target.name, because: "requests" };
      }
    }
    return undefined;
  }

  /** The one that leaves the two nodes closest to each other. */
  #bestPod(source: NodeCapacity, target: NodeCapacity, gap: number): KubeObject | undefined {
    let best: KubeObject | undefined;
    let smallest = gap - 1e-9;
    for (const [uid, byNode] of this.#owners) {
      const counts = defined(this.#counts.get(uid));
      if ((counts.get(target.name) ?? 0) >= (counts.get(source.name) ?? 0)) continue;
      for (const pod of byNode.get(source.name) ?? []) {
        const { cpu, memory } = requestsOf(pod);
        if ((cpu === 0 && memory === 0) || !this.#fits(pod, target)) continue;
        const left = shareOf(source, -cpu, -memory);
        const right = shareOf(target, cpu, memory);
        if (Math.abs(left - right) >= smallest) continue;
        smallest = Math.abs(left - right);
        best = pod;
      }
    }
    return best;
  }

  #targets(): NodeCapacity[] {
    const { targets } = this.#input;
    return [...this.#capacities.values()].filter(({ name }) => targets?.has(name) ?? true);
  }

  /** What can be determined without being the scheduler: room, taints, the node selector. Affinity is left to it. */
  #fits(pod: KubeObject, to: NodeCapacity): boolean {
    const { cpu, memory } = requestsOf(pod);
    if (to.pods + 1 > to.maxPods) return false;
    if (to.cpu + cpu > to.allocatable.cpu || to.memory + memory > to.allocatable.memory) return false;
    if (!toleratesAll(pod, taintsOf(to.node))) return false;
    const selector = objectOf(objectOf(pod.spec).nodeSelector);
    return Object.entries(selector).every(([label, value]) => to.node.metadata.labels?.[label] === value);
  }

  apply({ pod, from, to }: Move): void {
    const [source, target] = [this.#capacities.get(from), this.#capacities.get(to)];
    if (source === undefined || target === undefined) return;
    fill(source, pod, -1);
    fill(target, pod, 1);
    const { uid } = defined(controllerOf(pod));
    count(this.#counts, uid, from, -1);
    count(this.#counts, uid, to, 1);
    const byNode = this.#owners.get(uid);
    const key = namespacedName(pod);
    // Its successor is not there yet, so it cannot be moved on.
    byNode?.set(
      from,
      (byNode.get(from) ?? []).filter((each) => namespacedName(each) !== key),
    );
  }

  loads(): NodeLoad[] {
    return [...this.#capacities.values()].map((each) => ({
      node: each.name,
      pods: each.pods,
      requests: { cpu: each.cpu, memory: each.memory },
      allocatable: each.allocatable,
      share: shareOf(each),
    }));
  }
}

function capacity(node: KubeObject): NodeCapacity {
  const allocatable = objectOf(objectOf(node.status).allocatable);
  const most = parseQuantity(allocatable.pods);
  return {
    node,
    name: node.metadata.name,
    allocatable: { cpu: parseQuantity(allocatable.cpu), memory: parseQuantity(allocatable.memory) },
    maxPods: textOf(allocatable.pods) === "" ? Number.POSITIVE_INFINITY : most,
    cpu: 0,
    memory: 0,
    pods: 0,
  };
}

function fill(here: NodeCapacity, pod: KubeObject, sign: 1 | -1): void {
  const { cpu, memory } = requestsOf(pod);
  here.cpu += sign * cpu;
  here.memory += sign * memory;
  here.pods += sign;
}

function count(counts: Map<string, Map<string, number>>, uid: string, node: string, change: number): void {
  const byNode = counts.get(uid) ?? new Map<string, number>();
  counts.set(uid, byNode);
  byNode.set(node, (byNode.get(node) ?? 0) + change);
}

function shareOf({ cpu, memory, allocatable }: NodeCapacity, moreCpu = 0, moreMemory = 0): number {
  const share = (amount: number, of: number) => (of > 0 ? amount / of : 0);
  return Math.max(share(cpu + moreCpu, allocatable.cpu), share(memory + moreMemory, allocatable.memory));
}

/** An annotation that Kubernetes 1.22 and later look at when they scale down: the lowest goes first. */
export const DELETION_COST = "controller.kubernetes.io/pod-deletion-cost";

/** Whether a Deployment, ReplicaSet or ReplicationController stands still, so that one more replica is all that changes. */
export function isSteady(owner: JsonObject): boolean {
  const [spec, status] = [objectOf(owner.spec), objectOf(owner.status)];
  const replicas = typeof spec.replicas === "number" ? spec.replicas : 1;
  if (spec.paused === true) return false;
  const metadata = objectOf(owner.metadata);
  if (Number(status.observedGeneration ?? 0) < Number(metadata.generation ?? 0)) return false;
  const updated = owner.kind === "Deployment" ? status.updatedReplicas : status.replicas;
  return [status.replicas, updated, status.readyReplicas].every((each) => Number(each ?? 0) === replicas);
}
