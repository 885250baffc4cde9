/** Where a node keeps its certificates, and for how long new ones are valid. */
import { path, wholeNumber } from "./flag.ts";

export const PLACE_FLAGS = {
  kubernetesDir: path("--kubernetes-dir <dir>", "the node's files as kubeadm lays them out", {
    default: "/etc/kubernetes",
  }),
  kubeletDir: path("--kubelet-dir <dir>", "the kubelet's own", { default: "/var/lib/kubelet" }),
};

export const DAYS_FLAG = wholeNumber(
  "--days <n>",
  "how long they are to be valid (default: as long as before, a year at least)",
  { least: 1, most: 36_500 },
);
