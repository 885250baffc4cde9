/** `objects undo`: what a restore did is taken back, the last thing first. */

import { UNKNOWN_CUSTOM } from "../../compare/schema-types.ts";
import { defined } from "../../errors/defined.ts";
import { ApiError } from "../../io/api-server/cluster-api.ts";
import { objectOf, textOf, textsOf } from "../../kube/fields.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { isInEachNamespace, notRestored } from "../../objects/not-restored.ts";
import { idKey, type ObjectId } from "../../objects/object-id.ts";
import { keepsVolume, planUndo, type UndoItem, undoSubjects, withRetained } from "../../objects/undo-plan.ts";
import type { UndoFile } from "../../objects/undo-record.ts";
import { WAVES } from "../../objects/waves.ts";
import type { ProgressSink } from "../../snapshot/progress.ts";
import { inParallel } from "../cluster-access/in-parallel.ts";
import { type ClusterFlags, withCluster } from "../cluster-access/open-cluster.ts";
import { AT_ONCE, LiveCluster } from "./live-cluster.ts";
import { urlOf } from "./live-resources.ts";
import { addTypes, typeOf } from "./object-types.ts";
import { checkCluster, readUndoFile } from "./undo-log.ts";

export interface UndoOptions {
  readonly file: string;
  readonly cluster: ClusterFlags;
  /** Also what somebody changed since, and namespaces and definitions with all that others put there. */
  readonly force: boolean;
  readonly isDryRun: boolean;
  readonly waitMs: number;
  readonly confirm: (plan: readonly UndoItem[]) => Promise<boolean>;
  readonly note: (text: string) => void;
  readonly now: () => number;
  readonly signal?: AbortSignal;
  readonly progress?: ProgressSink;
}

export interface UndoResult {
  readonly item: UndoItem;
  /** `failed`: for `reason`. */
  readonly state: "deleted" | "reverted" | "done" | "left" | "failed";
  readonly reason: string;
}

export interface UndoOutcome {
  readonly plan: readonly UndoItem[];
  /** Undefined where nobody confirmed, or nothing was to be done. */
  readonly results: readonly UndoResult[] | undefined;
}

const VOLUMES = "persistentvolumes";
const CLAIMS = "persistentvolumeclaims";
const NAMESPACES = "namespaces";
const DEFINITIONS = "apiextensions.k8s.io/customresourcedefinitions";

/** Throws `config-invalid` for what is no undo file, and `wrong-cluster`. */
export function undoRestore(options: UndoOptions): Promise<UndoOutcome> {
  const { signal, now } = options;
  const file = readUndoFile(options.file);
  return withCluster(options.cluster, { signal, now }, async ({ api }) => {
    const cluster = await LiveCluster.open(api, { signal, now });
    checkCluster(file, await cluster.identity(), options.file);
    return new Undo(options, file, cluster).run();
  });
}

class Undo {
  readonly #options: UndoOptions;
  readonly #file: UndoFile;
  readonly #cluster: LiveCluster;
  /** UIDs of what the run made. */
  readonly #made: ReadonlySet<string>;
  /** Volumes whose data stays, whatever becomes of their claims. */
  readonly #kept = new Set<string>();

  constructor(options: UndoOptions, file: UndoFile, cluster: LiveCluster) {
    this.#options = options;
    this.#file = file;
    this.#cluster = cluster;
    this.#made = new Set(
      file.entries.flatMap(({ op, outcome }) => (op === "create" && outcome?.uid ? [outcome.uid] : [])),
    );
  }

  async run(): Promise<UndoOutcome> {
    const { confirm, isDryRun, signal, progress } = this.#options;
    const plan = await this.#plan();
    const isConfirmed = await confirm(plan);
    const todo = plan.filter(({ action }) => action === "delete" || action === "revert");
    if (isDryRun || !isConfirmed || todo.length === 0) return { plan, results: undefined };
    const results = new Map<UndoItem, UndoResult>();
    let done = 0;
    for (const wave of [...new Set(todo.map(({ subject }) => subject.wave))].sort((a, b) => b - a)) {
      signal?.throwIfAborted();
      const layer = todo.filter(({ subject }) => subject.wave === wave);
      if (layer.some(({ subject }) => subject.id.path === CLAIMS)) await this.#keepVolumes(layer);
      await inParallel(
        layer,
        async (item) => {
          results.set(item, await this.#take(item));
          progress?.({ step: "undoing", done: ++done, total: todo.length, unit: "objects" });
        },
        AT_ONCE,
      );
    }
    await this.#lookAgain(results);
    // What was left may have gone with its namespace.
    for (const item of plan.filter(({ action, live }) => action === "left" && live !== undefined)) {
      const { id } = item.subject;
      const isInGone = [...results].some(
        ([other, { state }]) =>
          state === "deleted" && other.subject.id.path === NAMESPACES && other.subject.id.name === id.namespace,
      );
      if (isInGone && (await this.#cluster.gone(id, item.live?.metadata.uid, 0)) === undefined)
        results.set(item, { item, state: "deleted", reason: "" });
    }
    return {
      plan,
      results: plan.map(
        (item) => results.get(item) ?? { item, state: item.action === "left" ? "left" : "done", reason: item.reason },
      ),
    };
  }

  /** What was slow to go may be gone by now, such as pods of a namespace that went. */
  async #lookAgain(results: Map<UndoItem, UndoResult>): Promise<void> {
    for (const [item, { state }] of results) {
      if (state !== "failed" || item.action !== "delete") continue;
      const still = await this.#cluster.gone(item.subject.id, item.live?.metadata.uid, 0);
      if (still === undefined) results.set(item, { item, state: "deleted", reason: "" });
    }
  }

  async #plan(): Promise<UndoItem[]> {
    const subjects = undoSubjects(this.#file);
    const versions = new Map(subjects.map(({ id, apiVersion }) => [idKey(id), apiVersion]));
    const ids = subjects.map(({ id }) => id);
    const live = await this.#cluster.getAll(ids, (id) => versions.get(idKey(id)));
    const types = new Map();
    if (this.#cluster.resource(DEFINITIONS) !== undefined) {
      const { items } = await this.#cluster.api.list(
        urlOf(defined(this.#cluster.resource(DEFINITIONS)), undefined),
        this.#options.signal,
      );
      for (const definition of items) addTypes(definition, types);
    }
    const context = {
      typeOf: (object: KubeObject) => typeOf(object, types) ?? UNKNOWN_CUSTOM,
      serverTime: this.#file.header.serverTime,
      force: this.#options.force,
    };
    const plan = subjects.map((subject) => planUndo(subject, live.get(idKey(subject.id)), context));
    if (this.#options.force) return plan;
    return inParallel(plan, (item) => this.#guard(item));
  }

  /** A namespace or a definition takes all that is in it along: what others put there must not be deleted with it. */
  async #guard(item: UndoItem): Promise<UndoItem> {
    const { id } = item.subject;
    if (item.action !== "delete" || (id.path !== NAMESPACES && id.path !== DEFINITIONS)) return item;
    const foreign = id.path === NAMESPACES ? await this.#foreignIn(id.name) : await this.#foreignOf(defined(item.live));
    const [first] = foreign;
    if (first === undefined) return item;
    const more = foreign.length === 1 ? "" : ` and ${foreign.length - 1} more objects`;
    return { ...item, action: "left", reason: `it holds "${idKey(first)}"${more} that the run did not make` };
  }

  async #foreignIn(namespace: string): Promise<ObjectId[]> {
    const { signal, now } = this.#options;
    const resources = [...this.#cluster.resources.byPath.values()].filter(
      (each) => each.namespaced && !each.aggregated,
    );
    const lists = await inParallel(resources, async (resource) => ({
      path: resource.path,
      items: (await this.#cluster.api.list(urlOf(resource, namespace), signal)).items,
    }));
    const find = (path: string, name: string) =>
      lists.find((each) => each.path === path)?.items.find((each) => each.metadata.name === name);
    const context = {
      now: now(),
      makesTokens: true,
      serviceAccount: (_namespace: string, name: string) => find("serviceaccounts", name),
      service: (_namespace: string, name: string) => find("services/specs", name),
    };
    return lists.flatMap(({ path, items }) =>
      items
        .filter(({ metadata }) => !this.#made.has(textOf(metadata.uid)))
        .filter((object) => notRestored(object, path, context) === undefined && !isInEachNamespace(object, path))
        .filter(({ metadata }) => metadata.ownerReferences?.some(({ controller }) => controller) !== true)
        .map(({ metadata }) => ({ path, namespace, name: metadata.name })),
    );
  }

  async #foreignOf({ spec }: KubeObject): Promise<ObjectId[]> {
    const path = `${textOf(objectOf(spec).group)}/${textOf(objectOf(objectOf(spec).names).plural)}`;
    const resource = this.#cluster.resource(path);
    if (resource === undefined) return [];
    const { items } = await this.#cluster.api.list(urlOf(resource, undefined), this.#options.signal);
    return items
      .filter(({ metadata }) => !this.#made.has(textOf(metadata.uid)))
      .map(({ metadata: { namespace, name } }) => ({ path, namespace, name }));
  }

  async #take(item: UndoItem): Promise<UndoResult> {
    try {
      return await (item.action === "delete" ? this.#delete(item) : this.#revert(item));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 404) return { item, state: "done", reason: "it is not there any more" };
      return { item, state: "failed", reason: error.serverMessage };
    }
  }

  async #delete(item: UndoItem): Promise<UndoResult> {
    const { id, wave } = item.subject;
    const uid = textOf(defined(item.live).metadata.uid);
    // What a workload made goes before it. The garbage collector takes its time for that: others do not wait for it.
    const takesOthers = WAVES[wave] === "workloads";
    await this.#cluster.delete(id, uid, takesOthers ? "Foreground" : "Background");
    const still = await this.#cluster.gone(id, uid, this.#options.waitMs);
    if (still === undefined) return { item, state: "deleted", reason: "" };
    const finalizers = textsOf(still.metadata.finalizers);
    const held = finalizers.length === 0 ? "" : `, held by ${finalizers.join(", ")}`;
    return { item, state: "failed", reason: `it is still being deleted${held}` };
  }

  async #revert(item: UndoItem): Promise<UndoResult> {
    const { id, first, last } = item.subject;
    const before = defined(first.before ?? undefined);
    if (keepsVolume(id, last.outcome?.after ?? last.sent, defined(item.live))) this.#kept.add(id.name);
    for (let attempt = 1; ; attempt++) {
      const live = attempt === 1 ? defined(item.live) : await this.#cluster.get(id, before.apiVersion);
      if (live === undefined) return { item, state: "failed", reason: "somebody deletes it" };
      const holder = await this.#holderOf(id, before, live);
      if (holder !== undefined) return { item, state: "left", reason: `claim "${holder}" is bound to it` };
      const metadata = { ...before.metadata, resourceVersion: live.metadata.resourceVersion } as KubeObject["metadata"];
      try {
        await this.#cluster.replace(this.#withKeptVolume({ ...before, metadata }, id), id);
        return { item, state: "reverted", reason: this.#kept.has(id.name) && id.path === VOLUMES ? KEPT : "" };
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 409 || attempt === 5) throw error;
      }
    }
  }

  /**
   * The claim that a volume would be taken from, which would lose its data: one that is still being deleted, or that
   * somebody made under the same name.
   */
  async #holderOf({ path }: ObjectId, before: KubeObject, live: KubeObject): Promise<string | undefined> {
    if (path !== VOLUMES || this.#options.force) return undefined;
    const [old, now] = [before, live].map(({ spec }) => objectOf(objectOf(spec).claimRef)) as [JsonObject, JsonObject];
    const uid = textOf(now.uid);
    if (uid === "" || uid === textOf(old.uid)) return undefined;
    const [namespace, name] = [textOf(now.namespace), textOf(now.name)];
    const claim = await this.#cluster.get({ path: CLAIMS, namespace, name });
    return claim?.metadata.uid === uid ? `${namespace}/${name}` : undefined;
  }

  #withKeptVolume(object: KubeObject, { path, name }: ObjectId): KubeObject {
    if (path !== VOLUMES || !this.#kept.has(name)) return object;
    return withRetained(object);
  }

  /** A claim that goes must not take the data of a volume along that was there before the run. */
  async #keepVolumes(items: readonly UndoItem[]): Promise<void> {
    const start = Date.parse(this.#file.header.serverTime);
    for (const { action, live, subject } of items) {
      if (action !== "delete" || subject.id.path !== CLAIMS) continue;
      const name = textOf(objectOf(live?.spec).volumeName);
      if (name === "") continue;
      const id = { path: VOLUMES, namespace: undefined, name };
      const volume = await this.#cluster.get(id);
      if (volume === undefined || textOf(objectOf(volume.spec).persistentVolumeReclaimPolicy) !== "Delete") continue;
      const isMade = this.#made.has(textOf(volume.metadata.uid));
      // Made for the claim since: it was not there before, and nothing of the old data is on it.
      if (!isMade && Date.parse(volume.metadata.creationTimestamp ?? "") > start) continue;
      await this.#cluster.patch(id, { spec: { persistentVolumeReclaimPolicy: "Retain" } });
      this.#kept.add(name);
      this.#options.note(`volume "${name}": ${KEPT}`);
    }
  }
}

const KEPT = "its reclaim policy is Retain now, so that nothing on it is deleted";

/** Whether everything is as it was before the run. */
export function isUndone({ plan, results }: UndoOutcome): boolean {
  if (results === undefined) return plan.every(({ action }) => action === "done");
  return results.every(({ state }) => state !== "left" && state !== "failed");
}
