/** Lists of the API server in pages: whole collections, and the API version under which a server of any age has them. */
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { ApiError, type ClusterApi, type ListChoices } from "./cluster-api.ts";

/**
 * In a list's query: as the API server has it in memory, which may be some moments old. Without it the server reads
 * every object of a collection from etcd to find the few that a selector selects.
 */
export const FROM_CACHE = "resourceVersion=0";

/** Every object of a collection such as `/api/v1/pods`; `query` has no question mark. Throws as the client does. */
export async function listAll(api: ClusterApi, path: string, query = "", signal?: AbortSignal): Promise<KubeObject[]> {
  return (await api.list(query === "" ? path : `${path}?${query}`, signal)).items;
}

/** As {@link listAll}, from the first of `versions` (such as `apps/v1`) that the server knows; empty where it knows none of them. */
export function listFirst(
  api: ClusterApi,
  versions: readonly string[],
  resource: string,
  signal?: AbortSignal,
): Promise<KubeObject[]> {
  return listEachOfFirst(api, versions, resource, (object) => object, { signal });
}

/** As {@link listFirst}, of each object only what `pick` takes of it. */
export async function listEachOfFirst<T>(
  api: ClusterApi,
  versions: readonly string[],
  resource: string,
  pick: (object: KubeObject) => T,
  choices?: ListChoices,
): Promise<T[]> {
  for (const version of versions) {
    const found = await unlessAbsent(api.listEach(`/apis/${version}/${resource}`, pick, choices));
    if (found !== undefined) return found.items;
  }
  return [];
}

/** Undefined where the API server says that there is no such thing. */
export async function unlessAbsent<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** The versions of a group that the server has, its preferred one first: `apps` gives `apps/v1`. */
export async function versionsOfGroup(api: ClusterApi, group: string, signal?: AbortSignal): Promise<string[]> {
  const answer = await unlessAbsent(api.request("GET", `/apis/${group}`, undefined, { signal }));
  if (answer === undefined) return [];
  const nameOf = (version: unknown) => String((version as JsonObject | undefined)?.groupVersion ?? "");
  const all = [answer.preferredVersion, ...((answer.versions ?? []) as readonly JsonObject[])].map(nameOf);
  return [...new Set(all.filter((name) => name !== ""))];
}
