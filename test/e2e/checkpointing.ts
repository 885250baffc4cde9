/** The checkpointer on a node of the test bed, as a plain process with no more rights than its role gives it. */
import { readFileSync } from "node:fs";
import { CHECKPOINTER_IMAGE } from "../../src/bootstrap/checkpointer-image.ts";
import type { ControlPlane } from "../../testbed/control-plane.ts";
import type { Node } from "../../testbed/node.ts";
import { waitFor } from "../../testbed/wait.ts";
import { KUBEMEND } from "./rendered-cluster.ts";

/** Where the agent's kubeconfig is on a node. */
export const AGENT_KUBECONFIG = "/etc/kubernetes/checkpointer.kubeconfig";
export const SERVICE = "checkpointer";

/** As deployed in a cluster, but that the user is a certificate's. */
const ACCESS = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: pod-checkpointer, namespace: kube-system}
rules:
- {apiGroups: [""], resources: [pods], verbs: [get, list, watch]}
- {apiGroups: [""], resources: [secrets, configmaps], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: pod-checkpointer, namespace: kube-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: pod-checkpointer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: kubemend-checkpointer}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: pod-checkpointer}
rules:
- {apiGroups: [""], resources: [nodes, nodes/proxy], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: pod-checkpointer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: pod-checkpointer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: kubemend-checkpointer}]
`;

/** Gives it its role and its kubeconfig. */
export async function prepareCheckpointer(plane: ControlPlane, node: Node): Promise<void> {
  await plane.api.apply(ACCESS);
  const file = await plane.issueKubeconfig("checkpointer", "kubemend-checkpointer");
  await node.write(AGENT_KUBECONFIG, readFileSync(file, "utf8"));
}

/** Starts it on a node. It is started again when it ends, and with the node. */
export async function startCheckpointer(plane: ControlPlane, node: Node, ...flags: string[]): Promise<void> {
  await prepareCheckpointer(plane, node);
  node.startService(SERVICE, [
    "env",
    `NODE_NAME=${node.name}`,
    "POD_NAMESPACE=kube-system",
    ...KUBEMEND,
    ...["checkpoint", "run", `--kubeconfig=${AGENT_KUBECONFIG}`, "--lock-file=/run/lock/pod-checkpointer.lock"],
    ...["--checkpoint-grace-period=5s", "--healthy-after=2s", "--refresh-interval=3s", ...flags],
  ]);
}

/** What `checkpoint status -o json` says. */
// biome-ignore lint/suspicious/noExplicitAny: the report is a plain object here
export async function statusOf(node: Node): Promise<any> {
  const { stdout, stderr } = await node.runForResult([...KUBEMEND, "checkpoint", "status", "-o", "json"]);
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout);
}

/** Waits until a checkpoint is in that state. Returns it. */
// biome-ignore lint/suspicious/noExplicitAny: as above
export async function checkpointIs(node: Node, id: string, state: string, seconds = 60): Promise<any> {
  let last: unknown;
  return waitFor(
    `checkpoint "${id}" to be ${state}`,
    async () => {
      last = await statusOf(node);
      const { checkpoints } = last as { checkpoints: { id: string; state: string }[] };
      return checkpoints.find((each) => each.id === id && each.state === state);
    },
    {
      seconds,
      everyMilliseconds: 500,
      explain: () => `${JSON.stringify(last)}\n${node.service(SERVICE)?.lastLines() ?? ""}`,
    },
  );
}

/** Every file and directory of the checkpointer's on the node, as `MODE PATH`, sorted. */
export async function checkpointFiles(node: Node): Promise<string[]> {
  const find = ["inactive-manifests", "checkpoint-secrets", "checkpoint-configmaps", "manifests"].map(
    (name) => `/etc/kubernetes/${name}`,
  );
  const found = await node.runForResult(["find", ...find, "-mindepth", "1", "-printf", "%m %y %p\n"]);
  return found.stdout.split("\n").filter(Boolean).sort(); // before it first ran, not all of them are there
}

/** The names of its checkpoints' directories and files, without what earlier ones left. */
export async function filesOf(node: Node, pod: string): Promise<string[]> {
  return (await checkpointFiles(node)).filter((line) => line.includes(pod));
}

/** Files and directories with secrets in them that others than their owner could read. */
export async function openSecrets(node: Node): Promise<string[]> {
  const files = await checkpointFiles(node);
  return files.filter((line) => /checkpoint-secrets|inactive-manifests/.test(line) && !/^[67]00 /.test(line));
}

/** A DaemonSet of a web server on this node that is to be checkpointed, with a secret and a config map. */
export function parentWeb(name: string, port: number, secretText = "first"): string {
  return `
apiVersion: v1
kind: Secret
metadata: {name: ${name}-secret, namespace: kube-system}
stringData: {key: ${secretText}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ${name}-config, namespace: kube-system}
data: {settings: some}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: ${name}, namespace: kube-system}
spec:
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata:
      labels: {app: ${name}}
      annotations: {checkpointer.alpha.coreos.com/checkpoint: "true"}
    spec:
      hostNetwork: true
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: kubemend.test/web:1
        imagePullPolicy: IfNotPresent
        env: [{name: PORT, value: "${port}"}]
        ports: [{containerPort: ${port}, name: http}]
        volumeMounts:
        - {name: secret, mountPath: /secret}
        - {name: config, mountPath: /config}
      volumes:
      - {name: secret, secret: {secretName: ${name}-secret}}
      - {name: config, configMap: {name: ${name}-config}}
`;
}

/** The agent as a pod that is its own parent, with a certificate's kubeconfig. */
export function agentDaemonSet(kubeconfig: string): unknown[] {
  const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  const mount = (name: string, mountPath: string) => ({ name, mountPath });
  const hostPath = (name: string, path: string) => ({ name, hostPath: { path } });
  const metadata = { name: "agent", namespace: "kube-system" };
  const container = {
    name: "agent",
    image: CHECKPOINTER_IMAGE,
    imagePullPolicy: "IfNotPresent",
    args: [
      ...[
        "checkpoint",
        "run",
        "--kubeconfig=/etc/checkpointer/kubeconfig",
        "--lock-file=/run/lock/pod-checkpointer.lock",
      ],
      ...["--checkpoint-grace-period=5s", "--healthy-after=2s", "--refresh-interval=3s"],
    ],
    env: [
      field("NODE_NAME", "spec.nodeName"),
      field("POD_NAME", "metadata.name"),
      field("POD_NAMESPACE", "metadata.namespace"),
    ],
    volumeMounts: [
      mount("kubeconfig", "/etc/checkpointer"),
      mount("etc-kubernetes", "/etc/kubernetes"),
      mount("run", "/run"),
    ],
  };
  return [
    { apiVersion: "v1", kind: "ConfigMap", metadata: { ...metadata, name: "agent-kubeconfig" }, data: { kubeconfig } },
    {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata,
      spec: {
        selector: { matchLabels: { app: "agent" } },
        template: {
          metadata: {
            labels: { app: "agent" },
            annotations: { "checkpointer.alpha.coreos.com/checkpoint": "true" },
          },
          spec: {
            hostNetwork: true,
            containers: [container],
            volumes: [
              { name: "kubeconfig", configMap: { name: "agent-kubeconfig" } },
              hostPath("etc-kubernetes", "/etc/kubernetes"),
              hostPath("run", "/run"),
            ],
          },
        },
      },
    },
  ];
}
