/** Where static pods' manifests are on this machine, also while no kubelet runs. */
import { configuredStaticPods } from "./control-plane-traces.ts";
import { findKubelet, type LocalKubelet } from "./local-node.ts";

/** Where kubeadm has it. */
const STATIC_PODS = "/etc/kubernetes/manifests";

/** The kubelet's that runs, else the one of kubeadm's configuration for it, else kubeadm's own. */
export function staticPodDirectory(kubelet: LocalKubelet | undefined = findKubelet()): string {
  return kubelet?.staticPods ?? configuredStaticPods() ?? STATIC_PODS;
}
