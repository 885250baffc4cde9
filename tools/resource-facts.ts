/** What the Go types do not say about Kubernetes' resources: how each is called on the command line and where etcd keeps it. */

/** Roots of requests and answers that are never stored, or only ever as part of something else. */
export const NOT_STORED: ReadonlySet<string> = new Set([
  "core/v1.Binding",
  "core/v1.ComponentStatus",
  "core/v1.EphemeralContainers",
  "core/v1.PodStatusResult",
  "batch/v1beta1.JobTemplate",
  "batch/v2alpha1.JobTemplate",
  "policy/v1.Eviction",
  "policy/v1beta1.Eviction",
  "meta/v1.PartialObjectMetadata",
  "imagepolicy/v1alpha1.ImageReview",
]);
/** Whole packages of that sort. */
export const NOT_STORED_PACKAGES = /^(authentication|authorization|apidiscovery|admission|imagepolicy)\//;
export const NOT_STORED_KIND = /^(Scale)$/;

/** Go packages of which every kind is gone, so that no register.go says their group. */
export const LEGACY_GROUPS: Readonly<Record<string, string>> = {
  "auditregistration/v1alpha1": "auditregistration.k8s.io",
  "settings/v1alpha1": "settings.k8s.io",
  "autoscaling/v2alpha1": "autoscaling",
  "policy/v1alpha1": "policy",
  "apiregistration/v1alpha1": "apiregistration.k8s.io",
  "admissionregistration/v1alpha1": "admissionregistration.k8s.io",
  "certificates/v1alpha1": "certificates.k8s.io",
  "coordination/v1alpha1": "coordination.k8s.io",
  "networking/v1alpha1": "networking.k8s.io",
  "resource/v1alpha1": "resource.k8s.io",
  "resource/v1alpha2": "resource.k8s.io",
  "scheduling/v1alpha1": "scheduling.k8s.io",
  "extensions/v1beta1": "extensions",
  "storage/v1alpha1": "storage.k8s.io",
};

/** Cluster-wide kinds whose Go declarations do not say so (`+genclient:nonNamespaced` is for generated clients only). */
export const CLUSTER_KINDS: ReadonlySet<string> = new Set(["core/v1.RangeAllocation"]);

/** Plurals that are not the lower-case kind with an s (or es, or ies). */
export const PLURALS: Readonly<Record<string, string>> = {
  Endpoints: "endpoints",
  ResourceClaimParameters: "resourceclaimparameters",
  ResourceClassParameters: "resourceclassparameters",
};

/** `kubectl api-resources`: short names by plural resource (and group where two groups share the resource). */
export const SHORT_NAMES: Readonly<Record<string, readonly string[]>> = {
  certificatesigningrequests: ["csr"],
  componentstatuses: ["cs"],
  configmaps: ["cm"],
  cronjobs: ["cj"],
  customresourcedefinitions: ["crd", "crds"],
  daemonsets: ["ds"],
  deployments: ["deploy"],
  endpoints: ["ep"],
  events: ["ev"],
  horizontalpodautoscalers: ["hpa"],
  ingresses: ["ing"],
  ipaddresses: ["ip"],
  limitranges: ["limits"],
  namespaces: ["ns"],
  networkpolicies: ["netpol"],
  nodes: ["no"],
  persistentvolumeclaims: ["pvc"],
  persistentvolumes: ["pv"],
  poddisruptionbudgets: ["pdb"],
  pods: ["po"],
  podsecuritypolicies: ["psp"],
  priorityclasses: ["pc"],
  replicasets: ["rs"],
  replicationcontrollers: ["rc"],
  resourcequotas: ["quota"],
  serviceaccounts: ["sa"],
  services: ["svc"],
  statefulsets: ["sts"],
  storageclasses: ["sc"],
  volumeattributesclasses: ["vac"],
};

/** Where etcd keeps a resource below the prefix, where that is not its plural: pkg/kubeapiserver/default_storage_factory_builder.go. */
export const ETCD_SEGMENTS: Readonly<Record<string, string>> = {
  nodes: "minions",
  services: "services/specs",
  endpoints: "services/endpoints",
  replicationcontrollers: "controllers",
  ingresses: "ingress",
  podsecuritypolicies: "podsecuritypolicy",
  rangeallocations: "ranges",
  apiservices: "apiregistration.k8s.io/apiservices",
  customresourcedefinitions: "apiextensions.k8s.io/customresourcedefinitions",
};
