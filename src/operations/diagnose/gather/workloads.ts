/** Pods that wait, Deployments that lag, ReplicaSets that are short, without reading the pods that run. */

import type { LaggingDeployment, PendingPod, ShortReplicaSet } from "../../../diagnosis/facts.ts";
import { FROM_CACHE, listAll, listEachOfFirst, unlessAbsent } from "../../../io/api-server/api-lists.ts";
import { type ClusterApi, type ListChoices, METADATA_ONLY } from "../../../io/api-server/cluster-api.ts";
import { recogniseComponent } from "../../../kube/component.ts";
import { objectOf, objectsOf, textOf } from "../../../kube/fields.ts";
import type { JsonObject, KubeObject } from "../../../kube/object.ts";

const APPS = ["apps/v1", "apps/v1beta2", "apps/v1beta1", "extensions/v1beta1"];
const REPLICA_SETS = ["apps/v1", "apps/v1beta2", "extensions/v1beta1"];
/** What kubectl shows: a row of cells instead of an object with its pod template. */
const TABLE = ["v1", "v1beta1"]
  .map((version) => `application/json;as=Table;v=${version};g=meta.k8s.io,`)
  .concat("application/json")
  .join("");
/** The reasons of so many are asked for. */
const MOST_REASONS = 10;

/** Without the pod templates of those that make no component of the control plane: they are most of what thousands of them weigh. */
export function listDeployments(api: ClusterApi, choices: ListChoices): Promise<KubeObject[]> {
  return listEachOfFirst(api, APPS, "deployments", withoutTemplate, choices);
}

function withoutTemplate(deployment: KubeObject): KubeObject {
  const { metadata, spec, status, ...type } = deployment;
  const { name, namespace, labels, generation, uid } = metadata;
  const { replicas, template } = objectOf(spec);
  const { metadata: ofPods, spec: podSpec } = objectOf(template);
  const own = recogniseComponent(labels ?? objectOf(objectOf(ofPods).labels), name, objectOf(podSpec));
  return {
    ...type,
    metadata: { name, namespace, labels, generation, uid },
    spec: { replicas, template: { metadata: ofPods, ...(own !== undefined && { spec: podSpec }) } },
    status,
  } as KubeObject;
}

/** One object's metadata, and how many more there are (since 1.15; undefined before). */
export async function countPods(api: ClusterApi, signal: AbortSignal): Promise<number | undefined> {
  const answer = await api.request("GET", "/api/v1/pods?limit=1", undefined, { signal, accept: METADATA_ONLY });
  const { continue: more, remainingItemCount } = objectOf(answer.metadata);
  const here = objectsOf(answer.items).length;
  if (textOf(more) === "") return here;
  return typeof remainingItemCount === "number" ? here + remainingItemCount : undefined;
}

export async function pendingPods(api: ClusterApi, signal: AbortSignal): Promise<PendingPod[]> {
  const pods = await listAll(api, "/api/v1/pods", `fieldSelector=status.phase%3DPending&${FROM_CACHE}`, signal);
  return pods
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata, spec, status }) => {
      const scheduled = objectsOf(objectOf(status).conditions).find(({ type }) => type === "PodScheduled");
      return {
        namespace: metadata.namespace ?? "",
        name: metadata.name,
        created: Date.parse(metadata.creationTimestamp ?? ""),
        schedulerName: textOf(objectOf(spec).schedulerName),
        node: textOf(objectOf(spec).nodeName),
        verdict: scheduled && { reason: textOf(scheduled.reason), message: textOf(scheduled.message) },
      };
    });
}

/** Paused ones are observed as well. */
export function laggingDeployments(deployments: readonly KubeObject[]): LaggingDeployment[] {
  return deployments.flatMap(({ metadata, status }) => {
    const generation = Number(metadata.generation ?? 0);
    const observedGeneration = Number(objectOf(status).observedGeneration ?? 0);
    if (observedGeneration >= generation) return [];
    return [{ namespace: metadata.namespace ?? "", name: metadata.name, generation, observedGeneration }];
  });
}

interface Row {
  readonly metadata: Pick<KubeObject["metadata"], "name" | "namespace" | "uid">;
  readonly wanted: number;
  readonly there: number;
}

export interface ReplicaSetLook {
  readonly short: readonly ShortReplicaSet[];
  /** How many pods each ReplicaSet has that wants some, by `NAMESPACE/NAME`. */
  readonly pods: ReadonlyMap<string, number>;
}

/** By their own status. */
export async function lookAtReplicaSets(
  api: ClusterApi,
  signal: AbortSignal,
  comesAlong: () => void,
): Promise<ReplicaSetLook> {
  const { version, rows } = await replicaSetRows(api, signal, comesAlong);
  const wanting = rows.filter(({ wanted }) => wanted > 0);
  const short = await explained(
    api,
    version,
    wanting.filter(({ wanted, there }) => there < wanted),
    signal,
  );
  return {
    short,
    pods: new Map(wanting.map(({ metadata, there }) => [`${metadata.namespace}/${metadata.name}`, there])),
  };
}

/** By counting their pods. */
export async function replicaSetsShortOfPods(
  api: ClusterApi,
  signal: AbortSignal,
  comesAlong: () => void,
): Promise<ShortReplicaSet[]> {
  const [{ rows }, counts] = await Promise.all([
    replicaSetRows(api, signal, comesAlong),
    podsByOwner(api, signal, comesAlong),
  ]);
  return rows
    .map((row) => ({ ...row, there: counts.get(row.metadata.uid ?? "") ?? 0 }))
    .filter(({ wanted, there }) => there < wanted)
    .map(({ metadata, wanted, there }) => ({
      namespace: metadata.namespace ?? "",
      name: metadata.name,
      wanted,
      there,
      failure: undefined,
    }));
}

async function explained(
  api: ClusterApi,
  version: string,
  rows: readonly Row[],
  signal: AbortSignal,
): Promise<ShortReplicaSet[]> {
  return Promise.all(
    rows.map(async ({ metadata, wanted, there }, i) => {
      const { namespace = "", name } = metadata;
      const path = `/apis/${version}/namespaces/${namespace}/replicasets/${name}`;
      const object = i < MOST_REASONS ? await unlessAbsent(api.get(path, signal)) : undefined;
      const failure = objectsOf(objectOf(object?.status).conditions).find(
        ({ type, status }) => type === "ReplicaFailure" && status === "True",
      );
      return { namespace, name, wanted, there, failure: failure && textOf(failure.message) };
    }),
  );
}

async function replicaSetRows(
  api: ClusterApi,
  signal: AbortSignal,
  comesAlong: () => void,
): Promise<{ version: string; rows: Row[] }> {
  for (const version of REPLICA_SETS) {
    const rows: Row[] = [];
    const read = eachPage(api, `/apis/${version}/replicasets`, TABLE, signal, (page) => {
      comesAlong();
      rows.push(...rowsOf(page));
    });
    if ((await unlessAbsent(read)) !== undefined) return { version, rows };
  }
  return { version: "apps/v1", rows: [] };
}

function rowsOf(page: JsonObject): Row[] {
  if (page.kind !== "Table") {
    return objectsOf(page.items).map((item) => ({
      metadata: identityOf(item.metadata),
      wanted: Number(objectOf(item.spec).replicas ?? 1),
      there: Number(objectOf(item.status).replicas ?? 0),
    }));
  }
  const columns = objectsOf(page.columnDefinitions).map(({ name }) => textOf(name));
  const [wanted, there] = [columns.indexOf("Desired"), columns.indexOf("Current")];
  return objectsOf(page.rows).map((row) => {
    const cells = (row.cells ?? []) as readonly unknown[];
    return {
      metadata: identityOf(objectOf(row.object).metadata),
      wanted: Number(cells[wanted]),
      there: Number(cells[there]),
    };
  });
}

function identityOf(metadata: unknown): Row["metadata"] {
  const { name, namespace = "", uid = "" } = metadata as KubeObject["metadata"];
  return { name, namespace, uid };
}

async function podsByOwner(api: ClusterApi, signal: AbortSignal, comesAlong: () => void): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  await eachPage(api, "/api/v1/pods", METADATA_ONLY, signal, (page) => {
    comesAlong();
    for (const item of objectsOf(page.items)) {
      const { ownerReferences, deletionTimestamp } = item.metadata as KubeObject["metadata"];
      if (deletionTimestamp !== undefined) continue;
      const owner = ownerReferences?.find(({ controller }) => controller === true)?.uid;
      if (owner !== undefined) counts.set(owner, (counts.get(owner) ?? 0) + 1);
    }
  });
  return counts;
}

/** One page is in memory at a time. */
async function eachPage(
  api: ClusterApi,
  path: string,
  accept: string,
  signal: AbortSignal,
  look: (page: JsonObject) => void,
): Promise<true> {
  for await (const page of api.pages(path, { signal, accept })) look(page);
  return true;
}
