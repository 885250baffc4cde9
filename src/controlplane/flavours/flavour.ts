/**
 * What a flavour of control planes is: one value a file, in this folder. It finds the control plane of its flavour among
 * objects, and says what is done to bring one back; `flavours.ts` lists all flavours, and nothing else asks which one a
 * control plane has. What its assets are is `bootstrap/render.ts`.
 */
import type { KubeObject } from "../../kube/object.ts";
import type { ControlPlaneFacts, Workload } from "../control-plane.ts";
import type { SortedObjects } from "../sorted-objects.ts";

export interface Flavour<Plane extends ControlPlaneFacts> {
  /** What people read, for each value that the plane's `flavour` has. */
  readonly titles: Readonly<Record<Plane["flavour"], string>>;
  /** The control plane of this flavour; undefined where there is none. */
  select(found: Found): Plane | undefined;
  readonly keys: FlavourKeys;
  /**
   * From etcd that is stopped everywhere to a cluster that works, as sentences. `proof` is the one that says how to see
   * that the restored data is what serves: it comes after etcd's start, before that of the API servers.
   */
  restoreSteps(proof: string): readonly string[];
}

/** What a control plane is selected from. */
interface Found {
  readonly sorted: SortedObjects;
  /** Where the components are looked for. */
  readonly namespace: string;
  /** DaemonSets and Deployments of this namespace that run a component. */
  readonly workloads: readonly Workload[];
  /** Mirror pods of the whole cluster, without those of a temporary control plane. */
  readonly staticPods: readonly KubeObject[];
}

/** How a snapshot's keys alone show the flavour: enough for advice, and read without one value. */
interface FlavourKeys {
  /** The places that it looks at, below the etcd prefix. */
  readonly places: readonly string[];
  /** What the advice is called in `-o json`. */
  readonly name: string;
  /** Of several flavours that show, the first of the list counts. */
  show(keys: KeyNames): boolean;
}

/** Names of live keys. */
interface KeyNames {
  readonly nodes: readonly string[];
  /** What follows a place in the keys that begin with it. */
  below(place: string): readonly string[];
}
