/**
 * The order in which kinds go back: what others need comes first, what gets in the way of others (quotas whose use is
 * not counted yet, webhooks whose pods do not run yet) comes last. All objects of a wave may be written at once.
 */

import { defined } from "../errors/defined.ts";
export const WAVES = [
  "namespaces",
  "definitions",
  "service accounts and roles",
  "bindings",
  "classes and limits",
  "volumes",
  "claims",
  "configuration",
  "services",
  "custom resources",
  "workloads",
  "autoscalers and budgets",
  "ingresses",
  "quotas",
  "API services",
  "webhooks",
] as const;

type Wave = (typeof WAVES)[number];

const WAVE_OF_PATH: Readonly<Record<string, Wave>> = {
  namespaces: "namespaces",
  "apiextensions.k8s.io/customresourcedefinitions": "definitions",
  serviceaccounts: "service accounts and roles",
  clusterroles: "service accounts and roles",
  roles: "service accounts and roles",
  podsecuritypolicy: "service accounts and roles",
  clusterrolebindings: "bindings",
  rolebindings: "bindings",
  limitranges: "classes and limits",
  minions: "classes and limits",
  persistentvolumes: "volumes",
  persistentvolumeclaims: "claims",
  configmaps: "configuration",
  secrets: "configuration",
  podtemplates: "configuration",
  "services/specs": "services",
  "services/endpoints": "services",
  endpointslices: "services",
  networkpolicies: "services",
  pods: "workloads",
  controllers: "workloads",
  replicasets: "workloads",
  deployments: "workloads",
  statefulsets: "workloads",
  daemonsets: "workloads",
  jobs: "workloads",
  cronjobs: "workloads",
  controllerrevisions: "workloads",
  horizontalpodautoscalers: "autoscalers and budgets",
  poddisruptionbudgets: "autoscalers and budgets",
  ingress: "ingresses",
  resourcequotas: "quotas",
  "apiregistration.k8s.io/apiservices": "API services",
  mutatingwebhookconfigurations: "webhooks",
  validatingwebhookconfigurations: "webhooks",
  mutatingadmissionpolicies: "webhooks",
  mutatingadmissionpolicybindings: "webhooks",
  validatingadmissionpolicies: "webhooks",
  validatingadmissionpolicybindings: "webhooks",
};

/** The number of the wave of all objects at a path. */
export function waveOf(path: string): number {
  const wave = Object.hasOwn(WAVE_OF_PATH, path)
    ? defined(WAVE_OF_PATH[path])
    : path.includes("/")
      ? "custom resources"
      : "classes and limits";
  return WAVES.indexOf(wave);
}
