/** Paths of the API server that several commands read. Source: the API reference of Kubernetes. */

export const NODES = "/api/v1/nodes";
export const PODS = "/api/v1/pods";
/** A node's heartbeat since Kubernetes 1.13: a Lease with the node's name. */
export const NODE_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
/** Where the scheduler and the controller manager hold theirs. */
export const COMPONENT_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
/** Of all namespaces. */
export const LEASES = "/apis/coordination.k8s.io/v1/leases";
export const VOLUME_ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments";
