/** All that the page shows of one object: its text, what it belongs to, what belongs to it, what it refers to, and its events. */
import type { JsonObject, JsonValue, KubeObject } from "../../kube/object.ts";
import type { ServedResource } from "../catalog.ts";
import { list, text } from "../columns/field.ts";
import { notFound } from "../status.ts";
import { viewRow } from "../view.ts";
import type { World } from "../world.ts";
import { resourceId, yamlOf } from "./changes.ts";

const MOST_EVENTS = 100;

export function objectPage(
  world: World,
  resource: ServedResource,
  namespace: string | undefined,
  name: string,
): JsonObject {
  const { history, revision, showSecrets } = world;
  const key = history.find(`${resource.place}${namespace === undefined ? "" : `${namespace}/`}${name}`);
  const row = key < 0 ? -1 : history.rowAt(key, revision);
  if (row < 0) throw notFound(resource, name);
  const viewed = viewRow(history, row, resource, showSecrets);
  const base = {
    ...resourceId(resource),
    namespace: namespace ?? null,
    name,
    revision: history.revisionOf(row),
    bytes: history.sizeOf(row),
    revisions: history.rowCount(key),
  };
  if (viewed.state !== "object") return { ...base, state: viewed.state, text: viewed.text };
  const { object } = viewed;
  return {
    ...base,
    state: "object",
    ...yamlOf(object),
    owners: links(world, list(object, "metadata.ownerReferences"), namespace),
    references: links(world, referencesOf(object), namespace),
    events: eventsOf(world, object),
  };
}

/** Objects that are named, as places in the page; null for what is not served. */
function links(world: World, references: readonly JsonValue[], namespace: string | undefined): JsonObject[] {
  return references.map((reference) => {
    const apiVersion = text(reference, "apiVersion");
    const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
    const kind = text(reference, "kind");
    const resource = world.catalog.findKind(group, kind);
    const inNamespace = resource?.namespaced === true ? text(reference, "namespace") || (namespace ?? null) : null;
    return {
      kind,
      name: text(reference, "name"),
      namespace: inNamespace,
      role: text(reference, "role"),
      resource: resource === undefined ? null : resourceId(resource),
    };
  });
}

const core = (kind: string, name: string, role: string): JsonObject => ({ apiVersion: "v1", kind, name, role });

/** What the usual kinds refer to: nodes, service accounts, config maps, secrets, claims, volumes, targets and roles. */
function referencesOf(object: KubeObject): readonly JsonValue[] {
  const found: JsonObject[] = [];
  const add = (kind: string, value: string, role: string) => {
    if (value !== "") found.push(core(kind, value, role));
  };
  const pod =
    object.kind === "Pod"
      ? "spec"
      : object.kind === "CronJob"
        ? "spec.jobTemplate.spec.template.spec"
        : "spec.template.spec";
  add("Node", text(object, `${pod}.nodeName`), "node");
  add("ServiceAccount", text(object, `${pod}.serviceAccountName`), "service account");
  for (const volume of list(object, `${pod}.volumes`)) {
    const role = `volume ${text(volume, "name")}`;
    add("ConfigMap", text(volume, "configMap.name"), role);
    add("Secret", text(volume, "secret.secretName"), role);
    add("PersistentVolumeClaim", text(volume, "persistentVolumeClaim.claimName"), role);
  }
  for (const container of list(object, `${pod}.containers`)) {
    for (const variable of [...list(container, "env"), ...list(container, "envFrom")]) {
      const role = `environment of ${text(container, "name")}`;
      add("ConfigMap", text(variable, "valueFrom.configMapKeyRef.name") || text(variable, "configMapRef.name"), role);
      add("Secret", text(variable, "valueFrom.secretKeyRef.name") || text(variable, "secretRef.name"), role);
    }
  }
  add("PersistentVolume", text(object, "spec.volumeName"), "volume");
  const claim = text(object, "spec.claimRef.name");
  if (claim !== "")
    found.push({
      ...core("PersistentVolumeClaim", claim, "claim"),
      namespace: text(object, "spec.claimRef.namespace"),
    });
  const target = text(object, "spec.scaleTargetRef.name");
  if (target !== "")
    found.push({
      apiVersion: text(object, "spec.scaleTargetRef.apiVersion"),
      kind: text(object, "spec.scaleTargetRef.kind"),
      name: target,
      role: "scales",
    });
  const role = text(object, "roleRef.name");
  if (role !== "")
    found.push({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: text(object, "roleRef.kind"),
      name: role,
      role: "role",
    });
  for (const subject of list(object, "subjects")) {
    if (text(subject, "kind") !== "ServiceAccount") continue;
    found.push({ ...core("ServiceAccount", text(subject, "name"), "subject"), namespace: text(subject, "namespace") });
  }
  const unique = new Map(
    found.map((each) => [`${text(each, "kind")} ${text(each, "namespace")} ${text(each, "name")}`, each]),
  );
  return [...unique.values()];
}

function eventsOf(world: World, object: KubeObject): JsonObject[] {
  const { history, revision, catalog, showSecrets } = world;
  const resource = catalog.find("", "v1", "events");
  if (resource === undefined) return [];
  const { namespace, uid, name } = object.metadata;
  // Events of what has no namespace are in "default", or where their reporter lives.
  const place = namespace === undefined ? resource.place : `${resource.place}${namespace}/`;
  const found: JsonObject[] = [];
  for (const key of world.liveKeys(place, revision)) {
    // The name of an event begins with the name of what it is about.
    if (!history.key(key).includes(`/${name}.`)) continue;
    const viewed = viewRow(history, history.rowAt(key, revision), resource, showSecrets);
    if (viewed.state !== "object") continue;
    const event = viewed.object;
    const about = text(event, "involvedObject.uid");
    if (text(event, "involvedObject.name") !== name || (about !== "" && about !== uid && about !== name)) continue;
    found.push({
      type: text(event, "type"),
      reason: text(event, "reason"),
      message: text(event, "message"),
      from: text(event, "source.component") || text(event, "reportingComponent"),
      count: text(event, "count") || text(event, "series.count") || "1",
      time: text(event, "lastTimestamp") || text(event, "series.lastObservedTime") || text(event, "eventTime"),
    });
    if (found.length === MOST_EVENTS) break;
  }
  return found.sort((a, b) => (String(a.time) < String(b.time) ? 1 : -1));
}
