/** Carries a plan out: wave by wave, many objects at a time, each write announced in the undo file first. */

import { compareObjects } from "../../compare/compare-objects.ts";
import { UNKNOWN_CUSTOM } from "../../compare/schema-types.ts";
import type { ValueType } from "../../compare/value-type.ts";
import { defined } from "../../errors/defined.ts";
import { ApiError, isConnectionError } from "../../io/api-server/cluster-api.ts";
import { objectOf, objectsOf, textOf } from "../../kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject, OwnerReference } from "../../kube/object.ts";
import type { ObjectId } from "../../objects/object-id.ts";
import { isAsSent, isFromRun } from "../../objects/own-writes.ts";
import { isWrite, layersOf, ownerKey, type PlanItem, type RestorePlan } from "../../objects/restore-plan.ts";
import {
  IN_PLACE,
  rewriteObject,
  withControllersWork,
  withoutClusterIp,
  withoutNodePorts,
} from "../../objects/rewrite.ts";
import type { ProgressSink } from "../../snapshot/progress.ts";
import { inParallel } from "../cluster-access/in-parallel.ts";
import { AT_ONCE, type LiveCluster } from "./live-cluster.ts";
import { typeOf } from "./object-types.ts";
import type { UndoLog } from "./undo-log.ts";

export interface RunOptions {
  readonly cluster: LiveCluster;
  /** Undefined for a dry run. */
  readonly undo: UndoLog | undefined;
  readonly isDryRun: boolean;
  readonly changed: boolean;
  readonly types: ReadonlyMap<string, ValueType>;
  /** How long things that go away are waited for. */
  readonly waitMs: number;
  readonly signal: AbortSignal | undefined;
  readonly progress: ProgressSink | undefined;
  readonly note: (text: string) => void;
}

/**
 * `created`, `updated`: written. `kept`: it was there already and means the same. `left`: somebody made another one
 * meanwhile. `refused`: the API server does not take it, for `reason`. `unchecked`: a dry run cannot know, because what
 * it needs is not there yet.
 */
type ItemState = "created" | "updated" | "kept" | "left" | "refused" | "unchecked";

export interface ItemResult {
  readonly item: PlanItem;
  readonly state: ItemState;
  readonly reason: string;
  readonly notes: readonly string[];
  /** As the API server answered. */
  readonly object: KubeObject | undefined;
}

const DEFINITIONS = "apiextensions.k8s.io/customresourcedefinitions";
/** What fails because of what comes later is tried again so often, after all else. */
const SECOND_TRIES = 4;
const SECOND_TRY_MS = 1500;
const DEFINITION_MS = 60_000;

/**
 * Results of what is written, in the order of the plan. Throws where the API server stays away: what was done until
 * then is in the undo file.
 */
export function runRestore(plan: RestorePlan, options: RunOptions): Promise<ItemResult[]> {
  return new Run(plan, options).run();
}

class Run {
  readonly #plan: RestorePlan;
  readonly #options: RunOptions;
  readonly #results = new Map<PlanItem, ItemResult>();
  /** UIDs of what is in the cluster now, by {@link ownerKey} of what it was in the backup. */
  readonly #uids = new Map<string, string>();
  readonly #lateOwners = new Set<PlanItem>();
  /** Namespaces that were made in this run. */
  readonly #created = new Set<string>();
  /** What was refused for a reason that may pass. */
  readonly #worthAnother = new Set<PlanItem>();
  #done = 0;

  constructor(plan: RestorePlan, options: RunOptions) {
    this.#plan = plan;
    this.#options = options;
    for (const { kind, from, live, action } of plan.items) {
      if (live?.metadata.uid !== undefined && action !== "create") {
        this.#uids.set(ownerKey(kind, from.namespace, from.name), live.metadata.uid);
      }
    }
  }

  async run(): Promise<ItemResult[]> {
    const { cluster, isDryRun, signal } = this.#options;
    const writes = this.#plan.items.filter(isWrite);
    for (const layer of layersOf(writes)) {
      await inParallel(layer, (item) => this.#write(item, writes.length), AT_ONCE);
      const definitions = layer.filter(({ id }) => id.path === DEFINITIONS);
      if (definitions.length > 0 && !isDryRun) await this.#awaitDefinitions(definitions);
    }
    for (let round = 0; round < SECOND_TRIES && !isDryRun; round++) {
      const failed = writes.filter((item) => this.#worthAnother.has(item));
      if (failed.length === 0) break;
      this.#worthAnother.clear();
      await cluster.until(async () => undefined, SECOND_TRY_MS);
      signal?.throwIfAborted();
      await inParallel(failed, (item) => this.#write(item, writes.length), AT_ONCE);
    }
    if (!isDryRun) await inParallel([...this.#lateOwners], (item) => this.#setOwners(item), AT_ONCE);
    return writes.map((item) => defined(this.#results.get(item)));
  }

  #finish(item: PlanItem, state: ItemState, more: Partial<ItemResult> = {}): void {
    this.#results.set(item, { item, state, reason: "", notes: [], object: undefined, ...more });
    const uid = more.object?.metadata.uid;
    if (uid !== undefined) this.#uids.set(ownerKey(item.kind, item.from.namespace, item.from.name), uid);
  }

  async #write(item: PlanItem, total: number): Promise<void> {
    const { progress, signal } = this.#options;
    signal?.throwIfAborted();
    try {
      await (item.action === "create" ? this.#create(item) : this.#update(item, defined(item.live)));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (PASSING.has(error.status) || error.status >= 500) this.#worthAnother.add(item);
      this.#finish(item, this.#isUnchecked(item, error) ? "unchecked" : "refused", { reason: error.serverMessage });
    }
    this.#done++;
    progress?.({ step: "restoring", done: Math.min(this.#done, total), total, unit: "objects" });
  }

  /** In a dry run nothing of what comes first is there. */
  #isUnchecked({ id, wave }: PlanItem, { status }: ApiError): boolean {
    if (!this.#options.isDryRun || status !== 404) return false;
    return this.#plan.items.some(
      (each) =>
        each.action === "create" && each.wave < wave && (each.id.name === id.namespace || each.id.path === DEFINITIONS),
    );
  }

  async #create(item: PlanItem): Promise<void> {
    const { cluster, isDryRun, waitMs } = this.#options;
    const { id, live } = item;
    if (live?.metadata.deletionTimestamp !== undefined && !isDryRun) {
      const still = await cluster.gone(id, live.metadata.uid, waitMs);
      if (still !== undefined) {
        const finalizers = still.metadata.finalizers;
        const held = Array.isArray(finalizers) && finalizers.length > 0 ? `, held by ${finalizers.join(", ")}` : "";
        this.#finish(item, "refused", { reason: `the one in the cluster is still being deleted${held}` });
        return;
      }
    }
    if (cluster.resource(id.path) === undefined) {
      const state = isDryRun ? "unchecked" : "refused";
      this.#finish(item, state, { reason: `the cluster does not serve "${id.path}" yet` });
      return;
    }
    const notes: string[] = [];
    let object = this.#withOwners(item, defined(item.object), notes);
    for (;;) {
      const outcome = await this.#announce(item, null, undefined);
      try {
        const made = await this.#post(object, item);
        await outcome(made);
        if (id.path === "namespaces") this.#created.add(id.name);
        await this.#writeStatus(item, made, notes);
        this.#finish(item, "created", { object: made, notes });
        return;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        await outcome(undefined, error.serverMessage);
        if (error.status === 409 && error.reason === "AlreadyExists") return await this.#meet(item, notes);
        const other = withOtherAddresses(object, id, error, notes);
        if (other === undefined) throw error;
        object = other;
      }
    }
  }

  /** A request that was cut off, or timed out in etcd, may have been carried out: then the object is there, and ours. */
  async #post(object: KubeObject, { id }: PlanItem): Promise<KubeObject> {
    const { cluster, isDryRun, undo } = this.#options;
    try {
      return await cluster.create(object, id, isDryRun);
    } catch (error) {
      const isCutOff = isConnectionError(error) || (error instanceof ApiError && error.status === 504);
      if (isDryRun || !(isCutOff || (error instanceof ApiError && error.status >= 500))) throw error;
      const found = await cluster.get(id, object.apiVersion);
      if (found !== undefined && undo !== undefined && isFromRun(found, id, "create", undo.since)) return found;
      if (!isCutOff) throw error;
      return cluster.patiently(() => cluster.create(object, id, isDryRun));
    }
  }

  /** Somebody, likely a controller, made the object since the plan was. */
  async #meet(item: PlanItem, notes: readonly string[]): Promise<void> {
    const { cluster, types, changed } = this.#options;
    const { id } = item;
    const found = await cluster.get(id, defined(item.object).apiVersion);
    if (found === undefined)
      return this.#finish(item, "refused", { reason: "somebody made and deleted it meanwhile", notes });
    const same = rewriteObject(found, id, { placement: IN_PLACE, isGiven: () => false, keepsStatus: false });
    const type = typeOf(found, types) ?? UNKNOWN_CUSTOM;
    const { fields } = compareObjects(same, defined(item.object), type);
    if (fields.length === 0) return this.#finish(item, "kept", { object: found, notes });
    // What appears in a namespace that was just made was made by a controller, such as the account "default".
    if (changed || (id.namespace !== undefined && this.#created.has(id.namespace))) {
      return await this.#update({ ...item, fields }, found, item);
    }
    this.#finish(item, "left", { object: found, reason: "somebody made another one meanwhile", notes });
  }

  async #update(item: PlanItem, live: KubeObject, planned = item): Promise<void> {
    const { cluster, isDryRun } = this.#options;
    const { id } = item;
    const notes: string[] = [];
    let current = live;
    for (let attempt = 1; ; attempt++) {
      const { uid, resourceVersion, creationTimestamp } = current.metadata;
      const isOwn = defined(item.object).metadata.uid !== undefined; // a volume that is freed: the live object itself
      const owned = isOwn ? defined(item.object) : this.#withOwners(item, defined(item.object), notes);
      const metadata = { ...owned.metadata, uid, resourceVersion, creationTimestamp } as KubeObject["metadata"];
      const sent = withControllersWork({ ...owned, metadata }, current, id);
      const outcome = await this.#announce(planned, current, sent);
      try {
        const made = await cluster.replace(sent, id, isDryRun);
        await outcome(made);
        this.#finish(planned, "updated", { object: made, notes });
        return;
      } catch (error) {
        // What was cut off may have been carried out: its announcement stays open, and the write is made once more.
        if (isConnectionError(error) ? attempt === 5 : !(error instanceof ApiError)) throw error;
        if (error instanceof ApiError) {
          await outcome(undefined, error.serverMessage);
          if (error.status !== 409 || attempt === 5) throw error;
        }
        const again = await cluster.get(id, defined(item.object).apiVersion);
        if (again === undefined || again.metadata.uid !== uid) throw error;
        current = again;
      }
    }
  }

  /** `sent`: what replaces `before`. Returns what concludes the announcement. */
  async #announce(item: PlanItem, before: KubeObject | null, sent: KubeObject | undefined) {
    const { undo, types } = this.#options;
    const write = await undo?.begin({
      wave: item.wave,
      op: sent === undefined ? "create" : "update",
      id: item.id,
      apiVersion: defined(item.object).apiVersion,
      before,
      ...(sent && { sent }),
    });
    return async (made: KubeObject | undefined, refused?: string) => {
      if (undo === undefined || write === undefined) return;
      const isOther =
        sent !== undefined &&
        made !== undefined &&
        !isAsSent(made, sent, item.id, typeOf(made, types) ?? UNKNOWN_CUSTOM);
      await undo.end({
        write,
        uid: made?.metadata.uid,
        ...(isOther && { after: made }),
        ...(refused !== undefined && { refused }),
      });
    };
  }

  async #writeStatus({ id, status }: PlanItem, made: KubeObject, notes: string[]): Promise<void> {
    const { cluster, isDryRun } = this.#options;
    if (status === undefined || isDryRun) return;
    const addresses = objectsOf(objectOf(objectOf(status).loadBalancer).ingress).map(
      ({ ip, hostname }) => textOf(ip) || textOf(hostname),
    );
    try {
      await cluster.replace(
        { ...made, status: { ...objectOf(made.status), ...objectOf(status) } },
        id,
        false,
        "/status",
      );
      notes.push(`its load balancer is asked for ${addresses.join(", ")} again`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      notes.push(`its load balancer's address ${addresses.join(", ")} could not be asked for: ${error.serverMessage}`);
    }
  }

  /** With the owners that it had, under their UIDs of today; those that are still to come are set afterwards. */
  #withOwners(item: PlanItem, object: KubeObject, notes: string[]): KubeObject {
    if (item.owners.length === 0) return object;
    const known: OwnerReference[] = [];
    for (const owner of item.owners) {
      const uid = this.#uidOf(item, owner);
      if (uid !== undefined) known.push({ ...owner, uid });
      else this.#lateOwners.add(item);
    }
    if (known.length < item.owners.length && this.#options.isDryRun) notes.push("its owners cannot be known yet");
    return known.length === 0 ? object : { ...object, metadata: { ...object.metadata, ownerReferences: known } };
  }

  #uidOf({ from }: PlanItem, { kind, name }: OwnerReference): string | undefined {
    return this.#uids.get(ownerKey(kind, from.namespace, name)) ?? this.#uids.get(ownerKey(kind, undefined, name));
  }

  /** Owners that came later, or that are in the cluster without having been given back. */
  async #setOwners(item: PlanItem): Promise<void> {
    const result = this.#results.get(item);
    if (result?.object === undefined || (result.state !== "created" && result.state !== "updated")) return;
    const owners: OwnerReference[] = [];
    const gone: string[] = [];
    for (const owner of item.owners) {
      const uid = this.#uidOf(item, owner) ?? (await this.#liveUid(item.id, owner));
      if (uid === undefined) gone.push(`${owner.kind} "${owner.name}"`);
      else owners.push({ ...owner, uid });
    }
    const notes = [...result.notes, ...gone.map((each) => `its owner ${each} is gone: it has none now`)];
    try {
      const { uid } = result.object.metadata;
      const isSame = owners.length === (result.object.metadata.ownerReferences?.length ?? 0);
      const object = isSame ? result.object : await this.#patchOwners(item, result, { uid, ownerReferences: owners });
      this.#results.set(item, { ...result, object, notes });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#results.set(item, { ...result, notes: [...notes, `its owners could not be set: ${error.serverMessage}`] });
    }
  }

  async #patchOwners(item: PlanItem, result: ItemResult, metadata: JsonObject): Promise<KubeObject> {
    const { cluster } = this.#options;
    // Undoing what was created deletes it, owners and all.
    if (result.state === "created") return cluster.patch(item.id, { metadata });
    const before = defined(result.object);
    const sent = { ...before, metadata: { ...before.metadata, ...metadata } } as KubeObject;
    const outcome = await this.#announce(item, before, sent);
    const patched = await cluster.patch(item.id, { metadata });
    await outcome(patched);
    return patched;
  }

  async #liveUid({ namespace }: ObjectId, owner: OwnerReference): Promise<string | undefined> {
    const { cluster } = this.#options;
    const resource = [...cluster.resources.byPath.values()].find(
      (each) =>
        each.kind === owner.kind && each.served.some((version) => groupOf(version) === groupOf(owner.apiVersion)),
    );
    if (resource === undefined) return undefined;
    const id = { path: resource.path, namespace: resource.namespaced ? namespace : undefined, name: owner.name };
    return (await cluster.get(id))?.metadata.uid;
  }

  /** Until the API server serves what was defined. */
  async #awaitDefinitions(items: readonly PlanItem[]): Promise<void> {
    const { cluster, note } = this.#options;
    const wanted = items.filter((item) => this.#results.get(item)?.state === "created");
    if (wanted.length === 0) return;
    const isServed = ({ object }: PlanItem) => {
      const spec = objectOf(defined(object).spec);
      return cluster.resource(`${textOf(spec.group)}/${textOf(objectOf(spec.names).plural)}`) !== undefined;
    };
    const done = await cluster.until(async () => {
      const live = await Promise.all(wanted.map(({ id }) => cluster.get(id)));
      const isEstablished = (definition: KubeObject | undefined) =>
        objectsOf(objectOf(definition?.status).conditions).some(
          ({ type, status }) => type === "Established" && status === "True",
        );
      if (!live.every(isEstablished)) return undefined;
      await cluster.refresh();
      return wanted.every(isServed) ? true : undefined;
    }, DEFINITION_MS);
    if (done === undefined) note("not all definitions are served yet: their resources are tried all the same");
  }
}

function groupOf(apiVersion: string): string {
  return apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
}

/** Not found: what it needs comes later. Forbidden: by a quota whose use is not counted yet, or a service account that is not there yet. */
const PASSING = new Set([403, 404, 409, 429]);

/** The object without the address or port that the API server has given to another Service; undefined where that is not what was wrong. */
function withOtherAddresses(
  object: KubeObject,
  { path }: ObjectId,
  error: ApiError,
  notes: string[],
): KubeObject | undefined {
  if (path !== "services/specs" || error.status !== 422) return undefined;
  const spec: JsonObject = objectOf(object.spec);
  // The API server names the field in its message only.
  if (/clusterIPs?\b/i.test(error.serverMessage) && textOf(spec.clusterIP) !== "" && spec.clusterIP !== "None") {
    notes.push(`its cluster IP ${textOf(spec.clusterIP)} is not to be had: it gets another one`);
    return { ...object, spec: withoutClusterIp(spec) };
  }
  if (/nodePort/i.test(error.serverMessage) && (spec.healthCheckNodePort !== undefined || hasNodePort(spec))) {
    const refused = new Set([...error.serverMessage.matchAll(/\b\d{2,5}\b/g)].map(([port]) => port));
    const isRefused = (port: JsonValue) => refused.has(String(port));
    const some = withoutNodePorts(spec, isRefused);
    const isNamed = JSON.stringify(some) !== JSON.stringify(spec);
    notes.push(
      isNamed
        ? `its node port ${[...refused].join(", ")} is not to be had: it gets another one`
        : "its node ports are not to be had: it gets other ones",
    );
    return { ...object, spec: isNamed ? some : withoutNodePorts(spec) };
  }
  return undefined;
}

const hasNodePort = (spec: JsonObject): boolean => objectsOf(spec.ports).some(({ nodePort }) => nodePort !== undefined);
