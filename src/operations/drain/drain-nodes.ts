/** Takes nodes out of service: cordons them, and has their pods leave in the order that their budgets allow. */

import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { FROM_CACHE } from "../../io/api-server/api-lists.ts";
import { ApiError, type ClusterApi } from "../../io/api-server/cluster-api.ts";
import { LiveObjects } from "../../io/api-server/live-objects.ts";
import { recordEvidence } from "../../io/audit/audit-trail.ts";
import { NODES } from "../../kube/api-paths.ts";
import { matchesLabels, parseLabelSelector } from "../../kube/label-selector.ts";
import { namespacedName } from "../../kube/names.ts";
import { isNodeReady } from "../../kube/node-state.ts";
import type { KubeObject } from "../../kube/object.ts";
import { controllerOf, daemonSetOf } from "../../kube/pod.ts";
import { toleratesAll } from "../../kube/tolerations.ts";
import { checkControlPlane, mayCarryControlPlane } from "../../nodes/control-plane-guard.ts";
import {
  aggregateText,
  type DaemonSetAnswer,
  type DrainRules,
  type DrainSelection,
  type FindDaemonSet,
  judgePod,
  selectForDrain,
} from "../../nodes/drain-filter.ts";
import { inParallel } from "../cluster-access/in-parallel.ts";
import { findNodes, type NodeTargets, podsOfNode, readTargets } from "../cluster-access/node-targets.ts";
import { type ClusterFlags, withCluster } from "../cluster-access/open-cluster.ts";
import { demandPermission, denied, whyNotAllowed } from "../cluster-access/permissions.ts";
import { cordonNode, type DryRun } from "./cordon-nodes.ts";
import type { DrainSink } from "./drain-events.ts";
import { findRemovalMethod, type RemovalMethod } from "./pod-eviction.ts";
import { PodRemoval } from "./pod-removal.ts";
import { findOwners, groupPath, waitForReplacements } from "./replacements.ts";

export interface DrainOptions {
  readonly cluster: ClusterFlags;
  readonly targets: NodeTargets;
  readonly rules: DrainRules;
  /** Label selector of pods that are taken away; others stay. */
  readonly podSelector: string;
  readonly gracePeriodSeconds: number | undefined;
  /** Delete pods past their budgets. */
  readonly disableEviction: boolean;
  /** 0: as long as it takes. */
  readonly timeoutMs: number;
  /** Objects that a list answers at once; 0 for all. */
  readonly chunkSize: number;
  readonly dryRun: DryRun;
  readonly waitForReplacements: boolean;
  /** Drain the last healthy control-plane node, or past etcd's quorum. */
  readonly allowControlPlaneLoss: boolean;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly report: DrainSink;
}

export interface NodeOutcome {
  readonly node: string;
  readonly drained: boolean;
  /** `NAMESPACE/NAME`. */
  readonly removed: readonly string[];
  /** Those that were to go and are still there. */
  readonly pending: readonly string[];
  readonly errors: readonly string[];
}

/** How a pod is let off that comes to a cordoned node again and again. */
const MOST_ARRIVALS_OF_OWNER = 3;

/**
 * Throws before anything is done where a node is not there, a permission is missing, or the control plane would be
 * lost; else reports how each node came out.
 */
export function drainNodes(options: DrainOptions): Promise<NodeOutcome[]> {
  const { signal, now } = options;
  readTargets(options.targets);
  if (options.podSelector !== "") parseLabelSelector(options.podSelector);
  return withCluster(options.cluster, { signal, now }, async ({ api }) => {
    const watching = new AbortController();
    try {
      return await new Drain(api, options, AbortSignal.any([signal, watching.signal])).run();
    } finally {
      watching.abort();
    }
  });
}

class Drain {
  readonly #api: ClusterApi;
  readonly #options: DrainOptions;
  readonly #signal: AbortSignal;
  readonly #live: LiveObjects;
  readonly #daemonSets = new Map<string, DaemonSetAnswer>();
  readonly #arrivals = new Map<string, number>();
  readonly #judgedArrivals = new Set<string>();

  constructor(api: ClusterApi, options: DrainOptions, signal: AbortSignal) {
    this.#api = api;
    this.#options = options;
    this.#signal = signal;
    this.#live = new LiveObjects(api, [], signal);
  }

  async run(): Promise<NodeOutcome[]> {
    const { targets, report, dryRun, rules } = this.#options;
    const nodes = await findNodes(this.#api, targets, this.#signal);
    if (nodes.length === 0) return [];
    const method: RemovalMethod = this.#options.disableEviction
      ? { by: "deletion" }
      : await findRemovalMethod(this.#api, this.#signal);
    await this.#followPods(nodes);
    await this.#guardControlPlane(nodes);
    if (dryRun !== "client") await this.#checkPermissions(nodes, method);
    for (const node of nodes) {
      const { changed } = await cordonNode(this.#api, node, true, dryRun, this.#signal);
      report({ type: "cordoned", node: node.metadata.name, changed });
    }
    await this.#findDaemonSets(nodes.flatMap((node) => this.#podsOf(node.metadata.name)));
    const selections = new Map<string, DrainSelection>();
    for (const { metadata } of nodes) {
      const selection = this.#select(metadata.name, rules);
      selections.set(metadata.name, selection);
      if (selection.errors.length === 0 && selection.warnings !== "")
        report({ type: "warning", text: selection.warnings });
    }
    return this.#remove(nodes, selections, method);
  }

  /** What is on the nodes is listed once and then followed. */
  async #followPods(nodes: readonly KubeObject[]): Promise<void> {
    const first = defined(nodes[0]).metadata.name;
    // Asked once in the plain: what is forbidden here, a watch would ask for without end.
    await this.#api.request("GET", `${podsOfNode(first)}&${FROM_CACHE}&limit=1`, undefined, { signal: this.#signal });
    // For each list of a node that has to be of now, the API server reads every pod of the cluster from etcd.
    const choices = { limit: this.#options.chunkSize, fromCache: true };
    for (const { metadata } of nodes) this.#live.follow(podsOfNode(metadata.name), choices);
    while (nodes.some(({ metadata }) => this.#live.get(podsOfNode(metadata.name)) === undefined)) {
      if (!this.#live.reachable) throw this.#live.failure;
      await this.#live.changed(1000, this.#signal);
    }
  }

  #podsOf(node: string): readonly KubeObject[] {
    const { podSelector } = this.#options;
    const pods = this.#live.get(podsOfNode(node)) ?? [];
    if (podSelector === "") return pods;
    const selector = parseLabelSelector(podSelector);
    return pods.filter((pod) => matchesLabels(selector, pod.metadata.labels));
  }

  async #guardControlPlane(nodes: readonly KubeObject[]): Promise<void> {
    const { allowControlPlaneLoss, report } = this.#options;
    const carriers = nodes.filter((node) =>
      mayCarryControlPlane(node, this.#live.get(podsOfNode(node.metadata.name)) ?? []),
    );
    if (carriers.length === 0) return;
    const [all, system] = await Promise.all([
      this.#api.list(NODES, this.#signal),
      this.#api.list("/api/v1/namespaces/kube-system/pods", this.#signal),
    ]);
    const leaving = new Set(nodes.map(({ metadata }) => metadata.name));
    const problems = checkControlPlane({ leaving, nodes: all.items, pods: system.items });
    if (problems.length === 0) return;
    const text = problems.map((problem) => problem.text).join("; ");
    if (allowControlPlaneLoss) {
      report({ type: "note", text: `draining all the same: ${text}` });
      recordEvidence({ allowed: "the loss of the control plane", problem: text });
      return;
    }
    throw new MendError("control-plane-at-risk", `${text}; nothing was changed`, {
      hint: `bring another control-plane node up first, or pass ${input("allowControlPlaneLoss")}`,
    });
  }

  /** Whoever may evict everywhere is let through by one question; else the namespaces of the pods are asked about one by one. */
  async #checkPermissions(nodes: readonly KubeObject[], method: RemovalMethod): Promise<void> {
    await demandPermission(this.#api, { verb: "patch", resource: "nodes" }, this.#signal);
    const permission =
      method.by === "eviction"
        ? { verb: "create", resource: "pods", subresource: "eviction" }
        : { verb: "delete", resource: "pods" };
    if ((await whyNotAllowed(this.#api, permission, this.#signal)) === undefined) return;
    const pods = nodes.flatMap((node) => this.#podsOf(node.metadata.name)).filter((pod) => !daemonSetOf(pod));
    const namespaces = [...new Set(pods.map((pod) => pod.metadata.namespace ?? ""))].sort();
    for (const namespace of namespaces) {
      const why = await whyNotAllowed(this.#api, { ...permission, namespace }, this.#signal);
      if (why !== undefined) throw denied({ ...permission, namespace }, why);
    }
  }

  /** Each DaemonSet is asked for once, however many nodes it has pods on. */
  async #findDaemonSets(pods: readonly KubeObject[]): Promise<void> {
    const open = new Map<string, string>();
    for (const pod of pods) {
      const owner = daemonSetOf(pod);
      const key = `${pod.metadata.namespace}/${owner?.name}`;
      if (owner === undefined || this.#daemonSets.has(key)) continue;
      const namespace = encodeURIComponent(pod.metadata.namespace ?? "");
      open.set(
        key,
        `${groupPath(owner.apiVersion)}/namespaces/${namespace}/daemonsets/${encodeURIComponent(owner.name)}`,
      );
    }
    await inParallel([...open], async ([key, path]) => {
      try {
        await this.#api.get(path, this.#signal);
        this.#daemonSets.set(key, { state: "found" });
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        this.#daemonSets.set(key, { state: error.status === 404 ? "missing" : "failed", text: error.message });
      }
    });
  }

  readonly #findDaemonSet: FindDaemonSet = (namespace, name) =>
    this.#daemonSets.get(`${namespace}/${name}`) ?? { state: "found" };

  #select(node: string, rules: DrainRules): DrainSelection {
    const time = this.#options.now();
    return selectForDrain(
      this.#podsOf(node).map((pod) => ({ pod, verdict: judgePod(pod, rules, this.#findDaemonSet, time) })),
    );
  }

  async #remove(
    nodes: readonly KubeObject[],
    selections: ReadonlyMap<string, DrainSelection>,
    method: RemovalMethod,
  ): Promise<NodeOutcome[]> {
    const { report, dryRun, now, timeoutMs } = this.#options;
    const outcomes = new Map<string, NodeOutcome>();
    const passing: KubeObject[] = [];
    for (const node of nodes) {
      const { name } = node.metadata;
      const { errors, remove } = defined(selections.get(name));
      if (errors.length === 0) {
        passing.push(node);
        continue;
      }
      report({ type: "node-failed", node: name, errors: [aggregateText(errors)], pending: [] });
      outcomes.set(name, { node: name, drained: false, removed: [], pending: remove.map(namespacedName), errors });
    }
    const leaving = passing.flatMap((node) => defined(selections.get(node.metadata.name)).remove);
    if (dryRun === "client") {
      for (const { metadata } of passing) {
        const { remove } = defined(selections.get(metadata.name));
        for (const pod of remove) report({ type: "removing", pod, evicting: true });
        report({ type: "drained", node: metadata.name });
        outcomes.set(metadata.name, made(metadata.name, remove, [], []));
      }
      return inOrder(nodes, outcomes);
    }
    const deadline = timeoutMs === 0 ? undefined : now() + timeoutMs;
    const waits = this.#options.waitForReplacements && dryRun === "none";
    const owners = waits ? await findOwners(this.#api, leaving, this.#signal) : [];
    const removal = new PodRemoval(
      {
        api: this.#api,
        live: this.#live,
        method,
        choices: { gracePeriodSeconds: this.#options.gracePeriodSeconds, serverDryRun: dryRun === "server" },
        skipWaitForDeleteSeconds: this.#options.rules.skipWaitForDeleteSeconds,
        deadline,
        timeoutText: goDuration(timeoutMs),
        signal: this.#signal,
        now,
        report,
        judgeArrival: (pod) => this.#judgeArrival(pod),
      },
      passing,
    );
    for (const node of passing) {
      for (const pod of defined(selections.get(node.metadata.name)).remove) removal.add(pod, node.metadata.name);
      for (const pod of this.#live.get(podsOfNode(node.metadata.name)) ?? []) this.#judgedArrivals.add(uidOf(pod));
      if (!isNodeReady(node) && defined(selections.get(node.metadata.name)).remove.length > 0) {
        const { name } = node.metadata;
        report({
          type: "note",
          text: `the kubelet of "${name}" does not answer: its pods will not end until it does (see kubemend node evict ${name})`,
        });
      }
    }
    await removal.run((node) => {
      const ended = defined(removal.outcomes(node));
      const errors = ended.flatMap(({ error, state }) => (state === "failed" && error !== undefined ? [error] : []));
      const removed = ended.filter(({ state }) => state === "gone").map(({ pod }) => pod);
      const pending = removal.pending(node);
      outcomes.set(node, made(node, removed, errors.length === 0 ? [] : pending, errors));
      if (errors.length > 0) report({ type: "node-failed", node, errors: [aggregateText(errors)], pending });
      else if (owners.length === 0) report({ type: "drained", node });
    });
    if (owners.length > 0) await this.#waitForReplacements(owners, passing, outcomes, deadline);
    return inOrder(nodes, outcomes);
  }

  async #waitForReplacements(
    owners: Awaited<ReturnType<typeof findOwners>>,
    nodes: readonly KubeObject[],
    outcomes: Map<string, NodeOutcome>,
    deadline: number | undefined,
  ): Promise<void> {
    const { report, now } = this.#options;
    const names = nodes.map(({ metadata }) => metadata.name);
    const limit =
      deadline === undefined
        ? this.#signal
        : AbortSignal.any([this.#signal, AbortSignal.timeout(Math.max(1, deadline - now()))]);
    let missing: readonly { readonly owner: string; readonly ready: number; readonly wanted: number }[] = [];
    try {
      const drained = new Set(names);
      await waitForReplacements(
        this.#api,
        this.#live,
        owners,
        drained,
        (states) => {
          missing = states;
          report({ type: "waiting-for-replacements", owners: states });
        },
        limit,
      );
    } catch (error) {
      if (this.#signal.aborted || !limit.aborted) throw error;
      const errors = missing.map(
        ({ owner, ready, wanted }) => `${owner} has ${ready} of ${wanted} pods ready elsewhere`,
      );
      for (const node of names) {
        const outcome = outcomes.get(node);
        if (outcome === undefined || !outcome.drained) continue;
        outcomes.set(node, { ...outcome, drained: false, errors });
        report({ type: "node-failed", node, errors, pending: [] });
      }
      return;
    }
    for (const node of names) if (outcomes.get(node)?.drained === true) report({ type: "drained", node });
  }

  /** A pod that came after the node was cordoned: bound just before, or one that tolerates it. */
  #judgeArrival(pod: KubeObject): boolean {
    const uid = uidOf(pod);
    if (this.#judgedArrivals.has(uid)) return false;
    this.#judgedArrivals.add(uid);
    const { podSelector, rules, now, report } = this.#options;
    if (podSelector !== "" && !matchesLabels(parseLabelSelector(podSelector), pod.metadata.labels)) return false;
    if (judgePod(pod, rules, this.#findDaemonSet, now()).action !== "remove") return false;
    const key = namespacedName(pod);
    if (toleratesAll(pod, [{ key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" }])) {
      report({ type: "note", text: `pod "${key}" has come to the cordoned node, which it tolerates: it stays` });
      return false;
    }
    const owner = controllerOf(pod)?.uid ?? uid;
    const count = (this.#arrivals.get(owner) ?? 0) + 1;
    this.#arrivals.set(owner, count);
    if (count <= MOST_ARRIVALS_OF_OWNER) return true;
    report({ type: "note", text: `pod "${key}" has come to the cordoned node like others of its owner: it stays` });
    return false;
  }
}

function made(
  node: string,
  removed: readonly KubeObject[],
  pending: readonly KubeObject[],
  errors: readonly string[],
): NodeOutcome {
  return {
    node,
    drained: errors.length === 0,
    removed: removed.map(namespacedName),
    pending: pending.map(namespacedName),
    errors,
  };
}

function inOrder(nodes: readonly KubeObject[], outcomes: ReadonlyMap<string, NodeOutcome>): NodeOutcome[] {
  return nodes.map(({ metadata }) => outcomes.get(metadata.name)).filter((outcome) => outcome !== undefined);
}

function uidOf(pod: KubeObject): string {
  return pod.metadata.uid ?? namespacedName(pod);
}

/** As Go prints whole milliseconds: `1m30s`. */
function goDuration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return `${hours > 0 ? `${hours}h` : ""}${seconds >= 60 ? `${minutes}m` : ""}${seconds % 60}s`;
}
