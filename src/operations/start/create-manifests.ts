/** Creates the objects of manifests, in order, each as soon as the API server knows its kind; what exists already is left as it is. */
import { setTimeout as sleep } from "node:timers/promises";
import { isDefinition, type ManifestObject, objectTitle } from "../../bootstrap/manifest-objects.ts";
import { MendError } from "../../errors/errors.ts";
import { ApiError, type ClusterApi, isConnectionError } from "../../io/api-server/cluster-api.ts";
import { objectsOf, textOf } from "../../kube/fields.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";

const RETRY_MS = 300;
/** How long an object is tried whose kind is not known, or that the API server cannot take yet. */
const PATIENCE_MS = 60_000;

export interface Creation {
  readonly created: number;
  readonly existed: number;
  /** What could not be created, a sentence each. */
  readonly failed: readonly string[];
}

export interface CreateOptions {
  /** Throw at the first that cannot be created. */
  readonly strict: boolean;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly report: (text: string) => void;
}

export async function createManifests(
  api: ClusterApi,
  objects: readonly ManifestObject[],
  options: CreateOptions,
): Promise<Creation> {
  const kinds = new KindPaths(api);
  const failed: string[] = [];
  let created = 0;
  let existed = 0;
  for (const each of objects) {
    try {
      if (await createOne(api, kinds, each, options)) created++;
      else existed++;
    } catch (error) {
      if (!(error instanceof MendError)) throw error;
      const sentence = `${objectTitle(each.object)} of ${each.where} cannot be created: ${error.message}`;
      if (options.strict)
        throw new MendError(error.code, sentence, { hint: "correct the manifest, and start again", cause: error });
      failed.push(sentence);
      options.report(`warning: ${sentence}`);
    }
  }
  return { created, existed, failed };
}

async function createOne(
  api: ClusterApi,
  kinds: KindPaths,
  each: ManifestObject,
  options: CreateOptions,
): Promise<boolean> {
  const { object } = each;
  const giveUp = options.now() + PATIENCE_MS;
  for (;;) {
    try {
      const path = await kinds.path(object.apiVersion, object.kind, object.metadata.namespace, options.signal);
      const isNew = await post(api, path, object, options.signal);
      if (isDefinition(object)) await established(api, `${path}/${object.metadata.name}`, giveUp, options);
      return isNew;
    } catch (error) {
      if (!mayPass(error) || options.now() > giveUp) throw error;
      kinds.forget(object.apiVersion);
      await sleep(RETRY_MS, undefined, { signal: options.signal });
    }
  }
}

/**
 * False when it was there before. A Service that is there may be refused for its address before it is for its name, so
 * every refusal is looked into.
 */
async function post(api: ClusterApi, path: string, object: KubeObject, signal: AbortSignal): Promise<boolean> {
  try {
    await api.create(path, object, signal);
    return true;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status < 409 || error.status === 429) throw error;
    if (error.reason === "AlreadyExists" || (await exists(api, `${path}/${object.metadata.name}`, signal)))
      return false;
    throw error;
  }
}

async function exists(api: ClusterApi, path: string, signal: AbortSignal): Promise<boolean> {
  try {
    await api.get(path, signal);
    return true;
  } catch (error) {
    if (error instanceof ApiError) return false;
    throw error;
  }
}

async function established(api: ClusterApi, path: string, giveUp: number, options: CreateOptions): Promise<void> {
  for (;;) {
    const status = (await api.get(path, options.signal)).status as JsonObject | undefined;
    if (objectsOf(status?.conditions).some(({ type, status: is }) => type === "Established" && is === "True")) return;
    if (options.now() > giveUp) throw new MendError("timeout", "the API server does not establish it");
    await sleep(RETRY_MS, undefined, { signal: options.signal });
  }
}

/** An API server that is young, or a kind that is new, or a namespace without its service account yet. */
function mayPass(error: unknown): boolean {
  if (isConnectionError(error)) return true;
  if (!(error instanceof ApiError)) return error instanceof UnknownKind;
  return error.status >= 500 || error.status === 429 || error.status === 404 || error.status === 403;
}

class UnknownKind extends MendError {
  constructor(kind: string, apiVersion: string) {
    super("kind-unknown", `the API server knows no kind "${kind}" in "${apiVersion}"`, {
      hint: "check the API version",
    });
  }
}

/** Where objects of a kind are created, by asking the API server once for each group and version. */
class KindPaths {
  readonly #api: ClusterApi;
  readonly #known = new Map<string, readonly JsonObject[]>();

  constructor(api: ClusterApi) {
    this.#api = api;
  }

  async path(apiVersion: string, kind: string, namespace: string | undefined, signal: AbortSignal): Promise<string> {
    const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    let resources = this.#known.get(apiVersion);
    if (resources === undefined) {
      resources = objectsOf((await this.#api.request("GET", group, undefined, { signal })).resources);
      this.#known.set(apiVersion, resources);
    }
    const resource = resources.find((each) => each.kind === kind && !textOf(each.name).includes("/"));
    if (resource === undefined) throw new UnknownKind(kind, apiVersion);
    const where = resource.namespaced === true ? `/namespaces/${namespace ?? "default"}` : "";
    return `${group}${where}/${textOf(resource.name)}`;
  }

  forget(apiVersion: string): void {
    this.#known.delete(apiVersion);
  }
}
