/** What the sources say of each checkpoint: the API server, the kubelet's list, the container runtime, the disk. */

import { defined } from "../errors/defined.ts";
import { recogniseComponent } from "../kube/component.ts";
import { conditionStatus } from "../kube/conditions.ts";
import { objectsOf, textOf } from "../kube/fields.ts";
import { namespacedName } from "../kube/names.ts";
import type { KubeObject } from "../kube/object.ts";
import {
  type AgentPlace,
  CHECKPOINT_OF_ANNOTATION,
  type CheckpointId,
  type Generation,
  PARENT_ANNOTATION,
  specOf,
} from "./checkpoint.ts";
import { checkpointIdOf, isAgentsOwn, isParent, staticPodNameOf } from "./parent.ts";
import type { Observed } from "./state.ts";

/** A pod as the container runtime has it. */
export interface RuntimePod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Whether its sandbox is ready. */
  readonly ready: boolean;
  readonly labels: { readonly [name: string]: string };
  readonly annotations: { readonly [name: string]: string };
  readonly containers: readonly RuntimeContainer[];
}

export interface RuntimeContainer {
  readonly id: string;
  readonly name: string;
  readonly attempt: number;
  readonly running: boolean;
}

/** All that was seen at one moment. */
export interface Sight {
  /** Pods of this node and namespace; undefined where no API server can be asked. */
  readonly api: readonly KubeObject[] | undefined;
  /** When the API server last said anything, on the clock of the transitions. */
  readonly apiHeardAt: number;
  /** Whether the API server that answers has an address of this node. */
  readonly isApiHere: boolean;
  /** The kubelet's list; undefined where it was not asked or does not answer. */
  readonly kubelet: readonly KubeObject[] | undefined;
  /** Undefined where the runtime does not answer. */
  readonly runtime: readonly RuntimePod[] | undefined;
  /** What is on disk, newest first. */
  readonly generations: ReadonlyMap<CheckpointId, readonly Generation[]>;
  /** For how long a container has been seen to run, in milliseconds. */
  runningFor(container: RuntimeContainer): number;
}

/** How long all containers must have run for their pod to count as running: one that cannot have its port ends sooner. */
export const STEADY_MS = 5000;

export interface Seen {
  readonly id: CheckpointId;
  readonly observed: Observed;
  /** Parents that the API server or the kubelet knows, without those that are being deleted; newest first. */
  readonly parents: readonly KubeObject[];
  /** For how long the newest parent has run with nothing to complain about; undefined where it does not. */
  readonly healthyFor: number | undefined;
}

export function observe(sight: Sight, known: Iterable<CheckpointId>, place: AgentPlace): Seen[] {
  const pods = [...(sight.api ?? []), ...(sight.kubelet ?? [])].filter((pod) => isParent(pod, place.namespace));
  const ids = identities(pods, sight);
  const all = new Set<CheckpointId>([
    ...known,
    ...sight.generations.keys(),
    ...pods.map((pod) => defined(ids.get(namespacedName(pod)))),
  ]);
  return [...all].sort().map((id) => {
    const mine = pods.filter((pod) => ids.get(namespacedName(pod)) === id);
    const copies = sight.generations.get(id) ?? [];
    const running = (sight.runtime ?? []).filter((pod) => identityOf(pod, ids, sight) === id);
    const best = bestOf(running, specsOf(mine, copies), sight.runningFor);
    const parents = mine.filter(isStaying).toSorted(newestFirst);
    const checkpoint = checkpointPhase(copies, sight, place);
    const parent = sight.runtime === undefined ? "unknown" : best.phase;
    const lingers = checkpoint !== "absent" || (parent !== "absent" && !isReleased(id, sight.api ?? [], ids));
    const observed: Observed = {
      api: sight.api === undefined ? "unavailable" : isWanted(id, sight.api, ids, place) ? "scheduled" : "absent",
      heardAt: sight.apiHeardAt,
      parent,
      parentUid: best.uid,
      checkpoint,
      lingers,
      servesApi: sight.isApiHere && checkpoint !== "absent" && isApiServer(copies[0]?.manifest),
      generations: copies.length,
      isSelf: [...mine, ...copies.map(({ manifest }) => manifest)].some((pod) => isAgentsOwn(pod, place)),
    };
    return { id, observed, parents: unique(parents), healthyFor: healthyFor(unique(parents)[0], sight) };
  });
}

/** Which checkpoint stands for which pod, by `NAMESPACE/NAME`. What the original left on disk has its parent's name and no controller. */
function identities(pods: readonly KubeObject[], sight: Sight): Map<string, CheckpointId> {
  const ids = new Map<string, CheckpointId>();
  for (const [id, generations] of sight.generations) {
    for (const { manifest } of generations) ids.set(namespacedName(manifest), id);
  }
  for (const pod of pods) ids.set(namespacedName(pod), checkpointIdOf(pod));
  return ids;
}

/** A sandbox names no owner: by its pod's name, or else by the labels that its controller gives to all its pods. */
function identityOf(pod: RuntimePod, ids: ReadonlyMap<string, CheckpointId>, sight: Sight): CheckpointId | undefined {
  if (pod.annotations[CHECKPOINT_OF_ANNOTATION] !== undefined) return undefined;
  if (pod.annotations["kubernetes.io/config.source"] === "file") return undefined;
  const known = ids.get(`${pod.namespace}/${pod.name}`);
  if (known !== undefined || pod.annotations[PARENT_ANNOTATION] !== "true") return known;
  const labels = steadyLabels(pod.labels);
  for (const [id, [newest]] of sight.generations) {
    if (newest?.manifest.metadata.namespace !== pod.namespace) continue;
    if (steadyLabels(newest.manifest.metadata.labels ?? {}) === labels && labels !== "") return id;
  }
  return undefined;
}

function steadyLabels(labels: { readonly [name: string]: string }): string {
  const passing = /^(?:io\.kubernetes\.|pod-template-hash$|controller-revision-hash$|pod-template-generation$)/;
  const kept = Object.entries(labels).filter(([name]) => !passing.test(name));
  return kept
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join(",");
}

/** The app containers of each pod, where its spec is known. */
function specsOf(pods: readonly KubeObject[], copies: readonly Generation[]): Map<string, readonly string[]> {
  const names = new Map<string, readonly string[]>();
  for (const pod of [...copies.map(({ manifest }) => manifest).reverse(), ...pods]) {
    names.set(namespacedName(pod), containerNames(pod));
  }
  return names;
}

function containerNames(pod: KubeObject): string[] {
  return objectsOf(specOf(pod).containers).map((container) => textOf(container.name));
}

const ORDER = ["absent", "created", "starting", "running"] as const;
type Phase = (typeof ORDER)[number];

function bestOf(
  pods: readonly RuntimePod[],
  names: ReadonlyMap<string, readonly string[]>,
  runningFor: Sight["runningFor"],
): { readonly phase: Phase; readonly uid: string } {
  let best: { phase: Phase; uid: string } = { phase: "absent", uid: "" };
  for (const pod of pods) {
    const phase = phaseOf(pod, names.get(`${pod.namespace}/${pod.name}`), runningFor);
    if (ORDER.indexOf(phase) > ORDER.indexOf(best.phase)) best = { phase, uid: pod.uid };
  }
  return best;
}

export function phaseOf(pod: RuntimePod, names: readonly string[] | undefined, runningFor: Sight["runningFor"]): Phase {
  const latest = latestContainers(pod);
  const app = (names ?? [...latest.keys()]).flatMap((name) => latest.get(name) ?? []);
  const someRun = [...latest.values()].some(({ running }) => running);
  if (!pod.ready && !someRun) return "absent";
  if (app.length === 0) return "created";
  const all = app.length === (names?.length ?? app.length);
  return all && app.every((each) => each.running && runningFor(each) >= STEADY_MS) ? "running" : "starting";
}

function latestContainers(pod: RuntimePod): Map<string, RuntimeContainer> {
  const latest = new Map<string, RuntimeContainer>();
  for (const container of pod.containers) {
    const other = latest.get(container.name);
    if (other === undefined || container.attempt >= other.attempt) latest.set(container.name, container);
  }
  return latest;
}

function checkpointPhase(copies: readonly Generation[], sight: Sight, place: AgentPlace): Observed["checkpoint"] {
  const names = new Map(
    copies.map(({ manifest }) => [staticPodNameOf(manifest.metadata.name, place.nodeName), containerNames(manifest)]),
  );
  let found: Observed["checkpoint"] = "absent";
  for (const pod of sight.runtime ?? []) {
    const containers = names.get(pod.name);
    if (containers === undefined || pod.annotations[CHECKPOINT_OF_ANNOTATION] === undefined) continue;
    const phase = phaseOf(pod, containers, sight.runningFor);
    if (phase === "running") return "running";
    if (phase !== "absent") found = "starting";
  }
  return found;
}

/** Whether the API server has a parent for this node. */
function isWanted(
  id: CheckpointId,
  api: readonly KubeObject[],
  ids: ReadonlyMap<string, CheckpointId>,
  place: AgentPlace,
): boolean {
  return api.some((pod) => isParent(pod, place.namespace) && ids.get(namespacedName(pod)) === id);
}

function isApiServer(manifest: KubeObject | undefined): boolean {
  if (manifest === undefined) return false;
  const { labels = {}, name } = manifest.metadata;
  return recogniseComponent(labels, name, specOf(manifest))?.component === "kube-apiserver";
}

/** Whether its pod is here, and asks to be copied no more: it may run on. */
function isReleased(id: CheckpointId, api: readonly KubeObject[], ids: ReadonlyMap<string, CheckpointId>): boolean {
  return api.some(
    (pod) => ids.get(namespacedName(pod)) === id && pod.metadata.annotations?.[PARENT_ANNOTATION] !== "true",
  );
}

function isStaying(pod: KubeObject): boolean {
  return pod.metadata.deletionTimestamp === undefined || pod.metadata.deletionTimestamp === null;
}

function newestFirst(a: KubeObject, b: KubeObject): number {
  const [left, right] = [a, b].map(({ metadata }) => metadata.creationTimestamp ?? "");
  return defined(left) < defined(right) ? 1 : defined(left) > defined(right) ? -1 : 0;
}

/** The API server's word before the kubelet's. */
function unique(pods: readonly KubeObject[]): KubeObject[] {
  const seen = new Set<string>();
  return pods.filter((pod) => {
    const uid = pod.metadata.uid ?? namespacedName(pod);
    if (seen.has(uid)) return false;
    seen.add(uid);
    return true;
  });
}

function healthyFor(parent: KubeObject | undefined, sight: Sight): number | undefined {
  if (parent === undefined) return undefined;
  const { uid } = parent.metadata;
  const pod = (sight.runtime ?? []).find(
    (each) => each.uid === uid && namespacedName(parent) === `${each.namespace}/${each.name}`,
  );
  if (pod === undefined || !pod.ready) return undefined;
  const latest = latestContainers(pod);
  const times = containerNames(parent).map((name) => {
    const container = latest.get(name);
    return container?.running === true ? sight.runningFor(container) : undefined;
  });
  if (times.length === 0 || times.includes(undefined)) return undefined;
  return isUnready(parent) ? 0 : Math.min(...(times as number[]));
}

function isUnready(pod: KubeObject): boolean {
  return conditionStatus(pod, "Ready") === "False";
}
