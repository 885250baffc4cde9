/**
 * The pod checkpointer on every control-plane node: it brings the API server's pod back when there is no API server to
 * ask. The one source of what `render` writes, `checkpoint manifests` prints and `deploy/checkpointer` has. Its rights
 * are those of bootkube's.
 */
import type { JsonObject } from "../../kube/object.ts";
import { binding, role, serviceAccount } from "./access.ts";
import { CHECKPOINT_ANNOTATION, CONTROL_PLANE_TOLERATIONS } from "./control-plane-manifests.ts";

const NAME = "pod-checkpointer";
const LABELS = { tier: "control-plane", "k8s-app": NAME };
/**
 * For the agent, which rests most of its life and makes little garbage at a time: without V8's compilers, whose code
 * would stay in memory from the start on, and with a small young generation. The agent does the rest itself
 * (src/io/agent/small-heap.ts).
 */
export const AGENT_NODE_OPTIONS = "--jitless --max-semi-space-size=1";

export interface CheckpointerDeployment {
  readonly image: string;
  /** Of the nodes that it is for; the value is empty. */
  readonly nodeLabel: string;
  /** A ConfigMap of kube-system whose `kubeconfig` finds the API server without its service. */
  readonly kubeconfigMap: string;
  /** More flags of `checkpoint run`. */
  readonly flags?: readonly string[];
}

/** Manifests by file name without its ending. */
export function checkpointerManifests(deployment: CheckpointerDeployment): Record<string, JsonObject> {
  const metadata = { name: NAME, namespace: "kube-system" };
  return {
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
    "pod-checkpointer": daemonSet(deployment),
  };
}

function daemonSet({ image, nodeLabel, kubeconfigMap, flags = [] }: CheckpointerDeployment): JsonObject {
  const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  const container = {
    name: NAME,
    image,
    imagePullPolicy: "IfNotPresent",
    command: [
      "kubemend",
      "checkpoint",
      "run",
      "--lock-file=/run/lock/pod-checkpointer.lock",
      "--kubeconfig=/etc/checkpointer/kubeconfig",
      "--checkpoint-grace-period=5m",
      ...flags,
    ],
    env: [
      field("NODE_NAME", "spec.nodeName"),
      field("POD_NAME", "metadata.name"),
      field("POD_NAMESPACE", "metadata.namespace"),
      field("HOST_IP", "status.hostIP"),
      { name: "NODE_OPTIONS", value: AGENT_NODE_OPTIONS },
    ],
    resources: { requests: { cpu: "10m", memory: "60Mi" } },
    // Root, with what it takes to write the files of others: the copies belong to whom their pods run as.
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { add: ["CHOWN", "DAC_OVERRIDE", "FOWNER"], drop: ["ALL"] },
      readOnlyRootFilesystem: true,
    },
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
          nodeSelector: { [nodeLabel]: "" },
          priorityClassName: "system-node-critical",
          serviceAccountName: NAME,
          tolerations: CONTROL_PLANE_TOLERATIONS,
          volumes: [
            { name: "kubeconfig", configMap: { name: kubeconfigMap } },
            { name: "etc-kubernetes", hostPath: { path: "/etc/kubernetes" } },
            { name: "run", hostPath: { path: "/run" } },
          ],
        },
      },
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
    },
  };
}
