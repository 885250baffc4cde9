/**
 * By which fields the items of lists are distinguished in Kubernetes' own kinds. Source: `patchMergeKey` and `+listMapKey`
 * of k8s.io/api, and what the fields mean where the API has no rule (versions of a definition, claim templates,
 * subjects and rules of roles).
 */
import type { ListRule } from "./value-type.ts";

/** By the Go type of the items, whatever its group and version. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  Container: ["name"],
  EphemeralContainer: ["name"],
  ContainerStatus: ["name"],
  ContainerPort: ["containerPort", "protocol"],
  EnvVar: ["name"],
  Volume: ["name"],
  VolumeMount: ["mountPath"],
  VolumeDevice: ["devicePath"],
  HostAlias: ["ip"],
  PodIP: ["ip"],
  HostIP: ["ip"],
  TopologySpreadConstraint: ["topologyKey", "whenUnsatisfiable"],
  PodResourceClaim: ["name"],
  ResourceClaim: ["name"],
  LocalObjectReference: ["name"],
  ObjectReference: ["namespace", "name", "kind"],
  OwnerReference: ["kind", "name"],
  ServicePort: ["port", "protocol"],
  PersistentVolumeClaim: ["metadata.name"],
  MutatingWebhook: ["name"],
  ValidatingWebhook: ["name"],
  MatchCondition: ["name"],
  Variable: ["name"],
  CustomResourceDefinitionVersion: ["name"],
  CustomResourceColumnDefinition: ["name"],
  Taint: ["key", "effect"],
  NodeAddress: ["type", "address"],
  AttachedVolume: ["name"],
  Sysctl: ["name"],
  HTTPHeader: ["name", "value"],
  KeyToPath: ["key"],
  ParentReference: ["group", "resource", "namespace", "name"],
  DeviceRequest: ["name"],
  ServerStorageVersion: ["apiServerID"],
};

/** Items that are distinguished by all that they are. */
const SETS = new Set(["Subject"]);

/** Lists of strings in which the order says nothing. */
const STRING_SETS = new Set([
  "finalizers",
  "accessModes",
  "verbs",
  "apiGroups",
  "resources",
  "resourceNames",
  "nonResourceURLs",
  "categories",
  "shortNames",
]);

/** Containers start in order, and variables refer to those before them. */
const ORDERED = new Set(["initContainers", "env", "envFrom"]);

/** The rule of a list called `field` with items of a type such as `core/v1.Container`, or of strings (`""`). */
export function builtInListRule(field: string, itemType: string): ListRule | undefined {
  if (itemType === "") return STRING_SETS.has(field) ? { keys: [], ordered: false } : undefined;
  const name = itemType.slice(itemType.lastIndexOf(".") + 1);
  if (SETS.has(name)) return { keys: [], ordered: false };
  const keys = Object.hasOwn(KEYS, name) ? KEYS[name] : name.endsWith("Condition") ? ["type"] : undefined;
  return keys && { keys, ordered: ORDERED.has(field) };
}
