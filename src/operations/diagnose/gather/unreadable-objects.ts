/** Kinds whose lists fail because etcd holds an object that the API server cannot read: one that no key opens, or damaged bytes. */
import type { UnreadableFacts } from "../../../diagnosis/facts.ts";
import { readUnreadable } from "../../../diagnosis/unreadable-objects.ts";
import { ApiError, type ClusterApi, METADATA_ONLY } from "../../../io/api-server/cluster-api.ts";

/** What clusters encrypt, and what controllers cannot start without. */
const RESOURCES = ["secrets", "configmaps"];
/** Of 500 objects each: what lies further behind is not looked at. */
const MOST_PAGES = 20;

/** Reads from etcd: the API server's memory may still have what it could read once. */
export async function unreadableObjects(api: ClusterApi, signal: AbortSignal): Promise<UnreadableFacts[]> {
  const found = await Promise.all(RESOURCES.map((resource) => unreadableOf(api, resource, signal)));
  return found.flat();
}

async function unreadableOf(api: ClusterApi, resource: string, signal: AbortSignal): Promise<UnreadableFacts[]> {
  let pages = 0;
  try {
    for await (const _ of api.pages(`/api/v1/${resource}`, { signal, accept: METADATA_ONLY })) {
      if (++pages === MOST_PAGES) break;
    }
    return [];
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 403) return []; // who may not list them can see nothing wrong with them
    const unreadable = error.status === 500 ? readUnreadable(error.serverMessage) : undefined;
    if (unreadable === undefined) throw error;
    return [{ resource, key: unreadable.key, message: error.serverMessage }];
  }
}
