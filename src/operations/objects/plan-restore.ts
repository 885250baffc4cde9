/** Makes the plan of a restore: candidates of a backup against what the cluster has now. */

import { compareObjects } from "../../compare/compare-objects.ts";
import { UNKNOWN_CUSTOM } from "../../compare/schema-types.ts";
import type { ValueType } from "../../compare/value-type.ts";
import { defined } from "../../errors/defined.ts";
import { objectOf, objectsOf, textOf } from "../../kube/fields.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { type Conversion, convertBuiltIn, convertCustom } from "../../objects/convert.ts";
import { isEndingNamespace, notRestored, runsAgain } from "../../objects/not-restored.ts";
import { compareIds, idKey, type ObjectId } from "../../objects/object-id.ts";
import type { PlanAction, PlanItem, RestorePlan } from "../../objects/restore-plan.ts";
import { type Placement, placeOf, rewriteObject, withoutClusterIp, withoutNodePorts } from "../../objects/rewrite.ts";
import { strayNotes } from "../../objects/stray-names.ts";
import { podTemplateOf } from "../../objects/visit-references.ts";
import { planClaim } from "../../objects/volumes.ts";
import { waveOf } from "../../objects/waves.ts";
import { findResource } from "../../storage/resources.ts";
import type { BackupObjects, Candidate } from "./backup-objects.ts";
import { conversionOf } from "./conversion-of.ts";
import type { LiveCluster } from "./live-cluster.ts";
import { typeOf } from "./object-types.ts";

export interface PlanOptions {
  readonly placement: Placement;
  /** Objects that are there and differ are changed, too. */
  readonly changed: boolean;
  readonly now: number;
  readonly types: ReadonlyMap<string, ValueType>;
}

const NAMESPACES = "namespaces";
const DEFINITIONS = "apiextensions.k8s.io/customresourcedefinitions";
const VOLUMES = "persistentvolumes";
const CLAIMS = "persistentvolumeclaims";
const SERVICES = "services/specs";

/** `candidates` gets what the others cannot be made without: their namespaces, definitions and volumes. */
export async function planRestore(
  backup: BackupObjects,
  candidates: Map<string, Candidate>,
  cluster: LiveCluster,
  options: PlanOptions,
): Promise<RestorePlan> {
  return new Planner(backup, candidates, cluster, options).plan();
}

class Planner {
  readonly #backup: BackupObjects;
  readonly #candidates: Map<string, Candidate>;
  readonly #cluster: LiveCluster;
  readonly #options: PlanOptions;
  readonly #items = new Map<string, PlanItem>();
  /** CustomResourceDefinitions of the backup, by the path of what they define. */
  #definitions = new Map<string, KubeObject>();
  readonly #accounts = new Map<string, KubeObject>();
  readonly #services = new Map<string, KubeObject>();

  constructor(backup: BackupObjects, candidates: Map<string, Candidate>, cluster: LiveCluster, options: PlanOptions) {
    this.#backup = backup;
    this.#candidates = candidates;
    this.#cluster = cluster;
    this.#options = options;
  }

  async plan(): Promise<RestorePlan> {
    for await (const { object } of this.#backup.list(DEFINITIONS)) {
      const spec = objectOf(object.spec);
      this.#definitions.set(`${textOf(spec.group)}/${textOf(objectOf(spec.names).plural)}`, object);
    }
    await this.#readContext();
    const skipped = new Map([...this.#moveToNamespace(), ...this.#skip()]);
    await this.#require(skipped);
    const given = [...this.#candidates.values()].filter(({ id }) => !skipped.has(idKey(id)));
    const live = await this.#readLive(given);
    for (const candidate of given) this.#add(candidate, live);
    await this.#planClaims();
    await this.#planServices();
    const items = [...skipped.values(), ...this.#items.values()];
    return { items: items.sort((a, b) => a.wave - b.wave || compareIds(a.id, b.id)) };
  }

  /** What tells objects that controllers made from those that somebody made. */
  async #readContext(): Promise<void> {
    const namespaces = new Set([...this.#candidates.values()].map(({ id }) => id.namespace));
    for (const [path, map] of [
      ["serviceaccounts", this.#accounts],
      [SERVICES, this.#services],
    ] as const) {
      for (const namespace of namespaces) {
        if (namespace === undefined) continue;
        for await (const { id, object } of this.#backup.list(path, namespace))
          map.set(`${namespace}/${id.name}`, object);
      }
    }
  }

  /** Into another namespace goes only what belongs to one. Returns the rest; a namespace itself is made where it is needed. */
  #moveToNamespace(): Map<string, PlanItem> {
    const skipped = new Map<string, PlanItem>();
    if (this.#options.placement.intoNamespace === undefined) return skipped;
    for (const [key, candidate] of this.#candidates) {
      const { id } = candidate;
      if (id.namespace !== undefined) continue;
      this.#candidates.delete(key);
      const reason = "it belongs to no namespace, and stays the one that it is";
      if (id.path !== NAMESPACES) skipped.set(key, this.#item(candidate, "skip", { reason }));
    }
    return skipped;
  }

  #skip(): Map<string, PlanItem> {
    const context = {
      now: this.#options.now,
      makesTokens: !(this.#cluster.minor >= 24),
      serviceAccount: (namespace: string, name: string) => this.#accounts.get(`${namespace}/${name}`),
      service: (namespace: string, name: string) => this.#services.get(`${namespace}/${name}`),
    };
    const skipped = new Map<string, PlanItem>();
    for (const [key, candidate] of this.#candidates) {
      if (candidate.named) continue;
      const reason = notRestored(candidate.object, candidate.id.path, context);
      if (reason !== undefined) skipped.set(key, this.#item(candidate, "skip", { reason }));
    }
    return skipped;
  }

  /** Adds the namespaces and definitions that are not in the cluster. */
  async #require(skipped: ReadonlyMap<string, PlanItem>): Promise<void> {
    const { intoNamespace } = this.#options.placement;
    const targets = new Set<string>();
    const given = [...this.#candidates].flatMap(([key, { id }]) => (skipped.has(key) ? [] : [id]));
    for (const { namespace } of given) if (namespace !== undefined) targets.add(namespace);
    for (const name of targets) {
      const id = { path: NAMESPACES, namespace: undefined, name };
      if (this.#candidates.has(idKey(id))) continue;
      const target = placeOf(id, this.#options.placement);
      if ((await this.#cluster.get(target)) !== undefined) continue;
      const saved = (await this.#backup.get(id)) ?? { apiVersion: "v1", kind: "Namespace", metadata: { name } };
      if (intoNamespace !== undefined && [...this.#candidates.values()].some((each) => each.id.path === NAMESPACES))
        continue;
      this.#candidates.set(idKey(id), { id, object: saved, named: true, why: "the namespace that objects go into" });
    }
    for (const id of given) {
      const definition = this.#definitions.get(id.path);
      if (definition === undefined || this.#cluster.resource(id.path) !== undefined) continue;
      const { name } = definition.metadata;
      const own = { path: DEFINITIONS, namespace: undefined, name };
      if (this.#candidates.has(idKey(own))) continue;
      this.#candidates.set(idKey(own), { id: own, object: definition, named: true, why: `defines "${id.path}"` });
    }
  }

  #readLive(given: readonly Candidate[]): Promise<Map<string, KubeObject>> {
    const versions = new Map<string, string>();
    const ids = given.map(({ id, object }) => {
      const target = placeOf(id, this.#options.placement);
      versions.set(idKey(target), object.apiVersion);
      return target;
    });
    return this.#cluster.getAll(ids, (id) => versions.get(idKey(id)));
  }

  #add(candidate: Candidate, allLive: ReadonlyMap<string, KubeObject>): void {
    const { id, object, why } = candidate;
    const { placement, changed, types } = this.#options;
    const target = placeOf(id, placement);
    const live = allLive.get(idKey(target));
    const notes = why === "" ? [] : [why];
    const put = (action: PlanAction, more: Partial<PlanItem>) =>
      this.#items.set(idKey(target), this.#item(candidate, action, { notes, live, ...more }));
    const resource = this.#cluster.resource(id.path);
    const converted = this.#convert(object, id.path);
    if ("refused" in converted) return void put("blocked", { reason: converted.refused });
    if (converted.object.apiVersion !== object.apiVersion) notes.push(`stored as ${object.apiVersion}`);
    const options = {
      placement,
      isGiven: (reference: ObjectId) => this.#candidates.has(idKey(reference)),
      keepsStatus: findResource(object.apiVersion, object.kind) === undefined && resource?.hasStatus !== true,
    };
    const wanted = rewriteObject(converted.object, id, options);
    if (target.namespace !== id.namespace) {
      const isService = (name: string) => this.#services.has(`${id.namespace}/${name}`);
      notes.push(...strayNotes(wanted, defined(id.namespace), isService));
    }
    if (target.namespace === id.namespace && target.name !== id.name && podTemplateOf(wanted, id.path) !== undefined)
      notes.push("its pods have the labels of the original's: what selects those selects both");
    const ending = isEndingNamespace(object)
      ? "it was being deleted when the backup was taken"
      : runsAgain(object, id.path);
    if (ending !== undefined) notes.push(ending);
    if (live === undefined || live.metadata.deletionTimestamp !== undefined) {
      if (live !== undefined) notes.push("the one in the cluster is being deleted, which is waited for");
      return void put("create", { object: wanted, status: this.#statusOf(object, id, target) });
    }
    const inPlace = { ...options, placement: { intoNamespace: undefined, renamed: new Map<string, string>() } };
    const { fields } = compareObjects(
      rewriteObject(live, target, inPlace),
      wanted,
      typeOf(wanted, types) ?? UNKNOWN_CUSTOM,
    );
    if (fields.length === 0) return void put("keep", { object: wanted });
    put(changed ? "update" : "leave", { object: wanted, fields });
  }

  /** In a version that the cluster serves. */
  #convert(object: KubeObject, path: string): Conversion {
    const resource = this.#cluster.resource(path);
    const isBuiltIn = findResource(object.apiVersion, object.kind) !== undefined;
    const definition = this.#definitions.get(path);
    const served = resource?.served ?? servedBy(definition, object.apiVersion);
    if (served.length === 0) return { refused: `the cluster serves no "${path}"` };
    if (resource?.aggregated === true) return { refused: `"${path}" is served by another server than the API server` };
    if (served.includes(object.apiVersion)) return { object };
    const refusals = served.map((version): Conversion => {
      if (!isBuiltIn) return convertCustom(object, version, definition);
      // API servers store definitions as v1beta1, which those since 1.22 do not serve.
      const rule = path === DEFINITIONS ? conversionOf(object, version) : undefined;
      return rule === undefined ? convertBuiltIn(object, version) : { object: rule };
    });
    const converted = refusals.find((each) => "object" in each);
    if (converted !== undefined) return converted;
    const [first] = refusals as [{ readonly refused: string }];
    return { refused: `stored as ${object.apiVersion}, which the cluster does not serve, and ${first.refused}` };
  }

  /** A load balancer's address is its status; who gives addresses out takes it for a wish. */
  #statusOf(object: KubeObject, id: ObjectId, target: ObjectId): KubeObject["status"] {
    if (id.path !== SERVICES || target.namespace !== id.namespace || target.name !== id.name) return undefined;
    const { loadBalancer } = objectOf(object.status);
    return objectsOf(objectOf(loadBalancer).ingress).length === 0 ? undefined : { loadBalancer };
  }

  async #planClaims(): Promise<void> {
    const { placement } = this.#options;
    for (const [key, item] of [...this.#items]) {
      if (item.id.path !== CLAIMS || item.action !== "create") continue;
      const name = textOf(objectOf(defined(item.object).spec).volumeName);
      if (name === "") {
        const had = textOf(objectOf(defined(this.#candidates.get(idKey(item.from))).object.spec).volumeName);
        if (had !== "")
          this.#items.set(key, {
            ...item,
            notes: [...item.notes, `a copy: its volume is new and empty, "${had}" stays with "${item.from.name}"`],
          });
        continue;
      }
      const id = { path: VOLUMES, namespace: undefined, name };
      const live = await this.#cluster.get(id);
      const saved = await this.#backup.get(id);
      const isNamed = this.#candidates.get(idKey(id))?.named === true;
      const planned = planClaim(defined(item.object), live, saved, isNamed);
      if ("blocked" in planned) {
        this.#items.set(key, { ...item, action: "blocked", reason: planned.blocked });
        continue;
      }
      const notes = planned.note === "" ? item.notes : [...item.notes, planned.note];
      this.#items.set(key, { ...item, object: planned.claim, notes });
      const volume = this.#items.get(idKey(id));
      const owner: Candidate = {
        id,
        object: saved ?? defined(live),
        named: true,
        why: `the volume of "${idKey(item.id)}"`,
      };
      if (planned.volume === "free") {
        const freed = planned.freed;
        const common = { object: freed, live, notes: [owner.why] };
        const fields = compareObjects(defined(live), freed, typeOf(freed, this.#options.types)).fields;
        this.#items.set(idKey(id), this.#item(owner, "update", { ...common, fields }));
      } else if (planned.volume === "create" && volume === undefined) {
        const options = { placement, isGiven: () => false, keepsStatus: false };
        const object = rewriteObject(defined(saved), id, options);
        this.#items.set(idKey(id), this.#item(owner, "create", { object, notes: [owner.why] }));
      }
    }
    this.#dropLostVolumes();
  }

  /** A volume whose storage its reclaim policy deleted is made again only where somebody asked for it by its name. */
  #dropLostVolumes(): void {
    for (const [key, item] of [...this.#items]) {
      if (item.id.path !== VOLUMES || item.action !== "create") continue;
      const policy = textOf(objectOf(defined(item.object).spec).persistentVolumeReclaimPolicy);
      const isNamed = this.#candidates.get(idKey(item.from))?.named !== false;
      if (policy === "Retain" || isNamed || objectOf(defined(item.object).spec).claimRef === undefined) continue;
      const reason = `its reclaim policy ${policy} deleted what was on it; name it (pv/${item.id.name}) if its storage is still there`;
      this.#items.set(key, { ...item, action: "skip", object: undefined, reason });
    }
  }

  /** Addresses and ports that other Services have taken meanwhile. */
  async #planServices(): Promise<void> {
    const wanted = [...this.#items].filter(([, item]) => item.id.path === SERVICES && item.action === "create");
    const resource = this.#cluster.resource(SERVICES);
    if (wanted.length === 0 || resource === undefined) return;
    const { items } = await this.#cluster.patiently(() => this.#cluster.api.list("/api/v1/services"));
    const addresses = new Map<string, string>();
    const ports = new Map<string, string>();
    for (const { metadata, spec } of items) {
      const name = `${metadata.namespace}/${metadata.name}`;
      const { clusterIP } = objectOf(spec);
      if (clusterIP !== "None" && textOf(clusterIP) !== "") addresses.set(textOf(clusterIP), name);
      for (const port of nodePortsOf(objectOf(spec))) ports.set(port, name);
    }
    for (const [key, item] of wanted) {
      let { object } = item as { object: KubeObject };
      const notes = [...item.notes];
      const spec = objectOf(object.spec);
      const holder = addresses.get(textOf(spec.clusterIP));
      if (holder !== undefined) {
        notes.push(`its cluster IP ${textOf(spec.clusterIP)} now belongs to "${holder}": it gets another one`);
        object = { ...object, spec: withoutClusterIp(spec) };
      }
      for (const port of nodePortsOf(spec).filter((each) => ports.has(each))) {
        notes.push(`its node port ${port} now belongs to "${ports.get(port)}": it gets another one`);
        object = { ...object, spec: withoutNodePorts(objectOf(object.spec), (each) => String(each) === port) };
      }
      this.#items.set(key, { ...item, object, notes });
    }
  }

  #item(candidate: Candidate, action: PlanAction, more: Partial<PlanItem>): PlanItem {
    const { id, object } = candidate;
    return {
      action,
      id: placeOf(id, this.#options.placement),
      from: id,
      kind: object.kind,
      wave: waveOf(id.path),
      object: undefined,
      live: undefined,
      reason: "",
      notes: [],
      fields: [],
      owners: object.metadata.ownerReferences ?? [],
      status: undefined,
      ...more,
    };
  }
}

/** Ports of the node that a Service has, and that no other can have. */
function nodePortsOf(spec: JsonObject): string[] {
  const ports = [...objectsOf(spec.ports).map(({ nodePort }) => nodePort), spec.healthCheckNodePort];
  return [...new Set(ports.filter((port) => port !== undefined && port !== null && port !== 0).map(String))];
}

/** The versions that a definition serves, the stored one of an object first. */
function servedBy(definition: KubeObject | undefined, stored: string): readonly string[] {
  if (definition === undefined) return [];
  const spec = objectOf(definition.spec);
  const group = textOf(spec.group);
  const versions = objectsOf(spec.versions).filter(({ served }) => served !== false);
  const names = versions.length > 0 ? versions.map(({ name }) => textOf(name)) : [textOf(spec.version)];
  const served = names.map((name) => `${group}/${name}`);
  return served.includes(stored) ? [stored, ...served.filter((each) => each !== stored)] : served;
}
