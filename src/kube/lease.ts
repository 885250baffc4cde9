/**
 * Who leads a component of the control plane, and since when its word holds. Since Kubernetes 1.14 to 1.20 leaders hold
 * a Lease; before, and beside it in between, they kept the same record as an annotation of an Endpoints object or of a
 * config map (client-go, tools/leaderelection/resourcelock).
 *
 * Times in a lease are of the holder's clock. Where clocks may differ, watch it change: {@link RenewalWatch}.
 */

import type { ComponentName } from "./component.ts";
import { objectOf, textOf } from "./fields.ts";
import type { JsonObject, KubeObject } from "./object.ts";

const LEADER_ANNOTATION = "control-plane.alpha.kubernetes.io/leader";

/** What the components ask for unless set otherwise: a lease is good for so long after each renewal. */
const DEFAULT_DURATION_S = 15;

/** The components that lead by a lease. */
export type LeaseHolderName = Extract<ComponentName, "kube-controller-manager" | "kube-scheduler">;
export const LEASE_HOLDERS: readonly LeaseHolderName[] = ["kube-controller-manager", "kube-scheduler"];

export interface LeaderLease {
  /** `Lease`, `Endpoints` or `ConfigMap`: where the record is. */
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Its host's name, `_` and something unique; empty where the last holder has given it up. */
  readonly holder: string;
  /** RFC 3339; empty where it was never renewed. */
  readonly renewTime: string;
  readonly durationSeconds: number;
  /** How often it has changed hands. */
  readonly transitions: number;
  /** Of the object: its last write. */
  readonly resourceVersion: string;
}

/** The record of an object that holds one; undefined for any other. */
export function readLease(object: KubeObject): LeaderLease | undefined {
  const { metadata, kind } = object;
  const record = kind === "Lease" ? objectOf(object.spec) : annotatedRecord(metadata.annotations?.[LEADER_ANNOTATION]);
  if (record === undefined) return undefined;
  const transitions = Number(record.leaseTransitions ?? record.leaderTransitions ?? 0);
  const duration = Number(record.leaseDurationSeconds ?? DEFAULT_DURATION_S);
  return {
    kind,
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    holder: textOf(record.holderIdentity),
    renewTime: textOf(record.renewTime),
    durationSeconds: Number.isFinite(duration) && duration > 0 ? duration : DEFAULT_DURATION_S,
    transitions: Number.isFinite(transitions) ? transitions : 0,
    resourceVersion: metadata.resourceVersion ?? "",
  };
}

function annotatedRecord(annotation: unknown): JsonObject | undefined {
  if (typeof annotation !== "string") return undefined;
  try {
    return objectOf(JSON.parse(annotation) as JsonObject);
  } catch {
    return undefined; // Another tool's annotation of the same name.
  }
}

/** Of several records of one component, as some versions keep two, the one that was renewed last. */
export function latestLease(leases: Iterable<LeaderLease | undefined>): LeaderLease | undefined {
  let latest: LeaderLease | undefined;
  for (const lease of leases) {
    if (lease === undefined) continue;
    if (latest === undefined || renewedAt(lease) > renewedAt(latest)) latest = lease;
  }
  return latest;
}

/** Milliseconds since the epoch; 0 where it was never renewed. */
export function renewedAt({ renewTime }: LeaderLease): number {
  const time = Date.parse(renewTime);
  return Number.isNaN(time) ? 0 : time;
}

/** Whether somebody holds it at a moment of a clock in step with the holder's: others may take it over once this is false. */
export function isHeldAt(lease: LeaderLease | undefined, now: number): boolean {
  return lease !== undefined && lease.holder !== "" && renewedAt(lease) + lease.durationSeconds * 1000 > now;
}

/**
 * The merge patch that gives a record up for a holder that is gone, as a leader does that ends in order (client-go,
 * `release`): candidates then need not wait until it runs out. It names the version that it is about, so that it fails
 * where somebody has renewed the record meanwhile.
 */
export function releasePatch({ kind, resourceVersion, renewTime, transitions }: LeaderLease): JsonObject {
  const leaseDurationSeconds = 1;
  if (kind === "Lease") return { metadata: { resourceVersion }, spec: { holderIdentity: null, leaseDurationSeconds } };
  const record = { holderIdentity: "", leaseDurationSeconds, renewTime, leaderTransitions: transitions };
  return { metadata: { resourceVersion, annotations: { [LEADER_ANNOTATION]: JSON.stringify(record) } } };
}

/** The name of the machine that the holder runs on, as the holder says. */
export function holderHost({ holder }: Pick<LeaderLease, "holder">): string {
  return holder.replace(/_[^_]*$/, "");
}

/** A dead holder leaves its lease as it was: only one that changes is held by somebody. Clocks of other machines do not matter. */
export class RenewalWatch {
  /** Names of leases that were renewed while this looked. */
  readonly renewed = new Set<string>();
  #first: Map<string, string> | undefined;

  /** All leases of one namespace and kind, at every look. */
  see(leases: readonly KubeObject[]): void {
    const times = new Map(leases.map((lease) => [lease.metadata.name, readLease(lease)?.renewTime ?? ""]));
    this.#first ??= times;
    for (const [name, time] of times) if (time !== "" && time !== this.#first.get(name)) this.renewed.add(name);
  }
}
