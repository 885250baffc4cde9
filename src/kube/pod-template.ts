/** What of a pod template goes along, and what does not, when a pod is made of it that no controller has made. */

/**
 * Fields that choose a node, or belong to that choice: it is made. The kubelet checks selector and affinity once more,
 * and the API server refuses others beside a node's name. The service account is with them, since who makes the pod
 * decides on it.
 */
export const SCHEDULING_FIELDS: readonly string[] = [
  "affinity",
  "nodeName",
  "nodeSelector",
  "overhead",
  "preemptionPolicy",
  "priority",
  "readinessGates",
  "resourceClaims",
  "schedulerName",
  "schedulingGates",
  "serviceAccount",
  "serviceAccountName",
  "tolerations",
  "topologySpreadConstraints",
];

/**
 * Annotations that change how a pod runs. The others must not come along: `checkpointer.alpha.coreos.com/checkpoint` would have the
 * checkpointer copy the pod.
 */
export const RUNTIME_ANNOTATIONS =
  /^(seccomp\.security\.alpha\.kubernetes\.io\/|container\.(apparmor|seccomp)\.security\.)/;
