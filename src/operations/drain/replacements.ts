/**
 * Whether the pods that left have successors elsewhere: a controller is content when as many of its pods are Ready
 * outside of the drained nodes as were Ready in all before, or as many as it wants by now, if that is fewer.
 */

import { unlessAbsent } from "../../io/api-server/api-lists.ts";
import type { ClusterApi } from "../../io/api-server/cluster-api.ts";
import type { LiveObjects } from "../../io/api-server/live-objects.ts";
import { objectOf } from "../../kube/fields.ts";
import { type LabelSelector, labelSelectorText, readLabelSelector } from "../../kube/label-selector.ts";
import { nodeOf } from "../../kube/mirror-pod.ts";
import type { JsonValue, KubeObject, OwnerReference } from "../../kube/object.ts";
import { controllerOf, isServing } from "../../kube/pod.ts";
import { inParallel } from "../cluster-access/in-parallel.ts";
import type { ReplacementState } from "./drain-events.ts";

/** Controllers that replace what they lose. A Job's pod starts over, which may take as long as it likes. */
const RESOURCES: Readonly<Record<string, string>> = {
  ReplicaSet: "replicasets",
  StatefulSet: "statefulsets",
  ReplicationController: "replicationcontrollers",
};

export interface Owner {
  readonly reference: OwnerReference;
  readonly namespace: string;
  readonly path: string;
  /** Of its pods, as a collection to list and watch. */
  readonly pods: string;
  readonly wanted: number;
}

/** The controllers of pods that are about to leave, with how many Ready pods each has. Those that replace nothing are left out. */
export async function findOwners(api: ClusterApi, pods: readonly KubeObject[], signal: AbortSignal): Promise<Owner[]> {
  const references = new Map<string, { readonly reference: OwnerReference; readonly namespace: string }>();
  for (const pod of pods) {
    const reference = controllerOf(pod);
    if (reference !== undefined && RESOURCES[reference.kind] !== undefined)
      references.set(reference.uid, { reference, namespace: pod.metadata.namespace ?? "" });
  }
  const found = await inParallel([...references.values()], async ({ reference, namespace }) => {
    const path = [
      `${groupPath(reference.apiVersion)}/namespaces/${encodeURIComponent(namespace)}`,
      `${RESOURCES[reference.kind]}/${encodeURIComponent(reference.name)}`,
    ].join("/");
    const object = await unlessAbsent(api.get(path, signal));
    if (object === undefined || object.metadata.uid !== reference.uid) return undefined;
    const selector = selectorOf(object);
    if (selector === undefined || selector.length === 0) return undefined;
    const query = `labelSelector=${encodeURIComponent(labelSelectorText(selector))}`;
    const podsPath = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods?${query}`;
    return { reference, namespace, path, pods: podsPath, wanted: readyReplicas(object) };
  });
  return found.filter((owner) => owner !== undefined);
}

/** Resolves when every owner is content; `tell` gets those that are not, whenever that changes. Throws when the signal aborts. */
export async function waitForReplacements(
  api: ClusterApi,
  live: LiveObjects,
  owners: readonly Owner[],
  drained: ReadonlySet<string>,
  report: (missing: readonly ReplacementState[]) => void,
  signal: AbortSignal,
): Promise<void> {
  for (const path of new Set(owners.map(({ pods }) => pods))) live.follow(path);
  let open = owners;
  let reported = "";
  while (open.length > 0) {
    const states: ReplacementState[] = [];
    const left: Owner[] = [];
    for (const owner of open) {
      const ready = countElsewhere(live, owner, drained);
      if (ready !== undefined && ready >= owner.wanted) continue;
      // It may want fewer by now, or be no more: asked only for those that seem to lack something.
      const wanted = ready === undefined ? owner.wanted : await wantedNow(api, owner, signal);
      if (ready !== undefined && ready >= wanted) continue;
      left.push(owner);
      if (ready === undefined) continue;
      states.push({
        owner: `${owner.reference.kind} ${owner.namespace}/${owner.reference.name}`,
        ready,
        wanted,
      });
    }
    open = left;
    const text = JSON.stringify(states);
    if (text !== reported && states.length > 0) report(states);
    reported = text;
    if (open.length > 0) await live.changed(5000, signal);
  }
}

function countElsewhere(live: LiveObjects, owner: Owner, drained: ReadonlySet<string>): number | undefined {
  return live
    .get(owner.pods)
    ?.filter((pod) => controllerOf(pod)?.uid === owner.reference.uid && isServing(pod) && !drained.has(nodeOf(pod)))
    .length;
}

async function wantedNow(api: ClusterApi, owner: Owner, signal: AbortSignal): Promise<number> {
  const object = await unlessAbsent(api.get(owner.path, signal));
  if (object === undefined || object.metadata.uid !== owner.reference.uid) return 0;
  const { replicas } = objectOf(object.spec);
  return Math.min(owner.wanted, typeof replicas === "number" ? replicas : 1);
}

function readyReplicas(owner: KubeObject): number {
  const { readyReplicas: ready } = objectOf(owner.status);
  return typeof ready === "number" ? ready : 0;
}

/** A ReplicationController has a plain map of labels for a selector. */
function selectorOf(owner: KubeObject): LabelSelector | undefined {
  const { selector } = objectOf(owner.spec);
  return readLabelSelector(
    owner.kind === "ReplicationController" ? ({ matchLabels: selector } as JsonValue) : selector,
  );
}

export function groupPath(apiVersion: string): string {
  return apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}
