/** Moves replicas back to nodes that returned: one more is started, and when it is ready one is removed where there are too many. */

import { invariant, MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { unlessAbsent } from "../../io/api-server/api-lists.ts";
import type { ClusterApi } from "../../io/api-server/cluster-api.ts";
import { LiveObjects } from "../../io/api-server/live-objects.ts";
import { NODES, PODS } from "../../kube/api-paths.ts";
import { isCordoned, isNodeReady } from "../../kube/node-state.ts";
import type { KubeObject, OwnerReference } from "../../kube/object.ts";
import { controllerOf } from "../../kube/pod.ts";
import { UNSTEADY } from "../../nodes/move-state.ts";
import { type Move, type NodeLoad, nodeLoads, planRebalance, type RebalanceInput } from "../../nodes/rebalance.ts";
import { findNodes } from "../cluster-access/node-targets.ts";
import { type ClusterFlags, type OpenCluster, withCluster } from "../cluster-access/open-cluster.ts";
import { demandPermission, type Permission } from "../cluster-access/permissions.ts";
import { ApiPatience } from "../drain/api-patience.ts";
import { findRemovalMethod, type RemovalMethod } from "../drain/pod-eviction.ts";
import { type MoveEdges, ReplicaMove } from "./move-replica.ts";
import { ReplicaSurges } from "./replica-surges.ts";
import { SCALED_RESOURCES, type Scaled, ScaledOwners } from "./scaled-owners.ts";

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
  readonly report: (text: string) => void;
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

class Rebalancing {
  readonly #api: ClusterApi;
  readonly #minor: number;
  readonly #options: RebalanceOptions;
  readonly #signal: AbortSignal;
  readonly #live: LiveObjects;
  readonly #patience: ApiPatience;
  readonly #surges: ReplicaSurges;
  readonly #owners: ScaledOwners;
  readonly #judged = new Map<string, Scaled>();
  #targets: ReadonlySet<string> | undefined;
  #budgets: readonly KubeObject[] = [];
  #method: RemovalMethod = { by: "deletion" };

  constructor({ api, minor }: OpenCluster, options: RebalanceOptions, signal: AbortSignal) {
    this.#api = api;
    this.#minor = minor;
    this.#options = options;
    this.#signal = signal;
    this.#live = new LiveObjects(api, [], signal);
    this.#patience = new ApiPatience(this.#live, options.now, options.report);
    this.#surges = new ReplicaSurges(api);
    this.#owners = new ScaledOwners(api, signal);
  }

  async run(): Promise<Rebalance> {
    const { nodes: names, dryRun, report } = this.#options;
    if (names.length > 0) {
      const nodes = await findNodes(this.#api, { names }, this.#signal);
      checkTargets(nodes);
      this.#targets = new Set(nodes.map(({ metadata }) => metadata.name));
    }
    this.#method = await findRemovalMethod(this.#api, this.#signal);
    const version = this.#method.by === "eviction" ? this.#method.apiVersion : "policy/v1beta1";
    this.#budgets =
      (await unlessAbsent(this.#api.list(`/apis/${version}/poddisruptionbudgets`, this.#signal)))?.items ?? [];
    await this.#owners.readAutoscalers();
    if (!dryRun) await this.#surges.endOld(this.#signal, report);
    await this.#api.list(`${PODS}?limit=1`, this.#signal); // what is forbidden, a watch would ask for without end
    for (const path of [NODES, PODS]) this.#live.follow(path);
    while (this.#live.get(NODES) === undefined || this.#live.get(PODS) === undefined) await this.#news();
    const before = nodeLoads(this.#input());
    const planned = await this.#plan();
    if (dryRun)
      return { before, after: nodeLoads(this.#input(), planned), moves: planned, skipped: this.#owners.skipped };
    await this.#checkPermissions(planned);
    const edges: MoveEdges = {
      api: this.#api,
      owners: this.#owners,
      surges: this.#surges,
      method: this.#method,
      hasDeletionCost: this.#minor >= DELETION_COST_MINOR,
      targets: this.#targets,
      readyMs: this.#options.readyTimeoutMs,
      pods: () => this.#live.get(PODS) ?? [],
      news: () => this.#news(),
      signal: this.#signal,
      now: this.#options.now,
      report,
    };
    const made: Move[] = [];
    // Each move is planned from what is there by then; there are no more of them than were planned at first, so that it ends.
    let again = MOST_MISSED;
    for (let left = planned.length; left > 0; left--) {
      const [move] = await this.#plan();
      if (move === undefined) break;
      const end = await new ReplicaMove(edges, move).run();
      if (end === "moved") made.push(move);
      else if (end === "missed" && again-- > 0) left++;
      else if (this.#owners.skipped.length > MOST_BARRED) {
        report("too many owners cannot be moved: ending here");
        break;
      }
    }
    return { before, after: nodeLoads(this.#input()), moves: made, skipped: this.#owners.skipped };
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
      const object = this.#judged.get(ownerOf(pod).uid)?.object;
      const resource = object && SCALED_RESOURCES[object.kind];
      invariant(object !== undefined && resource !== undefined, "every owner of a plan was read");
      const group = object.apiVersion.includes("/") ? object.apiVersion.slice(0, object.apiVersion.indexOf("/")) : "";
      const taking: Permission =
        this.#minor >= DELETION_COST_MINOR
          ? { verb: "patch", resource: "pods" }
          : this.#method.by === "eviction"
            ? { verb: "create", resource: "pods", subresource: "eviction" }
            : { verb: "delete", resource: "pods" };
      for (const permission of [{ verb: "patch", group, resource }, taking])
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
      barred: this.#owners.barred,
    };
  }

  /** A plan of which every owner was looked at: those that may not be touched are barred, and the plan is recreated without them. */
  async #plan(): Promise<Move[]> {
    for (;;) {
      const moves = planRebalance(this.#input());
      let isGood = true;
      for (const { pod } of moves) {
        const owner = ownerOf(pod);
        if (this.#judged.has(owner.uid) || this.#owners.barred.has(owner.uid)) continue;
        const namespace = pod.metadata.namespace ?? "";
        const { scaled, state } = await this.#owners.look(owner, namespace);
        if (scaled !== undefined && state === "steady") {
          this.#judged.set(owner.uid, scaled);
          continue;
        }
        isGood = false;
        const reason = typeof state === "object" ? state.reason : UNSTEADY;
        this.#owners.bar(owner, namespace, reason);
      }
      if (isGood) return moves;
    }
  }
}

const MOST_BARRED = 100;
/** So many moves are made again because another replica was removed. */
const MOST_MISSED = 5;

function ownerOf(pod: KubeObject): OwnerReference {
  const owner = controllerOf(pod);
  invariant(owner !== undefined, "a pod that is moved has an owner");
  return owner;
}

function checkTargets(nodes: readonly KubeObject[]): void {
  for (const node of nodes) {
    const { name } = node.metadata;
    if (!isNodeReady(node)) {
      throw new MendError("node-silent", `node "${name}" is not ready; nothing was changed`, {
        hint: `wait until its kubelet answers: kubemend node status ${name} ${input("watch")}`,
      });
    }
    if (isCordoned(node)) {
      throw new MendError("usage", `node "${name}" is cordoned, so nothing can move there; nothing was changed`, {
        hint: `kubemend node uncordon ${name}`,
      });
    }
  }
}
