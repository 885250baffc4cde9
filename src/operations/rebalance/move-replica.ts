/**
 * One replica moved to another node: looks, asks `nodes/move-state.ts` what follows, and does it. The extra replica is
 * taken back however it ends.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { invariant, MendError } from "../../errors/errors.ts";
import { ApiError, type ClusterApi } from "../../io/api-server/cluster-api.ts";
import { objectOf } from "../../kube/fields.ts";
import { nodeOf } from "../../kube/mirror-pod.ts";
import type { KubeObject, OwnerReference } from "../../kube/object.ts";
import { controllerOf, isServing, isTerminating } from "../../kube/pod.ts";
import {
  MOVE_PATIENCE,
  type MovePatience,
  type MoveSeen,
  type MoveState,
  next,
  preparing,
} from "../../nodes/move-state.ts";
import { DELETION_COST, type Move } from "../../nodes/rebalance.ts";
import { podPath } from "../cluster-access/node-targets.ts";
import { type RemovalMethod, removePod } from "../drain/pod-eviction.ts";
import type { ReplicaSurges, Surge } from "./replica-surges.ts";
import type { Scaled, ScaledOwners } from "./scaled-owners.ts";

const POLL_MS = 1000;
const CLEAN_UP_MS = 15_000;

export interface MoveEdges {
  readonly api: ClusterApi;
  readonly owners: ScaledOwners;
  readonly surges: ReplicaSurges;
  readonly method: RemovalMethod;
  /** Whether the API server lets us say which pod goes when an owner is scaled down: Kubernetes 1.22 and later. */
  readonly hasDeletionCost: boolean;
  /** Nodes that are filled; undefined: any. */
  readonly targets: ReadonlySet<string> | undefined;
  readonly readyMs: number;
  /** All pods, as the watch has them. */
  readonly pods: () => readonly KubeObject[];
  /** Until something has changed, or for a moment. Throws where the API server stays away. */
  readonly news: () => Promise<void>;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly report: (text: string) => void;
}

const NOTHING: MoveSeen = {
  owner: "unsteady",
  surge: "unasked",
  newcomer: "missing",
  removal: { undecided: "" },
  isSettled: false,
  stays: true,
};

/** The least there is: such a pod goes before all others. */
const LEAST_COST = "-2147483648";

export class ReplicaMove {
  readonly #edges: MoveEdges;
  readonly #move: Move;
  readonly #owner: OwnerReference;
  readonly #namespace: string;
  readonly #patience: MovePatience;
  #scaled: Scaled | undefined;
  /** Once the extra replica was asked for. */
  #surge: Surge | undefined;
  #before: ReadonlySet<string | undefined> = new Set();
  #newcomer: KubeObject | undefined;
  /** Whether the replica that is to go was marked as that. */
  #isMarked = false;

  constructor(edges: MoveEdges, move: Move) {
    const owner = controllerOf(move.pod);
    invariant(owner !== undefined, "a pod that is moved has an owner");
    this.#edges = edges;
    this.#move = move;
    this.#owner = owner;
    this.#namespace = move.pod.metadata.namespace ?? "";
    this.#patience = { ...MOVE_PATIENCE, ready: edges.readyMs };
  }

  /** `moved` where the pod went where it was to go; `missed`: another one went; `barred`: its owner is left alone from now on. */
  async run(): Promise<"moved" | "missed" | "barred"> {
    const { now, owners } = this.#edges;
    let state: MoveState = preparing(now(), this.#patience);
    try {
      while (state.kind !== "moved" && state.kind !== "missed" && state.kind !== "barred") {
        const after: MoveState = next(state, await this.#look(state), now(), this.#patience);
        if (after.kind === state.kind) await this.#wait(state);
        state = after;
      }
    } catch (error) {
      await this.#takeBack();
      throw error;
    }
    const failure = await this.#takeBack();
    if (failure !== undefined) throw failure;
    if (state.kind === "barred") owners.bar(this.#owner, this.#namespace, state.reason);
    else this.#report(state.kind);
    return state.kind;
  }

  #wait(state: MoveState): Promise<void> {
    // The owner is read, and not watched.
    if (state.kind === "preparing") return sleep(POLL_MS, undefined, { signal: this.#edges.signal });
    return this.#edges.news();
  }

  async #look(state: MoveState): Promise<MoveSeen> {
    switch (state.kind) {
      case "preparing": {
        const { scaled, state: owner } = await this.#edges.owners.look(this.#owner, this.#namespace);
        this.#scaled = scaled;
        return { ...NOTHING, owner };
      }
      case "surging":
        return { ...NOTHING, surge: (await this.#beginSurge()) ? "begun" : "contended" };
      case "awaiting": {
        // A pod can be ready before it is reported to run, and a controller that scales down has pending pods go first.
        this.#newcomer = this.#pods().find(
          (pod) => !this.#before.has(pod.metadata.uid) && isServing(pod) && objectOf(pod.status).phase === "Running",
        );
        return { ...NOTHING, newcomer: this.#placeOfNewcomer() };
      }
      case "removing":
        return { ...NOTHING, removal: await this.#remove(state.bars === undefined ? this.#move.pod : this.#newcomer) };
      default: {
        const pods = this.#pods();
        const isSettled = pods.length === this.#surge?.wanted && pods.every(isServing);
        return {
          ...NOTHING,
          isSettled,
          stays: pods.some(({ metadata }) => metadata.uid === this.#move.pod.metadata.uid),
        };
      }
    }
  }

  #placeOfNewcomer(): MoveSeen["newcomer"] {
    if (this.#newcomer === undefined) return "missing";
    const node = nodeOf(this.#newcomer);
    const { to, from } = this.#move;
    const isThere = node === to || (this.#edges.targets?.has(node) ?? node !== from);
    return isThere ? "arrived" : { elsewhere: node };
  }

  #pods(): KubeObject[] {
    const { uid } = this.#owner;
    return this.#edges.pods().filter((pod) => controllerOf(pod)?.uid === uid && !isTerminating(pod));
  }

  async #beginSurge(): Promise<boolean> {
    const { surges, signal, report } = this.#edges;
    const { pod, from } = this.#move;
    const scaled = this.#scaled;
    invariant(scaled !== undefined, "an owner that stands still was read");
    const surge = { path: scaled.path, wanted: Number(objectOf(scaled.object.spec).replicas ?? 1) };
    this.#before = new Set(this.#pods().map(({ metadata }) => metadata.uid));
    report(`${scaled.name}: one more replica, to replace "${pod.metadata.name}" of "${from}"`);
    try {
      const isBegun = await surges.begin(surge, signal);
      if (isBegun) this.#surge = surge;
      return isBegun;
    } catch (error) {
      // What was asked for and not answered may have been done all the same.
      if (!(error instanceof ApiError) || error.status >= 500) await this.#endSurge(scaled.name, surge, true);
      throw error;
    }
  }

  /** Has that very pod go, and ends the surge. */
  async #remove(pod: KubeObject | undefined): Promise<MoveSeen["removal"]> {
    const { api, hasDeletionCost, method, surges, signal } = this.#edges;
    invariant(pod !== undefined && this.#surge !== undefined, "a replica is removed after another one has come");
    if (hasDeletionCost) {
      // Its controller has to see the mark before it scales down, and watches as we do.
      const seen = this.#pods().find(({ metadata }) => metadata.uid === pod.metadata.uid);
      if (seen !== undefined && seen.metadata.annotations?.[DELETION_COST] !== LEAST_COST) {
        const cost = { metadata: { annotations: { [DELETION_COST]: LEAST_COST } } };
        if (!this.#isMarked) await api.patch(podPath(pod), cost, signal);
        this.#isMarked = true;
        return { undecided: "the mark that it is the one to go is not seen" };
      }
    } else {
      // Older owners choose by themselves which pod goes, so it is evicted before they are scaled down.
      const choices = { gracePeriodSeconds: undefined, serverDryRun: false };
      const answer = await removePod(api, pod, method, choices, signal);
      if (answer.state === "failed") return { failed: answer.message };
      if (answer.state === "undecided") return { undecided: answer.message };
      if (answer.state === "refused") return "refused";
    }
    await surges.end(this.#surge, signal);
    return "done";
  }

  #report(how: "moved" | "missed"): void {
    const { pod, from } = this.#move;
    if (this.#newcomer === undefined) return;
    const { name } = this.#newcomer.metadata;
    if (how === "missed") {
      this.#edges.report(`pod/${pod.metadata.name} stays on ${from}: its controller removed another replica`);
      return;
    }
    this.#edges.report(`pod/${pod.metadata.name} moved from ${from} to ${nodeOf(this.#newcomer)} as ${name}`);
  }

  #takeBack(): Promise<MendError | undefined> {
    if (this.#surge === undefined) return Promise.resolve(undefined);
    return this.#endSurge(this.#scaled?.name ?? this.#owner.name, this.#surge, false);
  }

  /** Also when interrupted, the owner is left with as many replicas as it had; where that cannot be, it is reported. */
  async #endSurge(name: string, surge: Surge, unanswered: boolean): Promise<MendError | undefined> {
    try {
      await this.#edges.surges.end(surge, AbortSignal.timeout(CLEAN_UP_MS), unanswered);
      return undefined;
    } catch (error) {
      const { wanted } = surge;
      this.#edges.report(
        `${name} may be left with ${wanted + 1} replicas instead of ${wanted}: kubemend node rebalance, run again, puts that right`,
      );
      if (error instanceof MendError) return error;
      return new MendError("api-unreachable", "the API server does not answer", { cause: error });
    }
  }
}
