/**
 * Removes pods of several nodes and waits for their end: all nodes at once, a bounded number of requests at a time,
 * everything learned from watches. What becomes of each pod is decided by `nodes/removal-state.ts`; this feeds it with
 * what was seen, sends the requests and reports.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterApi } from "../../io/api-server/cluster-api.ts";
import type { LiveObjects } from "../../io/api-server/live-objects.ts";
import { namespacedName } from "../../kube/names.ts";
import type { KubeObject } from "../../kube/object.ts";
import { isTerminating } from "../../kube/pod.ts";
import { allowedBy } from "../../nodes/budget.ts";
import { isSkippedWhileDeleted } from "../../nodes/drain-filter.ts";
import {
  dueAt,
  eventsOf,
  isFinal,
  needsBudgets,
  next,
  QUEUED,
  REMOVAL_RULES,
  type RemovalAnswer,
  type RemovalEvent,
  type RemovalSeen,
  type RemovalState,
} from "../../nodes/removal-state.ts";
import { delayText, isOverdue, reportableDelay, type TerminationDelay } from "../../nodes/termination-delay.ts";
import { podsOfNode } from "../cluster-access/node-targets.ts";
import { ApiPatience } from "./api-patience.ts";
import { BudgetView } from "./budget-view.ts";
import type { DrainProgress, DrainSink } from "./drain-events.ts";
import { KubeletAnswers } from "./kubelet-answers.ts";
import { NodeProofs, type Proof } from "./node-proof.ts";
import { type RemovalChoices, type RemovalMethod, removePod } from "./pod-eviction.ts";
import { failureText } from "./removal-failure.ts";

const AT_ONCE = 10;
/** For each the API server may have to read every pod of the cluster. */
const PROOFS_AT_ONCE = 3;
const COALESCE_MS = 20;

export interface PodRemovalOptions {
  readonly api: ClusterApi;
  /** Follows the pods of all the nodes. */
  readonly live: LiveObjects;
  readonly method: RemovalMethod;
  readonly choices: RemovalChoices;
  readonly skipWaitForDeleteSeconds: number;
  /** Milliseconds since the epoch; undefined: as long as it takes. */
  readonly deadline: number | undefined;
  /** Such as `5m0s`, for the message when it has passed. */
  readonly timeoutText: string;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly report: DrainSink;
  /** A pod that came to a node after it was cordoned: whether it has to leave too. */
  readonly judgeArrival: (pod: KubeObject, node: string) => boolean;
}

/** A pod that has to leave: as it was seen last, and how far its removal has come. */
interface Removal {
  readonly node: string;
  pod: KubeObject;
  state: RemovalState;
  /** To the request under way. */
  answer: RemovalAnswer | undefined;
}

interface Proving {
  /** Undefined while it is under way. */
  proof: Proof | undefined;
}

export interface PodOutcome {
  readonly pod: KubeObject;
  readonly node: string;
  readonly state: "gone" | "failed" | "skipped";
  readonly error: string | undefined;
}

export class PodRemoval {
  readonly #options: PodRemovalOptions;
  readonly #budgets: BudgetView;
  readonly #patience: ApiPatience;
  readonly #proofs: NodeProofs;
  readonly #kubelets: KubeletAnswers;
  /** By UID. */
  readonly #removals = new Map<string, Removal>();
  /** The same by node, each with its UID: a node is looked at without going through the pods of all others. */
  readonly #ofNode = new Map<string, Map<string, Removal>>();
  /** Nodes with pods that have not ended. */
  readonly #open: Set<string>;
  /** Nodes that seem to have none left, while that is read again. */
  readonly #proving = new Map<string, Proving>();
  #failure: unknown;

  constructor(options: PodRemovalOptions, nodes: readonly KubeObject[]) {
    const { api, live, method, signal, now } = options;
    this.#options = options;
    const version = method.by === "eviction" ? method.apiVersion : "policy/v1beta1";
    this.#budgets = new BudgetView(api, live, version, signal);
    this.#proofs = new NodeProofs(api, live, now);
    this.#patience = new ApiPatience(live, now, (text) => options.report({ type: "note", text }));
    this.#kubelets = new KubeletAnswers(api, nodes, now);
    this.#open = new Set(nodes.map(({ metadata }) => metadata.name));
  }

  add(pod: KubeObject, node: string): void {
    const removal: Removal = { node, pod, state: QUEUED, answer: undefined };
    this.#removals.set(uidOf(pod), removal);
    const own = this.#ofNode.get(node) ?? new Map<string, Removal>();
    this.#ofNode.set(node, own.set(uidOf(pod), removal));
  }

  /** Until every pod is gone or has failed. `ended` is called as the last pod of a node is. Throws where the API server stays away. */
  async run(ended: (node: string) => void): Promise<void> {
    const { live, signal } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      this.#patience.check();
      this.#addArrivals();
      this.#step();
      this.#options.report({ type: "progress", progress: this.progress });
      for (const node of [...this.#open]) {
        if (this.outcomes(node) === undefined) {
          this.#proving.delete(node); // A pod has come meanwhile: what was read before it ended says nothing.
          continue;
        }
        if (!this.#isProved(node)) continue;
        this.#open.delete(node);
        ended(node);
      }
      if (this.#open.size === 0) return;
      await live.changed(this.#pause(), signal);
      await sleep(COALESCE_MS, undefined, { signal }); // changes come in crowds
    }
  }

  /**
   * What the watch has brought is confirmed by a read before it is reported; meanwhile the other nodes continue, because
   * in a large cluster such a read takes seconds. A node of which only failures would be reported needs none.
   */
  #isProved(node: string): boolean {
    if (this.#options.choices.serverDryRun) return true;
    const proving = this.#proving.get(node);
    if (proving === undefined) this.#prove(node);
    if (proving?.proof === undefined) return false;
    this.#proving.delete(node);
    const { proof } = proving;
    if (proof.state !== "refuted") return proof.state === "proved";
    for (const pod of proof.pods) {
      const removal = this.#removals.get(uidOf(pod));
      if (removal !== undefined) this.#advance(removal, { ...this.#seen(removal, pod, false), pod: "listed" });
    }
    return true;
  }

  #prove(node: string): void {
    const { deadline, signal, live } = this.#options;
    if ([...this.#proving.values()].filter(({ proof }) => proof === undefined).length >= PROOFS_AT_ONCE) return;
    const gone = new Set(
      [...(this.#ofNode.get(node) ?? [])].flatMap(([uid, { state }]) => (state.kind === "gone" ? [uid] : [])),
    );
    const proving: Proving = { proof: undefined };
    this.#proving.set(node, proving);
    this.#proofs.check(node, gone, deadline, signal).then(
      (proof) => {
        proving.proof = proof;
        live.wake();
      },
      (error: unknown) => {
        this.#failure ??= error;
        live.wake();
      },
    );
  }

  /** Undefined while some pod of the node is neither gone nor given up. */
  outcomes(node: string): readonly PodOutcome[] | undefined {
    const outcomes: PodOutcome[] = [];
    for (const { pod, state } of this.#ofNode.get(node)?.values() ?? []) {
      if (!isFinal(state)) return undefined;
      const error = state.kind === "failed" ? this.#errorOf(pod, state) : undefined;
      outcomes.push({ pod, node, state: state.kind, error });
    }
    return outcomes;
  }

  #errorOf(pod: KubeObject, { failure }: Extract<RemovalState, { kind: "failed" }>): string {
    const budgets = this.#budgets.of(pod);
    return failureText(pod, failure, {
      isEviction: this.#isEviction,
      timeoutText: this.#options.timeoutText,
      budgets: budgets === "unreadable" ? [] : (budgets ?? []),
    });
  }

  /** Pods of a node that have to leave and are not gone. */
  pending(node: string): KubeObject[] {
    return [...(this.#ofNode.get(node)?.values() ?? [])]
      .filter(({ state }) => state.kind !== "gone")
      .map(({ pod }) => pod);
  }

  get progress(): DrainProgress {
    const counts = { gone: 0, terminating: 0, waiting: 0 };
    let latestEnd: number | undefined;
    for (const { state, pod } of this.#removals.values()) {
      if (state.kind === "gone" || state.kind === "skipped") counts.gone++;
      else if (state.kind === "refused") counts.waiting++;
      else if (state.kind === "terminating") {
        counts.terminating++;
        const end = Date.parse(pod.metadata.deletionTimestamp ?? "");
        if (!Number.isNaN(end)) latestEnd = Math.max(latestEnd ?? 0, end);
      }
    }
    return { total: this.#removals.size, ...counts, latestEnd };
  }

  get #isEviction(): boolean {
    return this.#options.method.by === "eviction";
  }

  #addArrivals(): void {
    const { live, choices, judgeArrival } = this.#options;
    if (choices.serverDryRun) return;
    for (const node of this.#open) {
      for (const pod of live.get(podsOfNode(node)) ?? []) {
        if (!this.#removals.has(uidOf(pod)) && judgeArrival(pod, node)) this.add(pod, node);
      }
    }
  }

  /** Every removal continues by what was seen. */
  #step(): void {
    const { live } = this.#options;
    const present = new Map<string, KubeObject>();
    for (const node of this.#open) {
      for (const pod of live.get(podsOfNode(node)) ?? []) present.set(uidOf(pod), pod);
    }
    const removals = [...this.#removals].filter(([, { node }]) => this.#open.has(node));
    const allowances = new Allowances();
    for (const [, { state, pod }] of removals) {
      if (state.kind === "queued" && state.isReleased) allowances.take(this.#knownBudgets(pod));
    }
    let asking = removals.filter(([, { state, answer }]) => state.kind === "asking" && answer === undefined).length;
    for (const [uid, removal] of removals) {
      const pod = present.get(uid);
      removal.pod = pod ?? removal.pod;
      const before = removal.state;
      this.#advance(removal, this.#seen(removal, pod, asking < AT_ONCE, allowances));
      if (removal.state.kind === "asking" && before.kind !== "asking") asking++;
      if (removal.state.kind === "queued" && before.kind === "refused")
        allowances.take(this.#knownBudgets(removal.pod));
    }
  }

  #knownBudgets(pod: KubeObject): readonly KubeObject[] {
    const budgets = this.#budgets.of(pod);
    return budgets === undefined || budgets === "unreadable" ? [] : budgets;
  }

  #seen(
    { state, answer, node }: Removal,
    pod: KubeObject | undefined,
    mayAsk: boolean,
    allowances = new Allowances(),
  ): RemovalSeen {
    const { now, deadline, skipWaitForDeleteSeconds } = this.#options;
    const time = now();
    const isLeaving = pod !== undefined && state.kind === "terminating" && isTerminating(pod);
    const budgets = pod === undefined ? undefined : this.#budgets.of(pod);
    return {
      pod:
        pod === undefined
          ? "absent"
          : isSkippedWhileDeleted(pod, skipWaitForDeleteSeconds, time)
            ? "overlong"
            : "present",
      answer,
      budgets:
        budgets === undefined
          ? "unknown"
          : budgets === "unreadable"
            ? "unreadable"
            : {
                versions: budgets.map(({ metadata }) => metadata.resourceVersion).join(),
                allow: budgets.length > 0 && allowances.allow(budgets),
              },
      delay: isLeaving ? reportableDelay(pod, this.#kubelets.of(node), time)?.kind : undefined,
      mayAsk,
      isTimeUp: deadline !== undefined && time >= deadline,
    };
  }

  #advance(removal: Removal, seen: RemovalSeen): void {
    const { signal, now, live, choices } = this.#options;
    const before = removal.state;
    removal.state = next(before, seen, now(), { ...REMOVAL_RULES, isDryRun: choices.serverDryRun });
    removal.answer = undefined;
    if (needsBudgets(removal.state)) this.#budgets.follow(removal.pod.metadata.namespace ?? "");
    for (const event of eventsOf(before, removal.state)) this.#report(removal, event, before);
    const isLeaving = removal.state.kind === "terminating" && isTerminating(removal.pod);
    if (isLeaving && isOverdue(removal.pod, now())) this.#kubelets.lookAt(removal.node, signal, () => live.wake());
    if (removal.state.kind === "asking" && before.kind !== "asking") this.#ask(removal);
  }

  #report({ pod, node, state }: Removal, event: RemovalEvent, before: RemovalState): void {
    const { report, now, skipWaitForDeleteSeconds } = this.#options;
    switch (event) {
      case "removing":
      case "removed":
        report({ type: event, pod, evicting: this.#isEviction });
        return;
      case "skipped":
        report({ type: "skipped", pod, seconds: skipWaitForDeleteSeconds });
        return;
      case "held": {
        const delay: TerminationDelay | undefined = reportableDelay(pod, this.#kubelets.of(node), now());
        if (delay !== undefined) report({ type: "held", pod, text: delayText(delay, now()) });
        return;
      }
      case "refused": {
        const refusal = before.kind === "refused" ? before : state;
        const message = refusal.kind === "refused" ? refusal.message : "";
        const budgets = refusal.kind === "refused" && refusal.by === "namespace" ? [] : this.#knownBudgets(pod);
        this.#budgets.notes(pod, budgets).then(
          (notes) => report({ type: "refused", pod, message, budgets: notes }),
          () => report({ type: "refused", pod, message, budgets: [] }),
        );
      }
    }
  }

  #ask(removal: Removal): void {
    const { api, method, choices, signal, live } = this.#options;
    removePod(api, removal.pod, method, choices, signal).then(
      (answer) => {
        removal.answer = answer;
        live.wake();
      },
      (error: unknown) => {
        this.#failure ??= error;
        live.wake();
      },
    );
  }

  /** How long nothing has to be done unless something changes. */
  #pause(): number {
    const time = this.#options.now();
    let wake = time + 1000; // Grace periods pass without anything changing.
    for (const { state } of this.#removals.values()) {
      const due = dueAt(state);
      if (due !== undefined) wake = Math.min(wake, Math.max(due, time + 50));
    }
    const { deadline } = this.#options;
    return Math.max(10, Math.min(wake, deadline ?? wake) - time);
  }
}

/** How many more pods each budget lets go, as they are given away in one round. */
class Allowances {
  readonly #left = new Map<string, number>();

  allow(budgets: readonly KubeObject[]): boolean {
    return budgets.every((budget) => this.#of(budget) > 0);
  }

  take(budgets: readonly KubeObject[]): void {
    for (const budget of budgets) this.#left.set(namespacedName(budget), this.#of(budget) - 1);
  }

  #of(budget: KubeObject): number {
    return this.#left.get(namespacedName(budget)) ?? allowedBy(budget);
  }
}

function uidOf(pod: KubeObject): string {
  return pod.metadata.uid ?? namespacedName(pod);
}
