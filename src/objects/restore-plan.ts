/** What will be done with each object of a restore, as a value that can be printed, checked and carried out. */
import type { FieldChange } from "../compare/compare-values.ts";
import type { KubeObject, OwnerReference } from "../kube/object.ts";
import type { ObjectId } from "./object-id.ts";

/**
 * `create` and `update` are writes. `keep`: it is there and means the same. `leave`: it is there and differs, and
 * nobody asked for that to be changed. `skip`: it is not given back, for `reason`. `blocked`: it cannot be.
 */
export type PlanAction = "create" | "update" | "keep" | "leave" | "skip" | "blocked";

export interface PlanItem {
  readonly action: PlanAction;
  /** In the cluster. */
  readonly id: ObjectId;
  /** In the backup. */
  readonly from: ObjectId;
  readonly kind: string;
  readonly wave: number;
  /** What will be sent: without owner references. Undefined unless it is written, kept or left. */
  readonly object: KubeObject | undefined;
  /** As it is in the cluster now. */
  readonly live: KubeObject | undefined;
  /** Why it is skipped or blocked. */
  readonly reason: string;
  /** What will not be as it was, and what was brought along for whom. */
  readonly notes: readonly string[];
  /** Where the cluster's differs, for `update` and `leave`. */
  readonly fields: readonly FieldChange[];
  /** The owners that it had. */
  readonly owners: readonly OwnerReference[];
  /** Status that is written after it, such as a load balancer's address. */
  readonly status: KubeObject["status"];
}

export interface RestorePlan {
  /** In the order in which they go. */
  readonly items: readonly PlanItem[];
}

/** How many items of each action. */
export function countActions(items: readonly PlanItem[]): Readonly<Record<PlanAction, number>> {
  const counts = { create: 0, update: 0, keep: 0, leave: 0, skip: 0, blocked: 0 };
  for (const { action } of items) counts[action]++;
  return counts;
}

export function isWrite({ action }: PlanItem): boolean {
  return action === "create" || action === "update";
}

/** The items of each wave, in order; within one, owners before what they own in layers of their own. */
export function layersOf(items: readonly PlanItem[]): PlanItem[][] {
  const layers = new Map<string, PlanItem[]>();
  const byOwner = new Map(items.map((item) => [ownerKey(item.kind, item.from.namespace, item.from.name), item]));
  const depths = new Map<PlanItem, number>();
  const depthOf = (item: PlanItem, seen: readonly PlanItem[]): number => {
    const known = depths.get(item);
    if (known !== undefined) return known;
    if (seen.includes(item)) return 0;
    let depth = 0;
    for (const { kind, name } of item.owners) {
      const owner =
        byOwner.get(ownerKey(kind, item.from.namespace, name)) ?? byOwner.get(ownerKey(kind, undefined, name));
      if (owner !== undefined && owner.wave === item.wave) depth = Math.max(depth, depthOf(owner, [...seen, item]) + 1);
    }
    depths.set(item, depth);
    return depth;
  };
  for (const item of items) {
    const key = `${String(item.wave).padStart(3, "0")} ${String(depthOf(item, [])).padStart(6, "0")}`;
    const layer = layers.get(key);
    if (layer === undefined) layers.set(key, [item]);
    else layer.push(item);
  }
  return [...layers.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, layer]) => layer);
}

/** How owner references find an owner: by kind, and by namespace where it has one. */
export function ownerKey(kind: string, namespace: string | undefined, name: string): string {
  return `${kind}/${namespace ?? ""}/${name}`;
}
