/**
 * The permanent control plane: API server as a DaemonSet, controller manager and scheduler as Deployments that survive
 * the loss of a pod.
 */
import type { JsonObject } from "../../kube/object.ts";
import { binding, clusterRoleBinding, serviceAccount } from "./access.ts";
import type { Cluster } from "./cluster.ts";
import { base64, type TlsFiles } from "./cluster-files.ts";

const SECRETS = "/etc/kubernetes/secrets";
/** Nobody: the certificates of a Secret can be read by all, and no port below 1024 is needed. */
const UNPRIVILEGED = { runAsNonRoot: true, runAsUser: 65534 };
/** The checkpointer keeps a copy of pods that say so (docs of bootkube's pod-checkpointer). */
export const CHECKPOINT_ANNOTATION = { "checkpointer.alpha.coreos.com/checkpoint": "true" };

type Flags = Readonly<Record<string, string | number | boolean | undefined>>;

/** Manifests by file name without its ending. */
export function controlPlaneManifests(cluster: Cluster, tls: TlsFiles): Record<string, JsonObject> {
  return {
    "kube-apiserver-secret": secret("kube-apiserver", tls, apiServerFiles(cluster)),
    "kube-apiserver": apiServer(cluster),
    "kube-controller-manager-secret": secret("kube-controller-manager", tls, [
      "ca.crt",
      "ca.key",
      "service-account.key",
    ]),
    "kube-controller-manager": controllerManager(cluster),
    "kube-controller-manager-disruption": disruptionBudget(cluster, "kube-controller-manager"),
    "kube-controller-manager-service-account": serviceAccount("kube-controller-manager"),
    "kube-controller-manager-role-binding": clusterRoleBinding(
      "kube-controller-manager",
      "system:kube-controller-manager",
    ),
    "kube-scheduler": scheduler(cluster),
    "kube-scheduler-disruption": disruptionBudget(cluster, "kube-scheduler"),
    "kube-scheduler-service-account": serviceAccount("kube-scheduler"),
    "kube-scheduler-role-binding": clusterRoleBinding("kube-scheduler", "system:kube-scheduler"),
    // Without it the scheduler runs, logs errors, and never schedules.
    "kube-scheduler-volume-role-binding": clusterRoleBinding(
      "kube-scheduler",
      "system:volume-scheduler",
      "volume-scheduler",
    ),
    "authentication-reader-role-binding": binding(
      "RoleBinding",
      { name: "self-hosted-authentication-reader", namespace: "kube-system" },
      { kind: "Role", name: "extension-apiserver-authentication-reader" },
      ["kube-controller-manager", "kube-scheduler"],
    ),
  };
}

/** The label of nodes that run the control plane: a kubelet may not give it to itself. */
export function controlPlaneLabel(cluster: Cluster): string {
  return cluster.minor < 24 ? "node-role.kubernetes.io/master" : "node-role.kubernetes.io/control-plane";
}

export const CONTROL_PLANE_TOLERATIONS = ["master", "control-plane"].map((role) => ({
  key: `node-role.kubernetes.io/${role}`,
  operator: "Exists",
  effect: "NoSchedule",
}));

function apiServerFiles(cluster: Cluster): string[] {
  return [
    ...["apiserver.crt", "apiserver.key", "apiserver-kubelet-client.crt", "apiserver-kubelet-client.key", "ca.crt"],
    ...(cluster.etcdTls ? ["etcd-client-ca.crt", "etcd-client.crt", "etcd-client.key"] : []),
    ...["front-proxy-ca.crt", "front-proxy-client.crt", "front-proxy-client.key"],
    ...["service-account.key", "service-account.pub"],
  ];
}

function secret(name: string, tls: TlsFiles, files: readonly string[]): JsonObject {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: "kube-system" },
    type: "Opaque",
    data: Object.fromEntries(files.map((file) => [file, base64(tls, file)])),
  };
}

function apiServer(cluster: Cluster): JsonObject {
  const file = (name: string) => `${SECRETS}/${name}`;
  const flags: Flags = {
    "advertise-address": "$(POD_IP)",
    "allow-privileged": true,
    "authorization-mode": "Node,RBAC",
    "bind-address": cluster.hasIpv6 ? "::" : "0.0.0.0",
    "client-ca-file": file("ca.crt"),
    "cloud-provider": cluster.minor < 29 ? cluster.cloudProvider || undefined : undefined,
    "enable-admission-plugins": "NodeRestriction",
    "enable-bootstrap-token-auth": true,
    "etcd-cafile": cluster.etcdTls ? file("etcd-client-ca.crt") : undefined,
    "etcd-certfile": cluster.etcdTls ? file("etcd-client.crt") : undefined,
    "etcd-keyfile": cluster.etcdTls ? file("etcd-client.key") : undefined,
    "etcd-servers": cluster.etcdServers.join(","),
    "feature-gates": dualStackGate(cluster),
    "kubelet-client-certificate": file("apiserver-kubelet-client.crt"),
    "kubelet-client-key": file("apiserver-kubelet-client.key"),
    "kubelet-preferred-address-types": "InternalIP,ExternalIP,Hostname",
    "proxy-client-cert-file": file("front-proxy-client.crt"),
    "proxy-client-key-file": file("front-proxy-client.key"),
    "requestheader-allowed-names": "front-proxy-client",
    "requestheader-client-ca-file": file("front-proxy-ca.crt"),
    "requestheader-extra-headers-prefix": "X-Remote-Extra-",
    "requestheader-group-headers": "X-Remote-Group",
    "requestheader-username-headers": "X-Remote-User",
    "secure-port": cluster.port,
    "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
    "service-account-key-file": file("service-account.pub"),
    "service-account-signing-key-file": file("service-account.key"),
    "service-cluster-ip-range": cluster.serviceCidrs.join(","),
    "tls-cert-file": file("apiserver.crt"),
    "tls-private-key-file": file("apiserver.key"),
  };
  const container = {
    ...programContainer(cluster, "kube-apiserver", flags, "250m"),
    env: [{ name: "POD_IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }],
    livenessProbe: { ...probe("/livez", cluster.port), failureThreshold: 8 },
    // Looked at every second: whoever waits for the cluster waits for this.
    readinessProbe: { ...probe("/readyz", cluster.port), initialDelaySeconds: 0, periodSeconds: 1 },
    startupProbe: { ...probe("/livez", cluster.port), initialDelaySeconds: 0, periodSeconds: 1, failureThreshold: 240 },
    volumeMounts: [...systemMounts(), { name: "secrets", mountPath: SECRETS, readOnly: true }],
  };
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: metadataOf("kube-apiserver"),
    spec: {
      selector: { matchLabels: labelsOf("kube-apiserver") },
      template: {
        metadata: { labels: labelsOf("kube-apiserver"), annotations: CHECKPOINT_ANNOTATION },
        spec: {
          automountServiceAccountToken: false,
          containers: [container],
          hostNetwork: true,
          nodeSelector: { [controlPlaneLabel(cluster)]: "" },
          priorityClassName: "system-node-critical",
          ...(cluster.port < 1024 ? {} : { securityContext: UNPRIVILEGED }),
          tolerations: CONTROL_PLANE_TOLERATIONS,
          volumes: [...systemVolumes(), { name: "secrets", secret: { secretName: "kube-apiserver" } }],
        },
      },
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
    },
  };
}

function controllerManager(cluster: Cluster): JsonObject {
  const flags: Flags = {
    "allocate-node-cidrs": true,
    "cloud-provider": cluster.cloudProvider || undefined,
    "cluster-cidr": cluster.podCidrs.join(","),
    "cluster-name": cluster.name,
    "cluster-signing-cert-file": `${SECRETS}/ca.crt`,
    "cluster-signing-key-file": `${SECRETS}/ca.key`,
    "configure-cloud-routes": false,
    controllers: "*,bootstrapsigner,tokencleaner",
    "feature-gates": dualStackGate(cluster),
    "leader-elect": true,
    "root-ca-file": `${SECRETS}/ca.crt`,
    "service-account-private-key-file": `${SECRETS}/service-account.key`,
    "service-cluster-ip-range": cluster.serviceCidrs.join(","),
    "use-service-account-credentials": true,
  };
  const mounts = [...systemMounts(), { name: "secrets", mountPath: SECRETS, readOnly: true }];
  const volumes = [...systemVolumes(), { name: "secrets", secret: { secretName: "kube-controller-manager" } }];
  const container = { ...programContainer(cluster, "kube-controller-manager", flags, "200m"), volumeMounts: mounts };
  return deployment(
    cluster,
    "kube-controller-manager",
    { ...container, livenessProbe: probe("/healthz", 10257) },
    volumes,
  );
}

function scheduler(cluster: Cluster): JsonObject {
  const flags: Flags = { "feature-gates": dualStackGate(cluster), "leader-elect": true };
  const container = programContainer(cluster, "kube-scheduler", flags, "100m");
  return deployment(cluster, "kube-scheduler", { ...container, livenessProbe: probe("/healthz", 10259) }, []);
}

/** Two pods of each, on two nodes where there are two: the second holds no lease and takes over when the first goes. */
function deployment(
  cluster: Cluster,
  name: "kube-controller-manager" | "kube-scheduler",
  container: JsonObject,
  volumes: readonly JsonObject[],
): JsonObject {
  const elsewhere = { labelSelector: { matchLabels: labelsOf(name) }, topologyKey: "kubernetes.io/hostname" };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: metadataOf(name),
    spec: {
      replicas: 2,
      selector: { matchLabels: labelsOf(name) },
      template: {
        metadata: { labels: labelsOf(name) },
        spec: {
          affinity: {
            podAntiAffinity: {
              preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: elsewhere }],
            },
          },
          containers: [container],
          dnsPolicy: "Default", // cluster DNS may be down with the rest
          nodeSelector: { [controlPlaneLabel(cluster)]: "" },
          priorityClassName: "system-cluster-critical",
          securityContext: UNPRIVILEGED,
          serviceAccountName: name,
          tolerations: CONTROL_PLANE_TOLERATIONS,
          ...(volumes.length === 0 ? {} : { volumes }),
        },
      },
    },
  };
}

function programContainer(
  cluster: Cluster,
  name: "kube-apiserver" | "kube-controller-manager" | "kube-scheduler",
  flags: Flags,
  cpu: string,
): JsonObject {
  return {
    name,
    image: cluster.images[name],
    imagePullPolicy: "IfNotPresent",
    command: [name, ...toArguments(flags)],
    resources: { requests: { cpu } },
  };
}

function toArguments(flags: Flags): string[] {
  return Object.entries(flags).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`]));
}

/** Both families at once were to be asked for before 1.21. */
function dualStackGate(cluster: Cluster): string | undefined {
  return cluster.serviceCidrs.length > 1 && cluster.minor < 21 ? "IPv6DualStack=true" : undefined;
}

function probe(path: string, port: number): JsonObject {
  return { httpGet: { path, port, scheme: "HTTPS" }, initialDelaySeconds: 10, periodSeconds: 10, timeoutSeconds: 15 };
}

/** The machine's own authorities, for dialling out: cloud providers, webhooks. */
function systemMounts(): JsonObject[] {
  return [{ name: "ssl-certs-host", mountPath: "/etc/ssl/certs", readOnly: true }];
}

function systemVolumes(): JsonObject[] {
  return [{ name: "ssl-certs-host", hostPath: { path: "/etc/ssl/certs" } }];
}

function disruptionBudget(cluster: Cluster, name: string): JsonObject {
  return {
    apiVersion: cluster.minor < 21 ? "policy/v1beta1" : "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: { name, namespace: "kube-system" },
    spec: { minAvailable: 1, selector: { matchLabels: labelsOf(name) } },
  };
}

const labelsOf = (name: string) => ({ tier: "control-plane", "k8s-app": name });
const metadataOf = (name: string) => ({ name, namespace: "kube-system", labels: labelsOf(name) });
