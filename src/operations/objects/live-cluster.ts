/** Objects of a live cluster, called as in a backup: read, made, changed and deleted in whatever version the API server serves. */

import { setTimeout as sleep } from "node:timers/promises";
import { defined } from "../../errors/defined.ts";
import { unlessAbsent } from "../../io/api-server/api-lists.ts";
import { type ClusterApi, isConnectionError } from "../../io/api-server/cluster-api.ts";
import { objectOf, textOf } from "../../kube/fields.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { idKey, type ObjectId } from "../../objects/object-id.ts";
import { FIELD_MANAGER } from "../../objects/own-writes.ts";
import { inParallel } from "../cluster-access/in-parallel.ts";
import { type LiveResource, type LiveResources, readLiveResources, urlOf } from "./live-resources.ts";

/** Where more objects of one namespace than this are looked up, they are listed. */
const MOST_SINGLE = 20;
/** Requests at a time. */
export const AT_ONCE = 32;
const POLL_MS = 250;
/** An API server that is away for longer ends the run. */
const AWAY_MS = 60_000;

export interface LiveClusterOptions {
  readonly signal: AbortSignal | undefined;
  readonly now: () => number;
}

export class LiveCluster {
  readonly api: ClusterApi;
  /** The minor version of the API server: 20 of v1.20.2; NaN where it does not say. */
  readonly minor: number;
  readonly #options: LiveClusterOptions;
  #resources: LiveResources;

  private constructor(api: ClusterApi, resources: LiveResources, minor: number, options: LiveClusterOptions) {
    this.api = api;
    this.minor = minor;
    this.#resources = resources;
    this.#options = options;
  }

  static async open(api: ClusterApi, options: LiveClusterOptions): Promise<LiveCluster> {
    const { signal } = options;
    const [resources, version] = await Promise.all([readLiveResources(api, signal), api.probe("/version", signal)]);
    return new LiveCluster(api, resources, minorOf(version.text), options);
  }

  get resources(): LiveResources {
    return this.#resources;
  }

  /** Undefined where nothing of the kind is served. */
  resource(path: string): LiveResource | undefined {
    return this.#resources.byPath.get(path);
  }

  /** After definitions were made. */
  async refresh(): Promise<void> {
    this.#resources = await readLiveResources(this.api, this.#options.signal);
  }

  url({ path, namespace, name }: ObjectId, apiVersion?: string): string {
    return urlOf(defined(this.resource(path)), namespace, name, apiVersion);
  }

  /** Undefined where there is no such object, or nothing of the kind is served. */
  async get(id: ObjectId, apiVersion?: string): Promise<KubeObject | undefined> {
    const resource = this.resource(id.path);
    if (resource === undefined) return undefined;
    const version = apiVersion !== undefined && resource.served.includes(apiVersion) ? apiVersion : undefined;
    return this.patiently(() => unlessAbsent(this.api.get(this.url(id, version), this.#options.signal)));
  }

  /** The live ones of many objects, by {@link idKey}. `versionOf`: the version that each is to be read in. */
  async getAll(
    ids: readonly ObjectId[],
    versionOf: (id: ObjectId) => string | undefined,
  ): Promise<Map<string, KubeObject>> {
    const found = new Map<string, KubeObject>();
    const groups = Map.groupBy(ids, (id) => `${id.path} ${id.namespace ?? ""} ${versionOf(id) ?? ""}`);
    const single: ObjectId[] = [];
    for (const group of groups.values()) {
      const [first] = group as [ObjectId];
      const resource = this.resource(first.path);
      if (resource === undefined) continue;
      if (group.length <= MOST_SINGLE) {
        single.push(...group);
        continue;
      }
      const wanted = new Set(group.map(idKey));
      const version = versionOf(first);
      const served = version !== undefined && resource.served.includes(version) ? version : undefined;
      const url = urlOf(resource, first.namespace, undefined, served);
      const { items } = await this.patiently(() => this.api.list(url, this.#options.signal));
      for (const object of items) {
        const { namespace, name } = object.metadata;
        const key = idKey({ path: first.path, namespace: resource.namespaced ? namespace : undefined, name });
        if (wanted.has(key)) found.set(key, object);
      }
    }
    const read = await inParallel(single, (id) => this.get(id, versionOf(id)), AT_ONCE);
    for (const [i, object] of read.entries()) if (object !== undefined) found.set(idKey(defined(single[i])), object);
    return found;
  }

  create(object: KubeObject, { path, namespace }: ObjectId, isDryRun = false): Promise<KubeObject> {
    const url = urlOf(defined(this.resource(path)), namespace, undefined, object.apiVersion);
    return this.api.create(`${url}${query(isDryRun)}`, object, this.#options.signal);
  }

  /** `object` bears the resourceVersion of what it replaces. */
  replace(object: KubeObject, id: ObjectId, isDryRun = false, subresource = ""): Promise<KubeObject> {
    const url = `${this.url(id, object.apiVersion)}${subresource}${query(isDryRun)}`;
    return this.api.request("PUT", url, object, { signal: this.#options.signal }) as Promise<KubeObject>;
  }

  patch(id: ObjectId, patch: JsonObject): Promise<KubeObject> {
    return this.api.patch(`${this.url(id)}${query(false)}`, patch, this.#options.signal);
  }

  /** Deletes the object of this UID and no other. */
  delete(id: ObjectId, uid: string, propagationPolicy: "Background" | "Foreground" | "Orphan"): Promise<JsonObject> {
    return this.api.delete(this.url(id), { propagationPolicy, preconditions: { uid } }, this.#options.signal);
  }

  /** Waits until the object is gone, or another has its name. Returns the object where it is still there after so long. */
  async gone(id: ObjectId, uid: string | undefined, milliseconds: number): Promise<KubeObject | undefined> {
    const end = this.#options.now() + milliseconds;
    for (;;) {
      const found = await this.get(id);
      if (found === undefined || (uid !== undefined && found.metadata.uid !== uid)) return undefined;
      if (this.#options.now() >= end) return found;
      await sleep(POLL_MS, undefined, { signal: this.#options.signal });
    }
  }

  /** Waits until `done` returns something. Undefined after so long. */
  async until<T>(done: () => Promise<T | undefined>, milliseconds: number): Promise<T | undefined> {
    const end = this.#options.now() + milliseconds;
    for (;;) {
      const result = await done();
      if (result !== undefined || this.#options.now() >= end) return result;
      await sleep(POLL_MS, undefined, { signal: this.#options.signal });
    }
  }

  /** Reads once more while the API server is away, for a minute at most. */
  async patiently<T>(read: () => Promise<T>): Promise<T> {
    const end = this.#options.now() + AWAY_MS;
    for (;;) {
      try {
        return await read();
      } catch (error) {
        if (!isConnectionError(error) || this.#options.now() >= end) throw error;
        await sleep(POLL_MS * 4, undefined, { signal: this.#options.signal });
      }
    }
  }

  /** UID of the namespace kube-system, which tells clusters apart. */
  async identity(): Promise<string> {
    const found = await this.get({ path: "namespaces", namespace: undefined, name: "kube-system" });
    return found?.metadata.uid ?? "";
  }
}

function minorOf(text: string): number {
  return Number(/"gitVersion":\s*"v1\.(\d+)/.exec(text)?.[1] ?? Number.NaN);
}

function query(isDryRun: boolean): string {
  return `?fieldManager=${FIELD_MANAGER}${isDryRun ? "&dryRun=All" : ""}`;
}

/** Why a namespace does not go away, in the API server's words. */
export function whyTerminating(namespace: KubeObject): string {
  const { conditions } = objectOf(namespace.status);
  const texts = (Array.isArray(conditions) ? conditions : [])
    .map((each) => objectOf(each))
    .filter(({ status }) => status === "True")
    .map(({ message }) => textOf(message))
    .filter((text) => text !== "");
  return texts.join("; ") || "its contents are still being deleted";
}
