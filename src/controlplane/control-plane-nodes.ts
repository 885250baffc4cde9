/** Which nodes carry a control plane, by their labels or by mirror pods, before all pods of a large cluster were looked at. */

import { isMirrorPod, nodeOf } from "../kube/mirror-pod.ts";
import type { KubeObject } from "../kube/object.ts";
import { recognisePod, wellFormed } from "./sorted-objects.ts";

/** The nodes that say so by label, and those with a mirror pod of a component among `pods`, whether they still exist or not. */
export function staticPodNodes(nodes: readonly KubeObject[], pods: readonly KubeObject[]): Set<string> {
  const names = new Set(controlPlaneNodes(nodes.map(wellFormed).filter((node) => node !== undefined)));
  for (const pod of componentPods(pods)) names.add(nodeOf(pod));
  return names;
}

/** Without one, whoever looked at some of the pods has to look at all of them. */
export function hasStaticApiServer(pods: readonly KubeObject[]): boolean {
  return componentPods(pods).some((pod) => recognisePod(pod)?.component === "kube-apiserver");
}

function componentPods(pods: readonly KubeObject[]): KubeObject[] {
  return pods
    .map(wellFormed)
    .filter((pod) => pod !== undefined)
    .filter((pod) => isMirrorPod(pod) && recognisePod(pod) !== undefined);
}

/** The nodes that say by label that they carry the control plane. */
export function controlPlaneNodes(nodes: readonly KubeObject[]): string[] {
  return nodes
    .filter(isControlPlaneNode)
    .map((node) => node.metadata.name)
    .sort();
}

function isControlPlaneNode(node: KubeObject): boolean {
  const labels = node.metadata.labels ?? {};
  return ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"].some((label) => label in labels);
}
