/**
 * Pods of several nodes told to go, and waited for: all nodes at once, a bounded number of requests at a time, everything learned from watches. A pod whose
 * budget refuses is asked for again when the budget changes.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterApi } from "../../io/api-server/cluster-api.ts";
import type { LiveObjects } from "../../io/api-server/live-objects.ts";
import { namespacedName } from "../../kube/names.ts";
import { isNodeReady } from "../../kube/node-state.ts";
import type { KubeObject } from "../../kube/object.ts";
import { isTerminating } from "../../kube/pod.ts";
import { allowedBy } from "../../nodes/budget.ts";
import { isSkippedWhileDeleted } from "../../nodes/drain-filter.ts";
import { holdupOf, holdupText } from "../../nodes/holdup.ts";
import { nodePath, podsOfNode } from "../cluster-access/node-targets.ts";
import { ApiPatience } from "./api-patience.ts";
import { BudgetView } from "./budget-view.ts";
import type { DrainProgress, DrainSink } from "./drain-events.ts";
import { NodeProofs } from "./node-proof.ts";
import { type RemovalAnswer, type RemovalChoices, type RemovalMethod, removePod } from "./pod-eviction.ts";

const AT_ONCE = 10;
const COALESCE_MS = 20;
/** How long to wait before a refused pod is asked for again, where its budgets cannot be watched, and where they can. */
const RETRY_BLIND_MS = 5000;
const RETRY_WATCHED_MS = 30_000;
const RETRY_UNDECIDED_MS = 1000;
/** A server that goes on to have no answer for a pod has failed. */
const MOST_UNDECIDED = 5;
/** A pod that is over its time by this is worth a word, and a look at its node. */
const OVERDUE_MS = 15_000;
const LOOK_AT_NODE_MS = 15_000;

export interface PodRemovalOptions {
  readonly api: ClusterApi;
  /** Follows the pods of all the nodes. */
  readonly live: LiveObjects;
  readonly method: RemovalMethod;
  readonly choices: RemovalChoices;
  readonly skipWaitForDeleteSeconds: number;
  /** Milliseconds since the epoch; undefined: as long as it takes. */
  readonly deadline: number | undefined;
  /** Such as `5m0s`, for what is said when it has passed. */
  readonly timeoutText: string;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly tell: DrainSink;
  /** A pod that came to a node after it was cordoned: whether it has to go too. */
  readonly judgeArrival: (pod: KubeObject, node: string) => boolean;
}

type State = "queued" | "asking" | "refused" | "terminating" | "gone" | "failed" | "skipped";

interface Tracked {
  readonly node: string;
  pod: KubeObject;
  state: State;
  tryAt: number;
  undecided: number;
  /** Whether the API server was asked and had not refused, so that its end is our doing. */
  accepted: boolean;
  announced: boolean;
  error: string | undefined;
  said: string;
  /** The state of its budgets when it was refused, by their resource versions. */
  refusedAt: string | undefined;
  noted: boolean;
  heldFor: string | undefined;
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
  readonly #tracked = new Map<string, Tracked>();
  readonly #nodes = new Map<string, { answers: boolean; lookedAt: number; looking: boolean }>();
  /** Nodes with pods that have not ended. */
  readonly #open = new Set<string>();
  #asking = 0;
  #failure: unknown;

  constructor(options: PodRemovalOptions, nodes: readonly KubeObject[]) {
    this.#options = options;
    const version = options.method.by === "eviction" ? options.method.apiVersion : "policy/v1beta1";
    this.#budgets = new BudgetView(options.api, options.live, version, options.signal);
    this.#proofs = new NodeProofs(options.api, options.live, options.now);
    this.#patience = new ApiPatience(options.live, options.now, (text) => options.tell({ type: "note", text }));
    for (const node of nodes) {
      this.#open.add(node.metadata.name);
      this.#nodes.set(node.metadata.name, { answers: isNodeReady(node), lookedAt: options.now(), looking: false });
    }
  }

  add(pod: KubeObject, node: string): void {
    this.#tracked.set(pod.metadata.uid ?? namespacedName(pod), {
      node,
      pod,
      state: "queued",
      tryAt: 0,
      undecided: 0,
      accepted: false,
      announced: false,
      error: undefined,
      said: "",
      refusedAt: undefined,
      noted: false,
      heldFor: undefined,
    });
  }

  /** Until every pod is gone or has failed. `ended` is called as the last pod of a node is. Throws where the API server stays away. */
  async run(ended: (node: string) => void): Promise<void> {
    const { live, signal, now, deadline } = this.#options;
    const open = this.#open;
    for (;;) {
      signal.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      this.#patience.check();
      this.#look();
      if (deadline !== undefined && now() >= deadline) this.#giveUp();
      this.#askAll();
      this.#options.tell({ type: "progress", progress: this.progress });
      for (const node of [...open]) {
        if (this.outcomes(node) === undefined || !(await this.#isProved(node))) continue;
        open.delete(node);
        ended(node);
      }
      if (open.size === 0) return;
      await live.changed(this.#pause(), signal);
      await sleep(COALESCE_MS, undefined, { signal }); // changes come in crowds
    }
  }

  /** What the watch has brought is confirmed by a read before it is said. Where nothing is to be said of a node but failures, they stand. */
  async #isProved(node: string): Promise<boolean> {
    if (this.#options.choices.serverDryRun) return true;
    const own = [...this.#tracked].filter(([, tracked]) => tracked.node === node);
    const gone = new Set(own.filter(([, { state }]) => state === "gone").map(([uid]) => uid));
    const proof = await this.#proofs.check(node, gone, this.#options.deadline, this.#options.signal);
    if (proof.state !== "refuted") return proof.state === "proved";
    for (const pod of proof.pods) {
      const tracked = this.#tracked.get(pod.metadata.uid ?? namespacedName(pod))!;
      tracked.state = "failed";
      tracked.error = `pod "${namespacedName(pod)}" is gone by what the API server's watch says, and is there by what its list says`;
    }
    return true;
  }

  /** Undefined while some pod of the node is neither gone nor given up. */
  outcomes(node: string): readonly PodOutcome[] | undefined {
    const outcomes: PodOutcome[] = [];
    for (const { node: its, pod, state, error } of this.#tracked.values()) {
      if (its !== node) continue;
      if (state !== "gone" && state !== "failed" && state !== "skipped") return undefined;
      outcomes.push({ pod, node, state, error });
    }
    return outcomes;
  }

  /** Pods of a node that were to go and are not gone. */
  pending(node: string): KubeObject[] {
    return [...this.#tracked.values()]
      .filter((each) => each.node === node && each.state !== "gone")
      .map(({ pod }) => pod);
  }

  get progress(): DrainProgress {
    let [gone, terminating, waiting] = [0, 0, 0];
    let latestEnd: number | undefined;
    for (const { state, pod } of this.#tracked.values()) {
      if (state === "gone" || state === "skipped") gone++;
      else if (state === "refused") waiting++;
      else if (state === "terminating") {
        terminating++;
        const end = Date.parse(pod.metadata.deletionTimestamp ?? "");
        if (!Number.isNaN(end)) latestEnd = Math.max(latestEnd ?? 0, end);
      }
    }
    return { total: this.#tracked.size, gone, terminating, waiting, latestEnd };
  }

  get #evicting(): boolean {
    return this.#options.method.by === "eviction";
  }

  /** Takes in what the watches have brought. */
  #look(): void {
    for (const node of this.#open) {
      const listed = this.#options.live.get(podsOfNode(node)) ?? [];
      const present = new Map(listed.map((pod) => [pod.metadata.uid ?? namespacedName(pod), pod]));
      for (const [uid, tracked] of this.#tracked) {
        if (tracked.node === node) this.#compare(tracked, present.get(uid));
      }
      if (this.#options.choices.serverDryRun) continue;
      for (const [uid, pod] of present) {
        if (!this.#tracked.has(uid) && this.#options.judgeArrival(pod, node)) this.add(pod, node);
      }
    }
  }

  #compare(tracked: Tracked, present: KubeObject | undefined): void {
    const { tell, now, skipWaitForDeleteSeconds } = this.#options;
    if (["gone", "failed", "skipped"].includes(tracked.state)) return;
    if (present === undefined) {
      // The answer to the request that is under way says whether it was ours.
      if (tracked.state === "asking") return;
      tracked.state = "gone";
      if (tracked.accepted) tell({ type: "removed", pod: tracked.pod, evicting: this.#evicting });
      return;
    }
    tracked.pod = present;
    if (tracked.state !== "terminating") return;
    if (isSkippedWhileDeleted(present, skipWaitForDeleteSeconds, now())) {
      tracked.state = "skipped";
      tell({ type: "skipped", pod: present, seconds: skipWaitForDeleteSeconds });
      return;
    }
    this.#tellWhatHolds(tracked);
  }

  #tellWhatHolds(tracked: Tracked): void {
    const { tell, now } = this.#options;
    if (!isTerminating(tracked.pod)) return; // The watch has not brought it yet.
    const node = this.#nodes.get(tracked.node)!;
    const holdup = holdupOf(tracked.pod, node.answers, now());
    const isOverdue = Date.parse(tracked.pod.metadata.deletionTimestamp ?? "") + OVERDUE_MS < now();
    if (isOverdue) this.#lookAtNode(tracked.node);
    const isCertain = holdup.kind === "node-silent" || tracked.pod.metadata.deletionGracePeriodSeconds === 0;
    if (holdup.kind === "grace" || holdup.kind === tracked.heldFor || !(isCertain || isOverdue)) return;
    // A pod without a grace period is on its way out, unless something else holds it.
    if (holdup.kind === "overdue" && !isOverdue) return;
    tracked.heldFor = holdup.kind;
    tell({ type: "held", pod: tracked.pod, text: holdupText(holdup, now()) });
  }

  /** Whether its kubelet still answers: asked now and then, while a pod takes too long. */
  #lookAtNode(name: string): void {
    const { api, signal, now, live } = this.#options;
    const node = this.#nodes.get(name)!;
    if (node.looking || now() - node.lookedAt < LOOK_AT_NODE_MS) return;
    node.looking = true;
    api
      .get(nodePath(name), signal)
      .then((object) => {
        node.answers = isNodeReady(object);
        live.wake();
      })
      .catch(() => {}) // What is known of it stays; whether the API server answers, the watches tell.
      .finally(() => {
        node.looking = false;
        node.lookedAt = now();
      });
  }

  #askAll(): void {
    const time = this.#options.now();
    const allowances = new Map<string, number>();
    for (const tracked of this.#tracked.values()) {
      if (tracked.state === "refused") this.#reconsider(tracked, allowances);
      if (this.#asking >= AT_ONCE) break;
      if ((tracked.state !== "queued" && tracked.state !== "refused") || tracked.tryAt > time) continue;
      this.#ask(tracked).catch((error: unknown) => {
        this.#failure ??= error;
        this.#options.live.wake();
      });
    }
  }

  /** A refused pod: says what protects it, once that is known, and lets it go again when each of its budgets has changed and allows one more. */
  #reconsider(tracked: Tracked, allowances: Map<string, number>): void {
    const budgets = this.#budgets.of(tracked.pod);
    if (budgets === undefined) return;
    if (budgets === "unreadable") {
      tracked.tryAt = Math.min(tracked.tryAt, this.#options.now() + RETRY_BLIND_MS);
      this.#note(tracked, []);
      return;
    }
    this.#note(tracked, budgets);
    const versions = budgets.map(({ metadata }) => metadata.resourceVersion).join();
    const isFirstLook = tracked.refusedAt === undefined;
    tracked.refusedAt ??= versions;
    if (budgets.length === 0) return;
    const left = (budget: KubeObject) => allowances.get(namespacedName(budget)) ?? allowedBy(budget);
    if (!budgets.every((budget) => left(budget) > 0)) return;
    if (isFirstLook) tracked.tryAt = Math.min(tracked.tryAt, this.#options.now() + RETRY_UNDECIDED_MS); // it allows since, or what is known of it is old
    if (versions === tracked.refusedAt) return;
    for (const budget of budgets) allowances.set(namespacedName(budget), left(budget) - 1);
    tracked.tryAt = 0;
  }

  #note(tracked: Tracked, budgets: readonly KubeObject[]): void {
    if (tracked.noted) return;
    tracked.noted = true;
    const { tell } = this.#options;
    this.#budgets.notes(tracked.pod, budgets).then(
      (notes) => tell({ type: "refused", pod: tracked.pod, said: tracked.said, budgets: notes }),
      () => tell({ type: "refused", pod: tracked.pod, said: tracked.said, budgets: [] }),
    );
  }

  async #ask(tracked: Tracked): Promise<void> {
    const { api, method, choices, signal, now, tell, live } = this.#options;
    tracked.state = "asking";
    this.#asking++;
    if (!tracked.announced) tell({ type: "removing", pod: tracked.pod, evicting: this.#evicting });
    tracked.announced = true;
    try {
      this.#take(tracked, await removePod(api, tracked.pod, method, choices, signal), now());
    } finally {
      this.#asking--;
      live.wake();
    }
  }

  #take(tracked: Tracked, answer: RemovalAnswer, time: number): void {
    const isDryRun = this.#options.choices.serverDryRun;
    switch (answer.state) {
      case "accepted":
        tracked.accepted = true;
        tracked.state = isDryRun ? "gone" : "terminating";
        return;
      case "gone":
        tracked.state = "gone";
        return;
      case "refused":
        tracked.said = answer.said;
        tracked.state = isDryRun ? "failed" : "refused";
        tracked.error = `error when evicting pods/"${tracked.pod.metadata.name}" -n "${tracked.pod.metadata.namespace}": ${answer.said}`;
        tracked.refusedAt = undefined;
        if (answer.by === "namespace") {
          tracked.tryAt = time + RETRY_BLIND_MS;
          this.#note(tracked, []);
          return;
        }
        this.#budgets.follow(tracked.pod.metadata.namespace ?? "");
        tracked.tryAt = time + RETRY_WATCHED_MS;
        return;
      case "undecided":
        tracked.said = answer.said;
        tracked.state = "queued";
        tracked.tryAt = time + RETRY_UNDECIDED_MS;
        // While nobody answers, the watches fail as well, and they decide how long that is borne.
        if (answer.isConnection) return;
        this.#budgets.follow(tracked.pod.metadata.namespace ?? "");
        if (++tracked.undecided >= MOST_UNDECIDED) this.#fail(tracked, answer.said);
        return;
      case "failed":
        this.#fail(tracked, answer.said);
        return;
    }
  }

  #fail(tracked: Tracked, said: string): void {
    const { name, namespace } = tracked.pod.metadata;
    tracked.state = "failed";
    const budgets = this.#budgets.of(tracked.pod);
    const names =
      Array.isArray(budgets) && budgets.length > 1 ? ` (budgets: ${budgets.map(namespacedName).join(", ")})` : "";
    tracked.error = `error when ${this.#evicting ? "evicting" : "deleting"} pods/"${name}" -n "${namespace}": ${said}${names}`;
  }

  /** The time is up. */
  #giveUp(): void {
    for (const tracked of this.#tracked.values()) {
      if (["gone", "failed", "skipped"].includes(tracked.state)) continue;
      const { name, namespace } = tracked.pod.metadata;
      const reached = `global timeout reached: ${this.#options.timeoutText}`;
      tracked.error =
        tracked.state === "terminating"
          ? `error when waiting for pod "${name}" in namespace "${namespace}" to terminate: ${reached}`
          : `error when ${this.#evicting ? "evicting" : "deleting"} pods/"${name}" -n "${namespace}": ${reached}`;
      tracked.state = "failed";
    }
  }

  /** How long nothing has to be done unless something changes. */
  #pause(): number {
    const time = this.#options.now();
    let next = time + 1000; // Grace periods pass without anything changing.
    for (const { state, tryAt } of this.#tracked.values())
      if (state === "queued" || state === "refused") next = Math.min(next, Math.max(tryAt, time + 50));
    const { deadline } = this.#options;
    return Math.max(10, Math.min(next, deadline ?? next) - time);
  }
}
