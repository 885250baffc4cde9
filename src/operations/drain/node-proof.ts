/**
 * The last word on a node: its pods as etcd's quorum has them, and not as a watch has brought them. A watch may have
 * been broken off, cut or answered by somebody else; that a node is drained is said only after this read.
 */
import { MendError } from "../../errors/errors.ts";
import { ApiError, type ClusterApi, isConnectionError } from "../../io/api-server/cluster-api.ts";
import type { LiveObjects } from "../../io/api-server/live-objects.ts";
import { namespacedName } from "../../kube/names.ts";
import type { KubeObject } from "../../kube/object.ts";
import { podsOfNode } from "../cluster-access/node-targets.ts";

/** How long the watch may lag behind the read, and the read may fail. */
const PATIENCE_MS = 20_000;

export type Proof =
  /** Every pod that was to go is gone. */
  | { readonly state: "proved" }
  /** Ask again: the read failed for now, or has pods that the watch has not brought yet. */
  | { readonly state: "open" }
  /** These are said to be gone, and are there. */
  | { readonly state: "refuted"; readonly pods: readonly KubeObject[] };

export class NodeProofs {
  readonly #api: ClusterApi;
  readonly #live: LiveObjects;
  readonly #now: () => number;
  readonly #since = new Map<string, number>();

  constructor(api: ClusterApi, live: LiveObjects, now: () => number) {
    this.#api = api;
    this.#live = live;
    this.#now = now;
  }

  /**
   * `gone` has the UIDs of the pods that were to go; `deadline` is the drain's own. Throws what the read throws, where
   * it does not pass, and `drain-incomplete` where the watch continues without pods that the list has.
   */
  async check(
    node: string,
    gone: ReadonlySet<string>,
    deadline: number | undefined,
    signal: AbortSignal,
  ): Promise<Proof> {
    const since = this.#since.get(node) ?? this.#now();
    this.#since.set(node, since);
    const isLate = this.#now() >= Math.min(since + PATIENCE_MS, deadline ?? Number.POSITIVE_INFINITY);
    let items: readonly KubeObject[];
    try {
      ({ items } = await this.#api.list(podsOfNode(node), signal));
    } catch (error) {
      signal.throwIfAborted();
      const passes =
        isConnectionError(error) || (error instanceof ApiError && (error.status >= 500 || error.status === 429));
      if (!passes || isLate) throw error;
      return { state: "open" };
    }
    const pods = items.filter((pod) => gone.has(uidOf(pod)));
    if (pods.length > 0) return { state: "refuted", pods };
    const known = new Set((this.#live.get(podsOfNode(node)) ?? []).map(uidOf));
    const missed = items.find((pod) => !known.has(uidOf(pod)));
    if (missed === undefined) return { state: "proved" };
    if (!isLate) return { state: "open" };
    const what = `the API server lists pod "${namespacedName(missed)}" on it, and its watch does not bring that pod`;
    throw new MendError("drain-incomplete", `whether node "${node}" is drained is not known: ${what}`, {
      hint: "check what stands before the API server, and run the same command again",
    });
  }
}

function uidOf(pod: KubeObject): string {
  return pod.metadata.uid ?? namespacedName(pod);
}
