/**
 * Which objects of a backup go back: those that were asked for, and, where that was asked for too, those that they need
 * and that need them.
 */

import { noisyPath } from "../../compare/noise.ts";
import { defined } from "../../errors/defined.ts";
import { isObject, objectOf, textOf } from "../../kube/fields.ts";
import { matchesLabels, readLabelSelector } from "../../kube/label-selector.ts";
import type { KubeObject } from "../../kube/object.ts";
import { idKey, type ObjectId } from "../../objects/object-id.ts";
import { podTemplateOf, referencesOf } from "../../objects/visit-references.ts";
import { splitRest } from "../../storage/object-key.ts";
import { type BackupObjects, type Candidate, refuseUnreadable } from "./backup-objects.ts";
import type { ObjectSelection } from "./object-selection.ts";

export interface ChosenObjects {
  /** By {@link idKey}. */
  readonly candidates: Map<string, Candidate>;
  /** Objects that nobody gives back unless they are named, by why. */
  readonly leftOut: Readonly<Record<string, number>>;
}

/** Throws `encryption-key-missing` and `object-unreadable` where an object that was asked for cannot be read. */
export async function selectCandidates(
  backup: BackupObjects,
  selection: ObjectSelection,
  withDependents: boolean,
): Promise<ChosenObjects> {
  const candidates = new Map<string, Candidate>();
  const leftOut: Record<string, number> = {};
  for (const path of backup.side.paths) {
    if (!selection.takesPath(path)) continue;
    const noise = noisyPath(path);
    for (const [rest, entry] of await backup.at(path)) {
      if (!selection.takes(path, rest)) continue;
      const named = selection.isNamed(path, rest);
      if (noise !== undefined && !named) {
        leftOut[noise] = (leftOut[noise] ?? 0) + 1;
        continue;
      }
      const id = { path, ...splitRest(path, rest) };
      const object = backup.take(id, entry.read());
      if (object !== undefined && selection.takesLabels(object))
        candidates.set(idKey(id), { id, object, named, why: "" });
    }
  }
  if (withDependents) await new Dependents(backup, candidates).add();
  refuseUnreadable(backup);
  return { candidates, leftOut };
}

/** Kinds that say whom they are for. */
const REFERRING = [
  "rolebindings",
  "clusterrolebindings",
  "horizontalpodautoscalers",
  "ingress",
  "apiregistration.k8s.io/apiservices",
  "mutatingwebhookconfigurations",
  "validatingwebhookconfigurations",
];
/** Kinds that select pods by their labels. */
const SELECTING = ["services/specs", "poddisruptionbudgets", "networkpolicies"];

class Dependents {
  readonly #backup: BackupObjects;
  readonly #chosen: Map<string, Candidate>;

  constructor(backup: BackupObjects, chosen: Map<string, Candidate>) {
    this.#backup = backup;
    this.#chosen = chosen;
  }

  async add(): Promise<void> {
    for (const { id, object } of [...this.#chosen.values()]) {
      if (id.path === "namespaces") await this.#addNamespace(id.name);
      else if (id.path === "apiextensions.k8s.io/customresourcedefinitions") await this.#addDefined(object);
    }
    await this.#addNeeded();
    await this.#addReferring();
    await this.#addOwned();
    await this.#addNeeded();
  }

  #take(id: ObjectId, object: KubeObject, why: string): boolean {
    const key = idKey(id);
    if (this.#chosen.has(key)) return false;
    this.#chosen.set(key, { id, object, named: false, why });
    return true;
  }

  async #addNamespace(name: string): Promise<void> {
    for (const path of this.#backup.side.paths.filter((each) => noisyPath(each) === undefined)) {
      for await (const { id, object } of this.#backup.list(path, name))
        this.#take(id, object, `in namespace "${name}"`);
    }
  }

  async #addDefined(definition: KubeObject): Promise<void> {
    const spec = objectOf(definition.spec);
    const path = `${textOf(spec.group)}/${textOf(objectOf(spec.names).plural)}`;
    if (!this.#backup.side.paths.includes(path)) return;
    for await (const { id, object } of this.#backup.list(path)) {
      this.#take(id, object, `defined by "${definition.metadata.name}"`);
    }
  }

  /** What chosen objects name, what those name, and so on. */
  async #addNeeded(): Promise<void> {
    const queue = [...this.#chosen.values()];
    // The array grows while it is walked.
    for (const { id, object } of queue) {
      for (const reference of await this.#needs(id, object)) {
        if (this.#chosen.has(idKey(reference))) continue;
        if (!this.#backup.side.paths.includes(reference.path)) continue;
        const found = await this.#backup.get(reference);
        if (found === undefined || !this.#take(reference, found, `used by "${idKey(id)}"`)) continue;
        queue.push(defined(this.#chosen.get(idKey(reference))));
      }
    }
  }

  async #needs(id: ObjectId, object: KubeObject): Promise<ObjectId[]> {
    const references = referencesOf(object, id.path);
    if (id.path !== "statefulsets") return references;
    const templates = objectOf(object.spec).volumeClaimTemplates;
    const names = Array.isArray(templates)
      ? templates.map((each) => textOf(objectOf(objectOf(each).metadata).name))
      : [];
    for (const rest of (await this.#backup.at("persistentvolumeclaims")).keys()) {
      const { namespace, name } = splitRest("persistentvolumeclaims", rest);
      const isOwn = names.some((claim) => name.startsWith(`${claim}-${id.name}-`) && /-\d+$/.test(name));
      if (namespace === id.namespace && isOwn) references.push({ path: "persistentvolumeclaims", namespace, name });
    }
    return references;
  }

  async #addReferring(): Promise<void> {
    const namespaces = new Set([...this.#chosen.values()].map(({ id }) => id.namespace));
    const isNear = ({ namespace }: ObjectId) => namespace === undefined || namespaces.has(namespace);
    const chosen = [...this.#chosen.values()];
    for (const path of [...REFERRING, ...SELECTING].filter((each) => this.#backup.side.paths.includes(each))) {
      for await (const { id, object } of this.#backup.list(path)) {
        if (!isNear(id)) continue;
        const target = SELECTING.includes(path)
          ? chosen.find((each) => selects(object, id, each))?.id
          : referencesOf(object, path).find((each) => this.#chosen.has(idKey(each)) && this.#counts(path, each));
        if (target !== undefined) this.#take(id, object, `refers to "${idKey(target)}"`);
      }
    }
  }

  /** A binding to a role that many share is for its subjects; only where the role itself was asked for is it for the role. */
  #counts(path: string, reference: ObjectId): boolean {
    const isBinding = path === "rolebindings" || path === "clusterrolebindings";
    return !isBinding || reference.path === "serviceaccounts" || this.#chosen.get(idKey(reference))?.why === "";
  }

  async #addOwned(): Promise<void> {
    const owners = new Map(
      [...this.#chosen.values()].flatMap(({ id, object: { metadata } }) =>
        metadata.uid ? [[metadata.uid, id] as const] : [],
      ),
    );
    const namespaces = new Set([...this.#chosen.values()].flatMap(({ id }) => id.namespace ?? []));
    for (const path of this.#backup.side.paths.filter((each) => noisyPath(each) === undefined)) {
      for (const namespace of namespaces) {
        for await (const { id, object } of this.#backup.list(path, namespace)) {
          const owner = object.metadata.ownerReferences?.find(({ uid }) => owners.has(uid));
          if (owner !== undefined) this.#take(id, object, `owned by "${owner.name}"`);
        }
      }
    }
  }
}

/** Whether a Service, budget or policy selects the pods of a workload. */
function selects(object: KubeObject, { path, namespace }: ObjectId, { id, object: workload }: Candidate): boolean {
  if (id.namespace !== namespace) return false;
  const template = podTemplateOf(workload, id.path);
  if (template === undefined) return false;
  const labels = objectOf(objectOf(template.metadata).labels);
  const spec = objectOf(object.spec);
  if (path === "services/specs") {
    const wanted = objectOf(spec.selector);
    return Object.keys(wanted).length > 0 && Object.entries(wanted).every(([name, value]) => labels[name] === value);
  }
  const given = path === "networkpolicies" ? spec.podSelector : spec.selector;
  const selector = isObject(given) ? readLabelSelector(given) : undefined;
  // What selects every pod of a namespace is not for this one.
  return selector !== undefined && selector.length > 0 && matchesLabels(selector, labels);
}
