/**
 * An object of a backup as it is to be made in a cluster: without what belonged to its former life, in another
 * namespace or under another name where asked for.
 */
import { isObject, listOf, mapObjects, objectOf, objectsOf, textOf, without } from "../kube/fields.ts";
import type { JsonObject, JsonValue, KubeObject } from "../kube/object.ts";
import { isMadeTokenName, isTokenSecret } from "./not-restored.ts";
import type { ObjectId } from "./object-id.ts";
import { visitReferences } from "./visit-references.ts";

/** What the API server writes, or what would tie the object to what is gone. */
const FORMER_METADATA = [
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "selfLink",
  "managedFields",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "ownerReferences",
  "clusterName",
];
/** Written by controllers about what they made of the object: a binding, a roll-out, what an autoscaler has seen. */
const FORMER_ANNOTATIONS = [
  "pv.kubernetes.io/bind-completed",
  "pv.kubernetes.io/bound-by-controller",
  "kubernetes.io/service-account.uid",
  "control-plane.alpha.kubernetes.io/leader",
  "deployment.kubernetes.io/revision",
  "autoscaling.alpha.kubernetes.io/conditions",
  "autoscaling.alpha.kubernetes.io/current-metrics",
];
/** Finalizers of a deletion that is over. */
const DELETION_FINALIZERS = new Set(["foregroundDeletion", "orphan"]);
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** Where an object goes, if not where it was. */
export interface Placement {
  /** The namespace that everything with one goes into. */
  readonly intoNamespace: string | undefined;
  /** New names by `OLD`. */
  readonly renamed: ReadonlyMap<string, string>;
}

export const IN_PLACE: Placement = { intoNamespace: undefined, renamed: new Map() };

/** Where `id` goes. `isGiven`: whether the object is among those that are given back: names of others stay. */
export function placeOf(id: ObjectId, { intoNamespace, renamed }: Placement, isGiven = true): ObjectId {
  if (!isGiven) return id;
  if (id.path === "namespaces") return intoNamespace === undefined ? id : { ...id, name: intoNamespace };
  const name = renamed.get(id.name) ?? id.name;
  return { ...id, name, namespace: id.namespace === undefined ? undefined : (intoNamespace ?? id.namespace) };
}

export interface RewriteOptions {
  readonly placement: Placement;
  /** Whether a reference is to an object that is given back with this one. */
  isGiven(id: ObjectId): boolean;
  /** The status is a part of the object, as in custom resources without a status of their own. */
  readonly keepsStatus: boolean;
}

/** The object to create. Owner references are left out: they need UIDs of the new owners. */
export function rewriteObject(object: KubeObject, id: ObjectId, options: RewriteOptions): KubeObject {
  const { placement, isGiven, keepsStatus } = options;
  const target = placeOf(id, placement);
  const isMoved = target.namespace !== id.namespace || target.name !== id.name;
  const isPlaced = placement.intoNamespace !== undefined || placement.renamed.size > 0;
  const referring = isPlaced
    ? visitReferences(object, id.path, (reference) => placeOf(reference, placement, isGiven(reference)))
    : object;
  const metadata = rewriteMetadata(referring, target, isMoved);
  const plain: KubeObject = { ...referring, metadata };
  const kept = keepsStatus ? plain : (without(plain, ["status"]) as KubeObject);
  return rewriteKind(kept, id, isMoved);
}

function rewriteMetadata({ metadata }: KubeObject, target: ObjectId, isMoved: boolean): KubeObject["metadata"] {
  const kept: Record<string, JsonValue | undefined> = { ...without(metadata, FORMER_METADATA), name: target.name };
  if (target.namespace !== undefined) kept.namespace = target.namespace;
  if (isObject(metadata.annotations)) {
    const annotations: Record<string, JsonValue | undefined> = { ...without(metadata.annotations, FORMER_ANNOTATIONS) };
    if (isMoved && typeof annotations[LAST_APPLIED] === "string") {
      const applied = moveApplied(annotations[LAST_APPLIED], target);
      if (applied === undefined) delete annotations[LAST_APPLIED];
      else annotations[LAST_APPLIED] = applied;
    }
    kept.annotations = annotations as JsonObject;
  }
  const finalizers = listOf(metadata.finalizers).filter((each) => !DELETION_FINALIZERS.has(textOf(each)));
  if (metadata.finalizers !== undefined) kept.finalizers = finalizers;
  return kept as KubeObject["metadata"];
}

/** `kubectl apply` compares with what it applied: that has to bear the new name, too. Undefined for what is no JSON. */
function moveApplied(text: string, { namespace, name }: ObjectId): string | undefined {
  try {
    const applied = JSON.parse(text) as JsonObject;
    const metadata = { ...objectOf(applied.metadata), name, ...(namespace !== undefined && { namespace }) };
    return JSON.stringify({ ...applied, metadata });
  } catch {
    return undefined;
  }
}

function rewriteKind(object: KubeObject, id: ObjectId, isMoved: boolean): KubeObject {
  const spec = objectOf(object.spec);
  const withSpec = (changed: JsonObject): KubeObject => ({ ...object, spec: changed });
  switch (id.path) {
    case "namespaces": {
      const labels = { ...object.metadata.labels };
      if (labels["kubernetes.io/metadata.name"] !== undefined)
        labels["kubernetes.io/metadata.name"] = object.metadata.name;
      const metadata = { ...object.metadata, ...(object.metadata.labels && { labels }) };
      return { ...object, metadata, spec: without(spec, ["finalizers"]) };
    }
    case "services/specs":
      return isMoved ? withSpec(withoutAddresses(spec)) : object;
    case "persistentvolumeclaims":
      return isMoved ? withoutVolume(object) : object;
    case "persistentvolumes":
      return withSpec(withFreeClaim(spec));
    case "jobs":
      return rewriteJob(object, spec);
    case "pods":
      return withSpec(rewritePod(spec));
    case "serviceaccounts": {
      const isKept = (each: JsonValue) => !isMadeTokenName(textOf(objectOf(each).name), id.name);
      return Array.isArray(object.secrets) ? { ...object, secrets: listOf(object.secrets).filter(isKept) } : object;
    }
    case "secrets":
      return isTokenSecret(object) ? (without(object, ["data"]) as KubeObject) : object;
    default:
      return object;
  }
}

/**
 * What is written over the live object keeps what controllers have written about it: that its claim is bound, the
 * number of its roll-out; of an account, the tokens that were made for it since.
 */
export function withControllersWork(object: KubeObject, live: KubeObject, id: ObjectId): KubeObject {
  const kept = FORMER_ANNOTATIONS.flatMap((name) => {
    const value = live.metadata.annotations?.[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const tokens = withMadeTokens(object, live, id);
  if (kept.length === 0) return tokens;
  const annotations = { ...tokens.metadata.annotations, ...Object.fromEntries(kept) };
  return { ...tokens, metadata: { ...tokens.metadata, annotations } };
}

/** The object without what controllers write about it. */
export function withoutControllersWork(object: KubeObject): KubeObject {
  const { annotations } = object.metadata;
  if (!isObject(annotations)) return object;
  const kept = without(annotations as JsonObject, FORMER_ANNOTATIONS) as Readonly<Record<string, string>>;
  return { ...object, metadata: { ...object.metadata, annotations: kept } };
}

function withMadeTokens(object: KubeObject, live: KubeObject, { path, name }: ObjectId): KubeObject {
  if (path !== "serviceaccounts") return object;
  const isMade = (each: JsonValue) => isMadeTokenName(textOf(objectOf(each).name), name);
  const made = listOf(live.secrets).filter(isMade);
  return made.length === 0 ? object : { ...object, secrets: [...listOf(object.secrets), ...made] };
}

/** A Service without the addresses and ports of the node that one of them alone can have. */
function withoutAddresses(spec: JsonObject): JsonObject {
  return withoutNodePorts(without(withoutClusterIp(spec), ["healthCheckNodePort", "loadBalancerIP"]));
}

export function withoutClusterIp(spec: JsonObject): JsonObject {
  return spec.clusterIP === "None" ? spec : without(spec, ["clusterIP", "clusterIPs"]);
}

/** `isTaken`: of which ports of the node; of all unless given. */
export function withoutNodePorts(spec: JsonObject, isTaken: (port: JsonValue) => boolean = () => true): JsonObject {
  const rest = spec.healthCheckNodePort !== undefined && isTaken(spec.healthCheckNodePort);
  return mapObjects(rest ? without(spec, ["healthCheckNodePort"]) : spec, "ports", (port) =>
    port.nodePort !== undefined && isTaken(port.nodePort) ? without(port, ["nodePort"]) : port,
  );
}

/** A claim that takes a new volume. */
export function withoutVolume(claim: KubeObject): KubeObject {
  const { annotations } = claim.metadata;
  const metadata = {
    ...claim.metadata,
    ...(annotations && {
      annotations: without(annotations, [
        "volume.beta.kubernetes.io/storage-provisioner",
        "volume.kubernetes.io/storage-provisioner",
        "volume.kubernetes.io/selected-node",
      ]) as Readonly<Record<string, string>>,
    }),
  };
  return { ...claim, metadata, spec: without(objectOf(claim.spec), ["volumeName"]) };
}

/** A volume keeps the claim that it is for, by name: whatever UID the claim has now. */
export function withFreeClaim(spec: JsonObject): JsonObject {
  if (!isObject(spec.claimRef)) return spec;
  return { ...spec, claimRef: without(spec.claimRef, ["uid", "resourceVersion"]) };
}

/** Labels by which a Job finds its pods; the API server makes them of its UID. */
const JOB_LABELS = ["controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name"];

function rewriteJob(object: KubeObject, spec: JsonObject): KubeObject {
  if (spec.manualSelector === true) return object;
  const drop = (labels: JsonValue | undefined): JsonObject => without(objectOf(labels), JOB_LABELS);
  const template = objectOf(spec.template);
  const metadata = objectOf(template.metadata);
  const { labels } = object.metadata;
  return {
    ...object,
    metadata: { ...object.metadata, ...(labels && { labels: drop(labels) as Readonly<Record<string, string>> }) },
    spec: {
      ...without(spec, ["selector"]),
      template: {
        ...template,
        metadata: { ...metadata, ...(isObject(metadata.labels) && { labels: drop(metadata.labels) }) },
      },
    },
  };
}

const TOKEN_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** A pod that is scheduled again; its token is mounted again, too. */
function rewritePod(spec: JsonObject): JsonObject {
  const account = textOf(spec.serviceAccountName) || "default";
  const mounts = ["initContainers", "containers"].flatMap((list) =>
    objectsOf(spec[list]).flatMap((container) => objectsOf(container.volumeMounts)),
  );
  const isInjected = (volume: JsonObject) => {
    const name = textOf(volume.name);
    const secret = textOf(objectOf(volume.secret).secretName);
    const isToken = isMadeTokenName(secret, account) || /^kube-api-access-[a-z0-9]{5}$/.test(name);
    return isToken && mounts.some((mount) => mount.name === name && mount.mountPath === TOKEN_MOUNT);
  };
  const injected = new Set(
    objectsOf(spec.volumes)
      .filter(isInjected)
      .map(({ name }) => textOf(name)),
  );
  const isKept = (each: JsonValue) => !injected.has(textOf(objectOf(each).name));
  let changed = without(spec, ["nodeName", "priority", "preemptionPolicy", "ephemeralContainers"]);
  if (Array.isArray(changed.volumes)) changed = { ...changed, volumes: listOf(changed.volumes).filter(isKept) };
  for (const list of ["initContainers", "containers"]) {
    changed = mapObjects(changed, list, (container) =>
      Array.isArray(container.volumeMounts)
        ? { ...container, volumeMounts: listOf(container.volumeMounts).filter(isKept) }
        : container,
    );
  }
  return changed;
}
