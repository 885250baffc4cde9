/** The owners of the pods that a rebalancing moves: what is scaled for each, and which of them are left alone, with the reason. */
import { unlessAbsent } from "../../io/api-server/api-lists.ts";
import type { ClusterApi } from "../../io/api-server/cluster-api.ts";
import { objectOf, textOf } from "../../kube/fields.ts";
import { namespacedName } from "../../kube/names.ts";
import type { KubeObject, OwnerReference } from "../../kube/object.ts";
import { controllerOf } from "../../kube/pod.ts";
import { isSteady } from "../../nodes/rebalance.ts";
import { groupPath } from "../drain/replacements.ts";

export const SCALED_RESOURCES: Readonly<Record<string, string>> = {
  Deployment: "deployments",
  ReplicaSet: "replicasets",
  ReplicationController: "replicationcontrollers",
};

/** What is scaled when a pod's owner is to have one more: its Deployment, or the owner itself. */
export interface Scaled {
  readonly object: KubeObject;
  readonly path: string;
  /** `Deployment default/web`. */
  readonly name: string;
}

/** What was read of an owner. */
export type OwnerSeen =
  | { readonly scaled: Scaled; readonly state: "steady" | "unsteady" }
  /** Why it must not be touched. */
  | { readonly scaled: undefined; readonly state: { readonly reason: string } };

export class ScaledOwners {
  readonly #api: ClusterApi;
  readonly #signal: AbortSignal;
  readonly #barred = new Map<string, { readonly owner: string; readonly reason: string }>();
  /** `KIND NAMESPACE/NAME` of what HorizontalPodAutoscalers scale. */
  #autoscaled: ReadonlySet<string> = new Set();

  constructor(api: ClusterApi, signal: AbortSignal) {
    this.#api = api;
    this.#signal = signal;
  }

  /** Reads which owners are scaled by an autoscaler. */
  async readAutoscalers(): Promise<void> {
    const path = "/apis/autoscaling/v1/horizontalpodautoscalers";
    const found = (await unlessAbsent(this.#api.list(path, this.#signal)))?.items ?? [];
    this.#autoscaled = new Set(
      found.map(({ spec, metadata }) => {
        const target = objectOf(objectOf(spec).scaleTargetRef);
        return `${textOf(target.kind)} ${metadata.namespace}/${textOf(target.name)}`;
      }),
    );
  }

  /** UIDs of owners that are left alone. */
  get barred(): ReadonlySet<string> {
    return new Set(this.#barred.keys());
  }

  get skipped(): readonly { readonly owner: string; readonly reason: string }[] {
    return [...this.#barred.values()];
  }

  bar(owner: OwnerReference, namespace: string, reason: string): void {
    this.#barred.set(owner.uid, { owner: `${owner.kind} ${namespace}/${owner.name}`, reason });
  }

  async look(owner: OwnerReference, namespace: string): Promise<OwnerSeen> {
    const own = await this.#read(owner, namespace);
    if (own === undefined) return untouched("it is no more");
    const above = controllerOf(own.object);
    if (above !== undefined && above.kind !== "Deployment") return untouched(`a ${above.kind} has the say over it`);
    const scaled = above === undefined ? own : await this.#read(above, namespace);
    if (scaled === undefined) return untouched("its Deployment is no more");
    if (this.#autoscaled.has(`${scaled.object.kind} ${namespacedName(scaled.object)}`))
      return untouched("an autoscaler would take the extra replica back");
    return { scaled, state: isSteady(scaled.object) ? "steady" : "unsteady" };
  }

  async #read(reference: OwnerReference, namespace: string): Promise<Scaled | undefined> {
    const resource = SCALED_RESOURCES[reference.kind];
    if (resource === undefined) return undefined;
    const path = [
      `${groupPath(reference.apiVersion)}/namespaces/${encodeURIComponent(namespace)}`,
      `${resource}/${encodeURIComponent(reference.name)}`,
    ].join("/");
    const object = await unlessAbsent(this.#api.get(path, this.#signal));
    if (object === undefined) return undefined;
    return { object, path, name: `${reference.kind} ${namespace}/${reference.name}` };
  }
}

function untouched(reason: string): OwnerSeen {
  return { scaled: undefined, state: { reason } };
}
