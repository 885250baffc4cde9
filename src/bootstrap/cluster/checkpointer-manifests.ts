/** The pod checkpointer on every control-plane node: it brings the API server's pod back when there is no API server to ask. */
import type { JsonObject } from "../../storage/object.ts";
import { binding, role, serviceAccount } from "./access.ts";
import type { Cluster } from "./cluster.ts";
import { CHECKPOINT_ANNOTATION, CONTROL_PLANE_TOLERATIONS, controlPlaneLabel } from "./control-plane-manifests.ts";

const NAME = "pod-checkpointer";
const LABELS = { tier: "control-plane", "k8s-app": NAME };

export function checkpointerManifests(cluster: Cluster): Record<string, JsonObject> {
  const metadata = { name: NAME, namespace: "kube-system" };
  return {
    "pod-checkpointer": daemonSet(cluster),
    "pod-checkpointer-sa": serviceAccount(NAME),
    "pod-checkpointer-role": role("Role", metadata, [
      { apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch"] },
      { apiGroups: [""], resources: ["secrets", "configmaps"], verbs: ["get"] },
    ]),
    "pod-checkpointer-role-binding": binding("RoleBinding", metadata, { kind: "Role", name: NAME }, [NAME]),
    "pod-checkpointer-cluster-role": role("ClusterRole", { name: NAME }, [
      { apiGroups: [""], resources: ["nodes", "nodes/proxy"], verbs: ["get"] },
    ]),
    "pod-checkpointer-cluster-role-binding": binding(
      "ClusterRoleBinding",
      { name: NAME },
      { kind: "ClusterRole", name: NAME },
      [NAME],
    ),
  };
}

function daemonSet(cluster: Cluster): JsonObject {
  const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  const container = {
    name: NAME,
    image: cluster.images.checkpointer,
    imagePullPolicy: "IfNotPresent",
    command: [
      "kubemend",
      "checkpoint",
      "run",
      "--lock-file=/run/lock/pod-checkpointer.lock",
      "--kubeconfig=/etc/checkpointer/kubeconfig",
      "--checkpoint-grace-period=5m",
    ],
    env: [
      field("NODE_NAME", "spec.nodeName"),
      field("POD_NAME", "metadata.name"),
      field("POD_NAMESPACE", "metadata.namespace"),
    ],
    volumeMounts: [
      { name: "kubeconfig", mountPath: "/etc/checkpointer" },
      { name: "etc-kubernetes", mountPath: "/etc/kubernetes" },
      { name: "run", mountPath: "/run" },
    ],
  };
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: NAME, namespace: "kube-system", labels: LABELS },
    spec: {
      selector: { matchLabels: LABELS },
      template: {
        metadata: { labels: LABELS, annotations: CHECKPOINT_ANNOTATION },
        spec: {
          containers: [container],
          hostNetwork: true,
          nodeSelector: { [controlPlaneLabel(cluster)]: "" },
          priorityClassName: "system-node-critical",
          serviceAccountName: NAME,
          tolerations: CONTROL_PLANE_TOLERATIONS,
          volumes: [
            { name: "kubeconfig", configMap: { name: "kubeconfig-in-cluster" } },
            { name: "etc-kubernetes", hostPath: { path: "/etc/kubernetes" } },
            { name: "run", hostPath: { path: "/run" } },
          ],
        },
      },
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
    },
  };
}
