/**
 * By which fields the items of lists are distinguished in Kubernetes' own kinds. Source: `patchMergeKey` and `+listMapKey`
 * of k8s.io/api, and what the fields mean where the API has no rule (versions of a definition, claim templates,
 * subjects and rules of roles, tolerations, terms of which one has to match). Ingress rules and paths, init containers,
 * search domains and the like keep their order: there it may decide.
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
const SETS = new Set([
  "Subject",
  "Toleration",
  "DeviceToleration",
  "LabelSelectorRequirement",
  "NodeSelectorRequirement",
  "ScopedResourceSelectorRequirement",
  "TopologySelectorLabelRequirement",
  "EndpointAddress",
  "EndpointPort",
  "PodReadinessGate",
  "PodSchedulingGate",
  "ForZone",
  "ForNode",
  "IDRange",
  "HostPortRange",
]);

/** Such sets of larger items, whose changes are shown field by field where it is clear which one has changed. */
const RULES = new Set([
  "PolicyRule",
  "ResourcePolicyRule",
  "NonResourcePolicyRule",
  "PolicyRulesWithSubjects",
  "RuleWithOperations",
  "NamedRuleWithOperations",
  "LabelSelector",
  "NodeSelectorTerm",
  "PreferredSchedulingTerm",
  "PodAffinityTerm",
  "WeightedPodAffinityTerm",
  "TopologySelectorTerm",
  "NetworkPolicyPeer",
  "NetworkPolicyPort",
  "NetworkPolicyIngressRule",
  "NetworkPolicyEgressRule",
  "MetricSpec",
  "HPAScalingPolicy",
  "LimitRangeItem",
  "IngressTLS",
  "Endpoint",
  "EndpointSubset",
]);

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
  "operations",
  "apiVersions",
  "policyTypes",
  "except",
  "scopes",
  "usages",
  "namespaces",
  "matchLabelKeys",
  "mismatchLabelKeys",
  "externalIPs",
  "loadBalancerSourceRanges",
  "volumeLifecycleModes",
  "validationActions",
]);

/** The same of names that mean another thing elsewhere: by the Go type that has the list. */
const OWN_STRING_SETS = new Set([
  "LabelSelectorRequirement.values",
  "NodeSelectorRequirement.values",
  "ScopedResourceSelectorRequirement.values",
  "TopologySelectorLabelRequirement.values",
  "Capabilities.add",
  "Capabilities.drop",
  "CertificateSigningRequestSpec.groups",
  "IngressTLS.hosts",
  "JSONSchemaProps.required",
  "NodeStatus.volumesInUse",
  "CustomResourceDefinitionStatus.storedVersions",
  "PodSecurityPolicySpec.defaultAddCapabilities",
  "PodSecurityPolicySpec.requiredDropCapabilities",
  "PodSecurityPolicySpec.allowedCapabilities",
  "PodSecurityPolicySpec.volumes",
]);

/** Containers start in order, and variables refer to those before them. */
const ORDERED = new Set(["initContainers", "env", "envFrom"]);

const SET: ListRule = { keys: [], ordered: false };

/** The rule of the list `field` of the type `owner`, with items of a type such as `core/v1.Container`, or of strings (`""`). */
export function builtInListRule(owner: string, field: string, itemType: string): ListRule | undefined {
  if (itemType === "") {
    return STRING_SETS.has(field) || OWN_STRING_SETS.has(`${lastName(owner)}.${field}`) ? SET : undefined;
  }
  const name = lastName(itemType);
  if (SETS.has(name)) return SET;
  if (RULES.has(name)) return { ...SET, itemsChange: true };
  const keys = Object.hasOwn(KEYS, name) ? KEYS[name] : name.endsWith("Condition") ? ["type"] : undefined;
  return keys && { keys, ordered: ORDERED.has(field) };
}

const lastName = (type: string): string => type.slice(type.lastIndexOf(".") + 1);
