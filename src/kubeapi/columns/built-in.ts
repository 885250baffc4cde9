/** Which table each built-in resource has. */
import * as cluster from "./cluster.ts";
import type { KindTable } from "./kind-table.ts";
import * as networking from "./networking.ts";
import { podTable } from "./pod.ts";
import * as policy from "./policy.ts";
import * as storage from "./storage.ts";
import * as workloads from "./workloads.ts";

const TABLES: Readonly<Record<string, KindTable>> = {
  pods: podTable,
  podtemplates: workloads.podTemplateTable,
  replicationcontrollers: workloads.replicationControllerTable,
  replicasets: workloads.replicaSetTable,
  daemonsets: workloads.daemonSetTable,
  deployments: workloads.deploymentTable,
  statefulsets: workloads.statefulSetTable,
  controllerrevisions: workloads.controllerRevisionTable,
  jobs: workloads.jobTable,
  cronjobs: workloads.cronJobTable,
  horizontalpodautoscalers: workloads.horizontalPodAutoscalerTable,
  poddisruptionbudgets: workloads.podDisruptionBudgetTable,
  resourcequotas: workloads.resourceQuotaTable,
  services: networking.serviceTable,
  endpoints: networking.endpointsTable,
  endpointslices: networking.endpointSliceTable,
  ingresses: networking.ingressTable,
  ingressclasses: networking.ingressClassTable,
  networkpolicies: networking.networkPolicyTable,
  servicecidrs: networking.serviceCidrTable,
  ipaddresses: networking.ipAddressTable,
  nodes: cluster.nodeTable,
  namespaces: cluster.namespaceTable,
  events: cluster.eventTable,
  leases: cluster.leaseTable,
  leasecandidates: cluster.leaseCandidateTable,
  apiservices: cluster.apiServiceTable,
  priorityclasses: cluster.priorityClassTable,
  runtimeclasses: cluster.runtimeClassTable,
  flowschemas: cluster.flowSchemaTable,
  prioritylevelconfigurations: cluster.priorityLevelTable,
  certificatesigningrequests: cluster.certificateSigningRequestTable,
  clustertrustbundles: cluster.clusterTrustBundleTable,
  storageversions: cluster.storageVersionTable,
  persistentvolumes: storage.persistentVolumeTable,
  persistentvolumeclaims: storage.persistentVolumeClaimTable,
  storageclasses: storage.storageClassTable,
  volumeattributesclasses: storage.volumeAttributesClassTable,
  volumeattachments: storage.volumeAttachmentTable,
  csinodes: storage.csiNodeTable,
  csidrivers: storage.csiDriverTable,
  configmaps: policy.configMapTable,
  secrets: policy.secretTable,
  serviceaccounts: policy.serviceAccountTable,
  rolebindings: policy.roleBindingTable,
  clusterrolebindings: policy.roleBindingTable,
  validatingwebhookconfigurations: policy.webhookConfigurationTable,
  mutatingwebhookconfigurations: policy.webhookConfigurationTable,
  validatingadmissionpolicies: policy.validatingAdmissionPolicyTable,
  validatingadmissionpolicybindings: policy.admissionPolicyBindingTable,
  mutatingadmissionpolicies: policy.mutatingAdmissionPolicyTable,
  mutatingadmissionpolicybindings: policy.admissionPolicyBindingTable,
  podsecuritypolicies: policy.podSecurityPolicyTable,
  deviceclasses: policy.nameAgeTable,
  resourceclaims: policy.resourceClaimTable,
  resourceclaimtemplates: policy.nameAgeTable,
  resourceslices: policy.resourceSliceTable,
  storageversionmigrations: policy.storageVersionMigrationTable,
};

/** The table of a built-in resource, by its plural. Kinds without one of their own get the API server's default. */
export function builtInTable(plural: string): KindTable {
  return (Object.hasOwn(TABLES, plural) ? TABLES[plural] : undefined) ?? policy.createdAtTable;
}
