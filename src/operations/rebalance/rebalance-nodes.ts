/** Moves replicas back to nodes that returned: one more is started, and when it is ready one is taken away where there are too many. */

import { setTimeout as sleep } from "node:timers/promises";
import { MendError } from "../../errors/errors.ts";
import { unlessAbsent } from "../../io/api-server/api-lists.ts";
import { ApiError, type ClusterApi } from "../../io/api-server/cluster-api.ts";
import { LiveObjects } from "../../io/api-server/live-objects.ts";
import { NODES, PODS } from "../../kube/api-paths.ts";
import { objectOf, textOf } from "../../kube/fields.ts";
import { nodeOf } from "../../kube/mirror-pod.ts";
import { namespacedName } from "../../kube/names.ts";
import { isCordoned, isNodeReady } from "../../kube/node-state.ts";
import type { KubeObject, OwnerReference } from "../../kube/object.ts";
import { controllerOf, isServing, isTerminating } from "../../kube/pod.ts";
import {
  DELETION_COST,
  isSteady,
  type Move,
  type NodeLoad,
  nodeLoads,
  planRebalance,
  type RebalanceInput,
} from "../../nodes/rebalance.ts";
import { findNodes, podPath } from "../cluster-access/node-targets.ts";
import { type ClusterFlags, type OpenCluster, withCluster } from "../cluster-access/open-cluster.ts";
import { demandPermission, type Permission } from "../cluster-access/permissions.ts";
import { ApiPatience } from "../drain/api-patience.ts";
import { findRemovalMethod, type RemovalMethod, removePod } from "../drain/pod-eviction.ts";
import { groupPath } from "../drain/replacements.ts";
import { ReplicaSurges, type Surge } from "./replica-surges.ts";

export interface RebalanceOptions {
  readonly cluster: ClusterFlags;
  /** Nodes to fill; none: all are evened out. */
  readonly nodes: readonly string[];
  readonly moveEmptyDir: boolean;
  readonly dryRun: boolean;
  /** How long one replica may take to become ready, in milliseconds. */
  readonly readyTimeoutMs: number;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly tell: (text: string) => void;
}

export interface Rebalance {
  readonly before: readonly NodeLoad[];
  /** As it is in the end, or would be. */
  readonly after: readonly NodeLoad[];
  /** Made, or with a dry run those that would be. */
  readonly moves: readonly Move[];
  /** Owners that were left alone, with the reason. */
  readonly skipped: readonly { readonly owner: string; readonly reason: string }[];
}

/** Kubernetes 1.22 and later let us say which pod goes when an owner is scaled down. */
const DELETION_COST_MINOR = 22;
const POLL_MS = 1000;
/** How long an eviction is tried again that a budget refuses. */
const BUDGET_PATIENCE_MS = 30_000;
/** How long an owner may take to stand still again after a move. */
const STEADY_PATIENCE_MS = 60_000;
const CLEAN_UP_MS = 15_000;

const RESOURCES: Readonly<Record<string, string>> = {
  Deployment: "deployments",
  ReplicaSet: "replicasets",
  ReplicationController: "replicationcontrollers",
};

export function rebalanceNodes(options: RebalanceOptions): Promise<Rebalance> {
  const { signal, now } = options;
  return withCluster(options.cluster, { signal, now }, async (cluster) => {
    const watching = new AbortController();
    try {
      return await new Rebalancing(cluster, options, AbortSignal.any([signal, watching.signal])).run();
    } finally {
      watching.abort();
    }
  });
}

/** What is scaled when a pod's owner is to have one more: its Deployment, or the owner itself. */
interface Scaled {
  readonly object: KubeObject;
  readonly path: string;
  readonly name: string;
}

class Rebalancing {
  readonly #api: ClusterApi;
  readonly #minor: number;
  readonly #options: RebalanceOptions;
  readonly #signal: AbortSignal;
  readonly #live: LiveObjects;
  readonly #patience: ApiPatience;
  readonly #surges: ReplicaSurges;
  readonly #barred = new Map<string, { readonly owner: string; readonly reason: string }>();
  readonly #judged = new Map<string, Scaled>();
  #targets: ReadonlySet<string> | undefined;
  #budgets: readonly KubeObject[] = [];
  #autoscaled: ReadonlySet<string> = new Set();
  #method: RemovalMethod = { by: "deletion" };

  constructor({ api, minor }: OpenCluster, options: RebalanceOptions, signal: AbortSignal) {
    this.#api = api;
    this.#minor = minor;
    this.#options = options;
    this.#signal = signal;
    this.#live = new LiveObjects(api, [], signal);
    this.#patience = new ApiPatience(this.#live, options.now, options.tell);
    this.#surges = new ReplicaSurges(api);
  }

  async run(): Promise<Rebalance> {
    const { nodes: names, dryRun, tell } = this.#options;
    if (names.length > 0) {
      const nodes = await findNodes(this.#api, { names }, this.#signal);
      checkTargets(nodes);
      this.#targets = new Set(nodes.map(({ metadata }) => metadata.name));
    }
    this.#method = await findRemovalMethod(this.#api, this.#signal);
    const version = this.#method.by === "eviction" ? this.#method.apiVersion : "policy/v1beta1";
    this.#budgets =
      (await unlessAbsent(this.#api.list(`/apis/${version}/poddisruptionbudgets`, this.#signal)))?.items ?? [];
    this.#autoscaled = await this.#findAutoscaled();
    if (!dryRun) await this.#surges.endOld(this.#signal, tell);
    await this.#api.list(`${PODS}?limit=1`, this.#signal); // what is forbidden, a watch would ask for without end
    for (const path of [NODES, PODS]) this.#live.follow(path);
    while (this.#live.get(NODES) === undefined || this.#live.get(PODS) === undefined) await this.#news();
    const before = nodeLoads(this.#input());
    const planned = await this.#plan();
    const skipped = () => [...this.#barred.values()];
    if (dryRun) return { before, after: nodeLoads(this.#input(), planned), moves: planned, skipped: skipped() };
    await this.#checkPermissions(planned);
    const made: Move[] = [];
    // Each move is planned from what is there by then; there are no more of them than were planned at first, so that it ends.
    for (let left = planned.length; left > 0; left--) {
      const [move] = await this.#plan();
      if (move === undefined) break;
      if (await this.#make(move)) made.push(move);
      else if (this.#barred.size > MOST_BARRED) {
        tell("too many owners cannot be moved: ending here");
        break;
      }
    }
    return { before, after: nodeLoads(this.#input()), moves: made, skipped: skipped() };
  }

  /** Until something has changed, or for a second. Throws where the API server stays away. */
  async #news(): Promise<void> {
    this.#patience.check();
    await this.#live.changed(POLL_MS, this.#signal);
  }

  /** Of all that the moves need: one that was begun and cannot be ended would leave a replica too many. */
  async #checkPermissions(moves: readonly Move[]): Promise<void> {
    const needed = new Map<string, Permission>();
    for (const { pod } of moves) {
      const { namespace = "" } = pod.metadata;
      const { object } = this.#judged.get(controllerOf(pod)!.uid)!;
      const group = object.apiVersion.includes("/") ? object.apiVersion.split("/")[0]! : "";
      const taking: Permission =
        this.#minor >= DELETION_COST_MINOR
          ? { verb: "patch", resource: "pods" }
          : this.#method.by === "eviction"
            ? { verb: "create", resource: "pods", subresource: "eviction" }
            : { verb: "delete", resource: "pods" };
      for (const permission of [{ verb: "patch", group, resource: RESOURCES[object.kind]! }, taking])
        needed.set(JSON.stringify([permission, namespace]), { ...permission, namespace });
    }
    for (const permission of needed.values()) await demandPermission(this.#api, permission, this.#signal);
  }

  #input(): RebalanceInput {
    return {
      nodes: this.#live.get(NODES) ?? [],
      pods: this.#live.get(PODS) ?? [],
      budgets: this.#budgets,
      targets: this.#targets,
      moveEmptyDir: this.#options.moveEmptyDir,
      barred: new Set(this.#barred.keys()),
    };
  }

  /** A plan of which every owner was looked at: those that may not be touched are barred, and the plan is made anew without them. */
  async #plan(): Promise<Move[]> {
    for (;;) {
      const moves = planRebalance(this.#input());
      let isGood = true;
      for (const { pod } of moves) {
        const owner = controllerOf(pod)!;
        if (this.#judged.has(owner.uid) || this.#barred.has(owner.uid)) continue;
        const scaled = await this.#judge(owner, pod.metadata.namespace ?? "");
        if (scaled === undefined) isGood = false;
        else this.#judged.set(owner.uid, scaled);
      }
      if (isGood) return moves;
    }
  }

  #bar(owner: OwnerReference, namespace: string, reason: string): undefined {
    this.#barred.set(owner.uid, { owner: `${owner.kind} ${namespace}/${owner.name}`, reason });
    return undefined;
  }

  /** What may be scaled for an owner, or undefined with the owner barred. `patienceMs`: how long to wait for it to stand still. */
  async #judge(owner: OwnerReference, namespace: string, patienceMs = 0): Promise<Scaled | undefined> {
    const own = await this.#read(owner, namespace);
    if (own === undefined) return this.#bar(owner, namespace, "it is no more");
    const above = controllerOf(own.object);
    if (above !== undefined && above.kind !== "Deployment")
      return this.#bar(owner, namespace, `a ${above.kind} has the say over it`);
    let scaled = above === undefined ? own : await this.#read(above, namespace);
    if (scaled === undefined) return this.#bar(owner, namespace, "its Deployment is no more");
    if (this.#autoscaled.has(`${scaled.object.kind} ${namespacedName(scaled.object)}`))
      return this.#bar(owner, namespace, "an autoscaler would take the extra replica back");
    // A controller takes a moment to say that all is well again after the move before.
    const deadline = this.#options.now() + patienceMs;
    while (!isSteady(scaled.object)) {
      if (this.#options.now() >= deadline)
        return this.#bar(owner, namespace, "it is being rolled out, is paused, or lacks pods");
      await sleep(POLL_MS, undefined, { signal: this.#signal });
      scaled = await this.#read(above ?? owner, namespace);
      if (scaled === undefined) return this.#bar(owner, namespace, "it is no more");
    }
    return scaled;
  }

  async #read(reference: OwnerReference, namespace: string): Promise<Scaled | undefined> {
    const resource = RESOURCES[reference.kind];
    if (resource === undefined) return undefined;
    const path = `${groupPath(reference.apiVersion)}/namespaces/${encodeURIComponent(namespace)}/${resource}/${encodeURIComponent(reference.name)}`;
    const object = await unlessAbsent(this.#api.get(path, this.#signal));
    if (object === undefined) return undefined;
    return { object, path, name: `${reference.kind} ${namespace}/${reference.name}` };
  }

  /** `KIND NAMESPACE/NAME` of what HorizontalPodAutoscalers scale. */
  async #findAutoscaled(): Promise<Set<string>> {
    const path = "/apis/autoscaling/v1/horizontalpodautoscalers";
    const found = (await unlessAbsent(this.#api.list(path, this.#signal)))?.items ?? [];
    return new Set(
      found.map(({ spec, metadata }) => {
        const target = objectOf(objectOf(spec).scaleTargetRef);
        return `${textOf(target.kind)} ${metadata.namespace}/${textOf(target.name)}`;
      }),
    );
  }

  /** True where the pod went where it was to go. */
  async #make(move: Move): Promise<boolean> {
    const { tell } = this.#options;
    const owner = controllerOf(move.pod)!;
    const namespace = move.pod.metadata.namespace ?? "";
    const scaled = await this.#judge(owner, namespace, STEADY_PATIENCE_MS); // what it was when the plan was made may have passed
    if (scaled === undefined) return false;
    const wanted = Number(objectOf(scaled.object.spec).replicas ?? 1);
    const before = new Set(this.#podsOf(owner).map(({ metadata }) => metadata.uid));
    const surge = { path: scaled.path, wanted };
    tell(`${scaled.name}: one more replica, to replace "${move.pod.metadata.name}" of "${move.from}"`);
    let isBegun: boolean;
    try {
      isBegun = await this.#surges.begin(surge, this.#signal);
    } catch (error) {
      // What was asked for and not answered may have been done all the same.
      if (!(error instanceof ApiError) || error.status >= 500) await this.#leave(scaled.name, surge, true);
      throw error;
    }
    if (!isBegun) {
      this.#bar(owner, namespace, "somebody else has scaled it");
      return false;
    }
    let isMoved: boolean;
    try {
      isMoved = await this.#replace(move, owner, before, surge);
    } catch (error) {
      await this.#leave(scaled.name, surge);
      throw error;
    }
    const failure = await this.#leave(scaled.name, surge);
    if (failure !== undefined) throw failure;
    return isMoved;
  }

  /** Also when interrupted, the owner is left with as many replicas as it had; where that cannot be, it is said. */
  async #leave(name: string, surge: Surge, unanswered = false): Promise<MendError | undefined> {
    try {
      await this.#surges.end(surge, AbortSignal.timeout(CLEAN_UP_MS), unanswered);
      return undefined;
    } catch (error) {
      const { wanted } = surge;
      this.#options.tell(
        `${name} may be left with ${wanted + 1} replicas instead of ${wanted}: kubemend node rebalance, run again, puts that right`,
      );
      if (error instanceof MendError) return error;
      return new MendError("api-unreachable", "the API server does not answer", { cause: error });
    }
  }

  async #replace(
    move: Move,
    owner: OwnerReference,
    before: ReadonlySet<string | undefined>,
    surge: Surge,
  ): Promise<boolean> {
    const namespace = move.pod.metadata.namespace ?? "";
    const newcomer = await this.#newcomer(owner, before);
    if (newcomer === undefined) {
      this.#bar(owner, namespace, "its extra replica did not become ready in time");
      return false;
    }
    const isThere =
      nodeOf(newcomer) === move.to || (this.#targets?.has(nodeOf(newcomer)) ?? nodeOf(newcomer) !== move.from);
    if (!isThere) this.#bar(owner, namespace, `the scheduler puts its pods on "${nodeOf(newcomer)}"`);
    const why = await this.#takeAway(isThere ? move.pod : newcomer, surge);
    if (why !== undefined) {
      this.#bar(owner, namespace, why);
      return false;
    }
    if (isThere)
      this.#options.tell(
        `pod/${move.pod.metadata.name} moved from ${move.from} to ${nodeOf(newcomer)} as ${newcomer.metadata.name}`,
      );
    await this.#settled(owner, surge.wanted);
    return isThere;
  }

  #podsOf(owner: OwnerReference): KubeObject[] {
    return (this.#live.get(PODS) ?? []).filter((pod) => controllerOf(pod)?.uid === owner.uid && !isTerminating(pod));
  }

  /** The replica that was started, once it is ready; undefined where it takes too long. */
  async #newcomer(owner: OwnerReference, before: ReadonlySet<string | undefined>): Promise<KubeObject | undefined> {
    const { now, readyTimeoutMs } = this.#options;
    const deadline = now() + readyTimeoutMs;
    while (now() < deadline) {
      const found = this.#podsOf(owner).find((pod) => !before.has(pod.metadata.uid) && isServing(pod));
      if (found !== undefined) return found;
      await this.#news();
    }
    return undefined;
  }

  /** Has that very pod go, and ends the surge. Says why where it does not go. */
  async #takeAway(pod: KubeObject, surge: Surge): Promise<string | undefined> {
    if (this.#minor >= DELETION_COST_MINOR) {
      await this.#api.patch(
        podPath(pod),
        { metadata: { annotations: { [DELETION_COST]: "-2147483648" } } },
        this.#signal,
      );
      await this.#surges.end(surge, this.#signal);
      return undefined;
    }
    // Older owners choose by themselves which pod goes, so it is evicted before they are scaled down.
    const deadline = this.#options.now() + BUDGET_PATIENCE_MS;
    const choices = { gracePeriodSeconds: undefined, serverDryRun: false };
    for (;;) {
      const answer = await removePod(this.#api, pod, this.#method, choices, this.#signal);
      if (answer.state === "accepted" || answer.state === "gone") {
        await this.#surges.end(surge, this.#signal);
        return undefined;
      }
      if (answer.state === "failed") return `its old replica cannot be evicted: ${answer.said}`;
      if (this.#options.now() > deadline)
        return answer.state === "undecided"
          ? `its old replica cannot be evicted: ${answer.said}`
          : "its budget does not let the old replica go";
      await this.#news();
    }
  }

  /** Until the owner has what it had, and what is too much is on its way out. */
  async #settled(owner: OwnerReference, wanted: number): Promise<void> {
    const deadline = this.#options.now() + BUDGET_PATIENCE_MS;
    while (this.#options.now() < deadline) {
      const pods = this.#podsOf(owner);
      if (pods.length === wanted && pods.every(isServing)) return;
      await this.#news();
    }
  }
}

const MOST_BARRED = 100;

function checkTargets(nodes: readonly KubeObject[]): void {
  for (const node of nodes) {
    const { name } = node.metadata;
    if (!isNodeReady(node)) {
      throw new MendError("node-silent", `node "${name}" is not ready; nothing was changed`, {
        hint: `wait until its kubelet answers: kubemend node status ${name} --watch`,
      });
    }
    if (isCordoned(node)) {
      throw new MendError("usage", `node "${name}" is cordoned, so nothing can move there; nothing was changed`, {
        hint: `kubemend node uncordon ${name}`,
      });
    }
  }
}
