/** A scheduler as a static pod: what is on its node. */
import type { ControlPlane } from "../../testbed/control-plane.ts";
import { hyperkubeImage } from "../../testbed/images.ts";
import { STATIC_PODS_PATH } from "../../testbed/node.ts";

/** Its kubeconfig. */
export const SCHEDULER_CONF = "/etc/kubernetes/scheduler.conf";
export const SCHEDULER_MANIFEST = `${STATIC_PODS_PATH}/kube-scheduler.yaml`;

/** The manifest's text, of a scheduler with that command and its kubeconfig. */
export function schedulerManifest({ kubernetes }: ControlPlane, command: readonly string[]): string {
  const mountPath = SCHEDULER_CONF;
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "kube-scheduler", namespace: "kube-system", labels: { component: "kube-scheduler" } },
    spec: {
      hostNetwork: true,
      containers: [
        {
          name: "kube-scheduler",
          image: hyperkubeImage(kubernetes).name,
          imagePullPolicy: "IfNotPresent",
          command: [...command, `--kubeconfig=${mountPath}`],
          volumeMounts: [{ name: "kubeconfig", mountPath, readOnly: true }],
        },
      ],
      volumes: [{ name: "kubeconfig", hostPath: { path: mountPath, type: "File" } }],
    },
  });
}
