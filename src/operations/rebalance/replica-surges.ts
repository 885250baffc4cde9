/**
 * One replica more than an owner is to have, for as long as a pod is moved. An annotation on the owner tells how many
 * it is to have, so that a rerun after a crash finds it.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { unlessAbsent } from "../../io/api-server/api-lists.ts";
import { ApiError, type ClusterApi, METADATA_ONLY } from "../../io/api-server/cluster-api.ts";
import { objectOf, objectsOf } from "../../kube/fields.ts";
import { namespacedName } from "../../kube/names.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { controllerOf } from "../../kube/pod.ts";

/** An owner that has one replica too many for a while: where it is, and how many it is to have. */
export interface Surge {
  readonly path: string;
  readonly wanted: number;
}

const SURGE_ANNOTATION = "kubemend/rebalance-replicas";
/** Each at the API version of today, and of before 1.9. */
const SCALED: readonly (readonly string[])[] = [
  ["/apis/apps/v1/deployments", "/apis/extensions/v1beta1/deployments"],
  ["/apis/apps/v1/replicasets", "/apis/extensions/v1beta1/replicasets"],
  ["/api/v1/replicationcontrollers"],
];
const MOST_CONFLICTS = 8;
/** A request that was given up is done within these looks, or never: an API server drops what waits for longer. */
const LATE_LOOKS = 5;
const LATE_MS = 500;

export class ReplicaSurges {
  readonly #api: ClusterApi;

  constructor(api: ClusterApi) {
    this.#api = api;
  }

  /** False where somebody else has scaled it meanwhile. */
  begin({ path, wanted }: Surge, signal: AbortSignal): Promise<boolean> {
    return this.#change(path, signal, ({ spec }) => {
      if (Number(objectOf(spec).replicas ?? 1) !== wanted) return undefined;
      return { metadata: { annotations: { [SURGE_ANNOTATION]: String(wanted) } }, spec: { replicas: wanted + 1 } };
    });
  }

  /**
   * Takes the replica away only where nobody has scaled the owner since. `unanswered`: the beginning was asked for and
   * no answer came, so that it may be done only now.
   */
  async end(surge: Surge, signal: AbortSignal, unanswered = false): Promise<void> {
    for (let look = 1; !(await this.#endNow(surge, signal)) && unanswered && look < LATE_LOOKS; look++) {
      await sleep(LATE_MS, undefined, { signal });
    }
  }

  /** False where there is nothing of it. */
  #endNow({ path, wanted }: Surge, signal: AbortSignal): Promise<boolean> {
    return this.#change(path, signal, ({ metadata, spec }) => {
      if (metadata.annotations?.[SURGE_ANNOTATION] === undefined) return undefined;
      const isOurs = objectOf(spec).replicas === wanted + 1;
      return {
        metadata: { annotations: { [SURGE_ANNOTATION]: null } },
        ...(isOurs && { spec: { replicas: wanted } }),
      };
    });
  }

  /** Those that an earlier run, which was killed, has left. */
  async endOld(signal: AbortSignal, report: (text: string) => void): Promise<void> {
    for (const versions of SCALED) {
      for (const collection of versions) if (await this.#endOldIn(collection, signal, report)) break;
    }
  }

  /** False where the collection is not served. */
  async #endOldIn(collection: string, signal: AbortSignal, report: (text: string) => void): Promise<boolean> {
    const slash = collection.lastIndexOf("/");
    const [group, resource] = [collection.slice(0, slash), collection.slice(slash + 1)];
    const pages = this.#api.pages(collection, { signal, accept: METADATA_ONLY });
    for (let page = await unlessAbsent(pages.next()); page?.done !== true; page = await pages.next()) {
      if (page === undefined) return false;
      for (const item of objectsOf(page.value.items) as KubeObject[]) {
        const wanted = Number(item.metadata.annotations?.[SURGE_ANNOTATION]);
        if (!Number.isSafeInteger(wanted) || wanted < 1) continue;
        // A Deployment's controller copies its annotations to its ReplicaSets, where they stay.
        if (controllerOf(item) !== undefined) continue;
        const path = [
          `${group}/namespaces/${encodeURIComponent(item.metadata.namespace ?? "")}`,
          `${resource}/${encodeURIComponent(item.metadata.name)}`,
        ].join("/");
        await this.end({ path, wanted }, signal);
        report(`${resource} "${namespacedName(item)}" has ${wanted} replicas again: an earlier run had been cut off`);
      }
    }
    return true;
  }

  /**
   * Patches what was just read, and reads again where that has changed, as controllers do all the time. False where
   * there is nothing to change.
   */
  async #change(
    path: string,
    signal: AbortSignal,
    make: (object: KubeObject) => JsonObject | undefined,
  ): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      const object = await unlessAbsent(this.#api.get(path, signal));
      const patch = object && make(object);
      if (object === undefined || patch === undefined) return false;
      const { resourceVersion } = object.metadata;
      try {
        await this.#api.patch(path, { ...patch, metadata: { ...objectOf(patch.metadata), resourceVersion } }, signal);
        return true;
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 409 || attempt === MOST_CONFLICTS) throw error;
      }
    }
  }
}
