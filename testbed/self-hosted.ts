/**
 * A self-hosted control plane on one node, as bootkube made them: API server as a DaemonSet, controller manager and
 * scheduler as Deployments, only etcd outside. It is brought up by hand from a control plane of processes, so that what
 * mends such clusters is tested on one that it did not make.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createBed } from "./bed.ts";
import { type ControlPlane, type ControlPlaneOptions, conditionOf, startControlPlaneIn } from "./control-plane.ts";
import { type Flags, toArguments } from "./flags.ts";
import { hyperkubeImage } from "./images.ts";
import { findKubernetes } from "./kubernetes.ts";
import { SERVICE_CIDR } from "./network.ts";
import { type Node, type NodeOptions, startNode } from "./node.ts";
import { waitFor } from "./wait.ts";

const SECRETS = "/etc/kubernetes/secrets";
const COMPONENTS = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] as const;

export interface SelfHostedOptions
  extends Pick<ControlPlaneOptions, "kubernetes" | "members" | "nodeMonitorGraceSeconds"> {
  /** Images to have on the node besides Kubernetes' own. */
  readonly images?: NodeOptions["images"];
  /** An address for the API server that is not the node's own, and can move to another: see {@link holdAddress}. */
  readonly sharedAddress?: string;
}

/** The nodes that run the control plane have it, and a taint of that name. */
export const MASTER_LABEL = "node-role.kubernetes.io/master";
export const MASTER_TAINT = `${MASTER_LABEL}=:NoSchedule`;
/**
 * A label that the kubelet gives its node itself. One that starts while no API server answers knows no others, and may
 * reject for good a pod that selects by them (kubernetes/kubernetes#129463): a DaemonSet's is recreated, but nobody
 * would make another controller manager.
 */
export const KUBELET_LABEL = "node.kubernetes.io/controllers";

/** Gives a node an address more, until it is turned off. */
export async function holdAddress(node: Node, address: string): Promise<void> {
  await node.run(["ip", "address", "add", `${address}/32`, "dev", "eth0"]);
  // whoever held it before is forgotten
  await node.run(["busybox", "arping", "-q", "-U", "-c", "2", "-I", "eth0", "-s", address, address]).catch(() => {});
}

/** Starts such a cluster with one master, `node1`. */
export async function startSelfHosted(options: SelfHostedOptions = {}): Promise<ControlPlane> {
  const kubernetes = options.kubernetes ?? (await findKubernetes());
  const bed = createBed();
  try {
    const node = await startNode(bed, kubernetes, "node1", {
      kubelet: false,
      images: [hyperkubeImage(kubernetes), ...(options.images ?? [])],
      taints: [MASTER_TAINT],
      labels: { [KUBELET_LABEL]: "" },
    });
    const address = options.sharedAddress ?? node.address;
    if (address !== node.address) await holdAddress(node, address);
    const plane = await startControlPlaneIn(bed, kubernetes, options, { name: node.name, address });
    plane.nodes.set(node.name, node);
    for (const [path, text] of Object.entries(await plane.filesOfNode(node.name))) await node.write(path, text);
    node.startKubeProxy(readFileSync(await plane.issueKubeconfig("node1-proxy", "system:kube-proxy"), "utf8"));
    node.startKubelet();
    await plane.nodesReady([node.name]);
    await plane.api.patch(`/api/v1/nodes/${node.name}`, { metadata: { labels: { [MASTER_LABEL]: "" } } });
    for (const object of objects(plane)) await plane.api.applyObject(object);
    await handOver(plane);
    return plane;
  } catch (error) {
    bed.remove();
    throw error;
  }
}

/** Ends the processes once the kubelet has all pods in hand: they need nobody but the kubelet to come up. */
async function handOver(plane: ControlPlane): Promise<void> {
  const pods = () => plane.api.list("/api/v1/namespaces/kube-system/pods");
  await waitFor(
    "the control plane's pods to be the kubelet's",
    async () => {
      // With a container it has its secrets as well, which it could not get any more.
      const known = (await pods()).filter((pod) => pod.status.containerStatuses?.[0]?.containerID);
      // The API server's pod crashes while the process has its port: after some crashes the kubelet would wait for
      // minutes, and a new pod is tried at once.
      const tired = known.find((pod) => pod.status.containerStatuses[0].restartCount >= 2);
      if (tired !== undefined) {
        await plane.api.delete(`/api/v1/namespaces/kube-system/pods/${tired.metadata.name}`, { gracePeriodSeconds: 0 });
        return false;
      }
      return COMPONENTS.every((name) => known.some((pod) => pod.metadata.labels["k8s-app"] === name));
    },
    { explain: () => plane.kubectl("get", "pods", "-A", "-o", "wide") },
  );
  for (const name of ["kube-scheduler", "kube-controller-manager", "kube-apiserver"]) {
    await plane.bed.processes.get(name)?.kill();
    plane.bed.processes.delete(name);
  }
  await waitFor(
    "the self-hosted control plane to run and to hold its leases",
    async () => {
      const ready = (await pods()).filter((pod) => conditionOf(pod, "Ready") === "True");
      const leases = await Promise.all(COMPONENTS.slice(1).map((name) => leaseHolder(plane, name)));
      return (
        COMPONENTS.every((name) => ready.some((pod) => pod.metadata.labels["k8s-app"] === name)) &&
        leases.every((holder) => holder.startsWith("node1_"))
      );
    },
    { seconds: 180, everyMilliseconds: 500, explain: () => plane.logs(["node1-kubelet"]) },
  );
}

/**
 * Who holds the lease of a component of the control plane: its host's name, `_`, and something unique. Empty where the
 * last one gave it up as it ended.
 */
export async function leaseHolder(plane: ControlPlane, component: string): Promise<string> {
  const lease = await plane.api.get(`/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/${component}`);
  return lease.spec.holderIdentity ?? "";
}

/** Waits until somebody else than `before` holds it. */
export async function newLeaseHolder(plane: ControlPlane, component: string, before: string): Promise<string> {
  return await waitFor(
    `another ${component} to lead`,
    async () => {
      const holder = await leaseHolder(plane, component);
      return holder === "" || holder === before ? undefined : holder;
    },
    { seconds: 120 },
  );
}

function objects(plane: ControlPlane): unknown[] {
  return [
    ...["kube-controller-manager", "kube-scheduler"].flatMap((name) => account(name)),
    // Without it the scheduler runs, and never schedules.
    binding("kube-scheduler-volumes", "system:volume-scheduler", "kube-scheduler"),
    secret(plane, "kube-apiserver", [
      "ca.crt",
      "apiserver.crt",
      "apiserver.key",
      "kubelet-client.crt",
      "kubelet-client.key",
      "service-account.pub",
      "service-account.key",
    ]),
    secret(plane, "kube-controller-manager", ["ca.crt", "ca.key", "service-account.key"]),
    apiServer(plane),
    deployment(plane, "kube-controller-manager", 10257, {
      "bind-address": "127.0.0.1",
      "cluster-signing-cert-file": `${SECRETS}/ca.crt`,
      "cluster-signing-key-file": `${SECRETS}/ca.key`,
      "leader-elect": true,
      "root-ca-file": `${SECRETS}/ca.crt`,
      "service-account-private-key-file": `${SECRETS}/service-account.key`,
      "use-service-account-credentials": true,
    }),
    deployment(plane, "kube-scheduler", 10259, { "bind-address": "127.0.0.1", "leader-elect": true }),
  ];
}

function account(name: string): unknown[] {
  const metadata = { name, namespace: "kube-system" };
  return [{ apiVersion: "v1", kind: "ServiceAccount", metadata }, binding(name, `system:${name}`, name)];
}

function binding(name: string, role: string, serviceAccount: string): unknown {
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: `self-hosted:${name}` },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
    subjects: [{ kind: "ServiceAccount", name: serviceAccount, namespace: "kube-system" }],
  };
}

function secret(plane: ControlPlane, name: string, files: readonly string[]): unknown {
  const base64 = (path: string) => readFileSync(path).toString("base64");
  const { authority, etcd } = plane;
  const data = Object.fromEntries(files.map((file) => [file, base64(join(authority.directory, file))]));
  const etcdData = {
    "etcd-client-ca.crt": base64(etcd.authority.certificatePath),
    "etcd-client.crt": base64(etcd.client.certificatePath),
    "etcd-client.key": base64(etcd.client.keyPath),
  };
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: "kube-system" },
    type: "Opaque",
    data: name === "kube-apiserver" ? { ...data, ...etcdData } : data,
  };
}

function apiServer(plane: ControlPlane): unknown {
  const flags: Flags = {
    "advertise-address": "$(POD_IP)",
    "allow-privileged": true,
    "authorization-mode": "Node,RBAC",
    "client-ca-file": `${SECRETS}/ca.crt`,
    "enable-admission-plugins": "NodeRestriction",
    "enable-bootstrap-token-auth": true,
    "etcd-cafile": `${SECRETS}/etcd-client-ca.crt`,
    "etcd-certfile": `${SECRETS}/etcd-client.crt`,
    "etcd-keyfile": `${SECRETS}/etcd-client.key`,
    "etcd-servers": plane.etcd.endpoints.join(","),
    "kubelet-client-certificate": `${SECRETS}/kubelet-client.crt`,
    "kubelet-client-key": `${SECRETS}/kubelet-client.key`,
    "kubelet-preferred-address-types": "InternalIP,Hostname",
    "secure-port": 6443,
    "service-account-issuer": "https://kubernetes.default.svc",
    "service-account-key-file": `${SECRETS}/service-account.pub`,
    "service-account-signing-key-file": `${SECRETS}/service-account.key`,
    "service-cluster-ip-range": SERVICE_CIDR,
    "tls-cert-file": `${SECRETS}/apiserver.crt`,
    "tls-private-key-file": `${SECRETS}/apiserver.key`,
  };
  const pod = podTemplate(plane, "kube-apiserver", flags);
  const env = [{ name: "POD_IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }];
  const [container] = pod.spec.containers;
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: metadataOf("kube-apiserver"),
    spec: {
      selector: { matchLabels: labelsOf("kube-apiserver") },
      template: {
        metadata: { ...pod.metadata, annotations: { "checkpointer.alpha.coreos.com/checkpoint": "true" } },
        spec: { ...pod.spec, containers: [{ ...container, env }] },
      },
    },
  };
}

function deployment(
  plane: ControlPlane,
  name: "kube-controller-manager" | "kube-scheduler",
  port: number,
  flags: Flags,
): unknown {
  const pod = podTemplate(plane, name, flags);
  const [container] = pod.spec.containers;
  const livenessProbe = {
    httpGet: { host: "127.0.0.1", path: "/healthz", port, scheme: "HTTPS" },
    initialDelaySeconds: 15,
    timeoutSeconds: 15,
  };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: metadataOf(name),
    spec: {
      replicas: 1,
      selector: { matchLabels: labelsOf(name) },
      template: {
        metadata: pod.metadata,
        spec: {
          ...pod.spec,
          nodeSelector: { [KUBELET_LABEL]: "" },
          serviceAccountName: name,
          containers: [{ ...container, livenessProbe }],
        },
      },
    },
  };
}

function podTemplate(plane: ControlPlane, name: (typeof COMPONENTS)[number], flags: Flags) {
  const hasSecret = name !== "kube-scheduler";
  const mounts = hasSecret ? [{ name: "secrets", mountPath: SECRETS, readOnly: true }] : [];
  return {
    metadata: { labels: labelsOf(name) },
    spec: {
      containers: [
        {
          name,
          image: hyperkubeImage(plane.kubernetes).name,
          imagePullPolicy: "IfNotPresent",
          command: [name, ...toArguments(flags)],
          volumeMounts: mounts,
        },
      ],
      hostNetwork: true,
      nodeSelector: { [MASTER_LABEL]: "" },
      tolerations: [{ key: MASTER_LABEL, operator: "Exists", effect: "NoSchedule" }],
      volumes: hasSecret ? [{ name: "secrets", secret: { secretName: name } }] : [],
    },
  };
}

const labelsOf = (name: string) => ({ tier: "control-plane", "k8s-app": name });
const metadataOf = (name: string) => ({ name, namespace: "kube-system", labels: labelsOf(name) });
