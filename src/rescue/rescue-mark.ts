/** What a rescue pod is known by, also one of an earlier version. */
import { recognisePod } from "../controlplane/sorted-objects.ts";
import type { LeaseHolderName } from "../kube/lease.ts";
import type { KubeObject } from "../kube/object.ts";

/** Says whose place the pod takes. No selector of any workload asks for it. */
export const RESCUE_LABEL = "kubemend/rescue-of";

/** On which template it was made. */
export const TEMPLATE_ANNOTATION = "kubemend/template";

/** A rescue pod of the component: ours, or one that was made by hand as the runbook says. */
export function isRescuePodOf(component: LeaseHolderName, name: string, pod: KubeObject): boolean {
  const { metadata } = pod;
  if (metadata.labels?.[RESCUE_LABEL] !== undefined) return metadata.labels[RESCUE_LABEL] === component;
  if ((metadata.ownerReferences?.length ?? 0) > 0) return false;
  return metadata.name === `${name}-rescue` && recognisePod(pod)?.component === component;
}
