/**
 * Defaults that the API server fills on reading where a field was stored without: stored by another version of the API,
 * or by a Kubernetes that did not have the field. Most defaults are stored with the object, and matter only where
 * somebody wrote it by hand. Source: `defaults.go` of k8s.io/kubernetes/pkg/apis.
 */

/** By the Go type and the field; `empty` for an object with nothing in it. */
const DEFAULTS: Readonly<Record<string, string | number | boolean>> = {
  "CronJobSpec.successfulJobsHistoryLimit": 3,
  "CronJobSpec.failedJobsHistoryLimit": 1,
  "CronJobSpec.suspend": false,
  "CronJobSpec.concurrencyPolicy": "Allow",
  "JobSpec.completionMode": "NonIndexed",
  "JobSpec.suspend": false,
  "JobSpec.podReplacementPolicy": "TerminatingOrFailed",
  "JobSpec.backoffLimit": 6,
  "DeploymentSpec.replicas": 1,
  "DeploymentSpec.revisionHistoryLimit": 10,
  "DeploymentSpec.progressDeadlineSeconds": 600,
  "StatefulSetSpec.replicas": 1,
  "StatefulSetSpec.podManagementPolicy": "OrderedReady",
  "DaemonSetSpec.revisionHistoryLimit": 10,
  "ReplicaSetSpec.replicas": 1,
  "HorizontalPodAutoscalerSpec.minReplicas": 1,
  "PodSpec.restartPolicy": "Always",
  "PodSpec.dnsPolicy": "ClusterFirst",
  "PodSpec.terminationGracePeriodSeconds": 30,
  "PodSpec.schedulerName": "default-scheduler",
  "Container.terminationMessagePath": "/dev/termination-log",
  "Container.terminationMessagePolicy": "File",
  "ContainerPort.protocol": "TCP",
  "Probe.timeoutSeconds": 1,
  "Probe.periodSeconds": 10,
  "Probe.successThreshold": 1,
  "Probe.failureThreshold": 3,
  "ServicePort.protocol": "TCP",
  "ServiceSpec.type": "ClusterIP",
  "ConfigMapVolumeSource.defaultMode": 420,
  "DownwardAPIVolumeSource.defaultMode": 420,
  "ProjectedVolumeSource.defaultMode": 420,
  "SecretVolumeSource.defaultMode": 420,
  "PersistentVolumeClaimStatus.phase": "Pending",
  "PersistentVolumeClaimSpec.volumeMode": "Filesystem",
  "PersistentVolumeSpec.volumeMode": "Filesystem",
  "PodSpec.enableServiceLinks": true,
  "PodSpec.securityContext": "empty",
  "PodSpec.preemptionPolicy": "PreemptLowerPriority",
  "ServiceSpec.internalTrafficPolicy": "Cluster",
  "ServiceSpec.allocateLoadBalancerNodePorts": true,
  "ServiceSpec.sessionAffinity": "None",
  "StatefulSetSpec.revisionHistoryLimit": 10,
  "PriorityClass.preemptionPolicy": "PreemptLowerPriority",
  "CSIDriverSpec.fsGroupPolicy": "ReadWriteOnceWithFSType",
  "CSIDriverSpec.storageCapacity": false,
  "CSIDriverSpec.requiresRepublish": false,
  "CSIDriverSpec.seLinuxMount": false,
  "HTTPGetAction.scheme": "HTTP",
};

/** What an absent field of a message such as `batch/v1beta1.CronJobSpec` means; undefined where it is nothing in particular. */
export function defaultOf(message: string, field: string): string | number | boolean | undefined {
  const name = `${message.slice(message.lastIndexOf(".") + 1)}.${field}`;
  return Object.hasOwn(DEFAULTS, name) ? DEFAULTS[name] : undefined;
}
