/** What runs on every node, and how nodes join: kube-proxy, flannel, bootstrap tokens and the approval of certificates. */
import type { JsonObject } from "../../kube/object.ts";
import { clusterRoleBinding, groupBinding, role, serviceAccount } from "./access.ts";
import type { Cluster } from "./cluster.ts";
import type { BootstrapToken } from "./cluster-files.ts";

const EVERYWHERE = ["NoSchedule", "NoExecute"].map((effect) => ({ operator: "Exists", effect }));
const ACCOUNT_FILES = "/var/run/secrets/kubernetes.io/serviceaccount";

/** The ConfigMap that has it, as bootkube named it. */
export const KUBECONFIG_MAP = "kubeconfig-in-cluster";

/** For pods that must find the API server before kube-proxy makes its service address work, or while no API server runs. */
export function inClusterKubeconfig(
  server: string,
  text: (kubeconfig: JsonObject) => string,
  name = KUBECONFIG_MAP,
): JsonObject {
  const kubeconfig = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "local", cluster: { server, "certificate-authority": `${ACCOUNT_FILES}/ca.crt` } }],
    users: [{ name: "service-account", user: { tokenFile: `${ACCOUNT_FILES}/token` } }],
    contexts: [{ name: "local", context: { cluster: "local", user: "service-account" } }],
    "current-context": "local",
  };
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "kube-system" },
    data: { kubeconfig: text(kubeconfig) },
  };
}

export function proxyManifests(cluster: Cluster): Record<string, JsonObject> {
  const container = {
    name: "kube-proxy",
    image: cluster.images["kube-proxy"],
    imagePullPolicy: "IfNotPresent",
    command: [
      "kube-proxy",
      `--cluster-cidr=${cluster.podCidrs.join(",")}`,
      ...(cluster.serviceCidrs.length > 1 && cluster.minor < 21 ? ["--feature-gates=IPv6DualStack=true"] : []),
      "--hostname-override=$(NODE_NAME)",
      "--kubeconfig=/etc/kubernetes/kubeconfig",
      "--proxy-mode=iptables",
    ],
    env: [{ name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } }],
    securityContext: { privileged: true },
    volumeMounts: [
      { name: "lib-modules", mountPath: "/lib/modules", readOnly: true },
      { name: "xtables-lock", mountPath: "/run/xtables.lock" },
      { name: "kubeconfig", mountPath: "/etc/kubernetes", readOnly: true },
    ],
  };
  return {
    "kube-proxy": nodeDaemonSet(
      "kube-proxy",
      "kube-proxy",
      "kube-proxy",
      [container],
      [
        { name: "lib-modules", hostPath: { path: "/lib/modules" } },
        { name: "xtables-lock", hostPath: { path: "/run/xtables.lock", type: "FileOrCreate" } },
        { name: "kubeconfig", configMap: { name: KUBECONFIG_MAP } },
      ],
    ),
    "kube-proxy-sa": serviceAccount("kube-proxy"),
    "kube-proxy-role-binding": clusterRoleBinding("kube-proxy", "system:node-proxier"),
  };
}

export function flannelManifests(cluster: Cluster): Record<string, JsonObject> {
  const [v4, v6] = ["IPv4", "IPv6"].map((family) =>
    cluster.podCidrs.find((cidr) => cidr.includes(":") === (family === "IPv6")),
  );
  const network = {
    ...(v4 === undefined ? { EnableIPv4: false } : { Network: v4 }),
    ...(v6 === undefined ? {} : { EnableIPv6: true, IPv6Network: v6 }),
    Backend: { Type: "vxlan" },
  };
  const cni = {
    name: "cbr0",
    cniVersion: "0.3.1",
    plugins: [
      { type: "flannel", delegate: { hairpinMode: true, isDefaultGateway: true } },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  };
  const config = { name: "flannel-cfg", mountPath: "/etc/kube-flannel/" };
  const install = (name: string, image: string, command: string[], mounts: JsonObject[]) => ({
    name,
    image,
    imagePullPolicy: "IfNotPresent",
    command,
    volumeMounts: mounts,
  });
  const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  const daemonSet = nodeDaemonSet(
    "kube-flannel",
    "flannel",
    "flannel",
    [
      {
        name: "kube-flannel",
        image: cluster.images.flannel,
        imagePullPolicy: "IfNotPresent",
        command: ["/opt/bin/flanneld", "--ip-masq", "--kube-subnet-mgr"],
        env: [field("POD_NAME", "metadata.name"), field("POD_NAMESPACE", "metadata.namespace")],
        securityContext: { privileged: true },
        volumeMounts: [{ name: "run", mountPath: "/run/flannel" }, config],
      },
    ],
    [
      { name: "run", hostPath: { path: "/run/flannel" } },
      { name: "cni-plugin", hostPath: { path: "/opt/cni/bin" } },
      { name: "cni", hostPath: { path: "/etc/cni/net.d" } },
      { name: "flannel-cfg", configMap: { name: "kube-flannel-cfg" } },
    ],
    [
      install(
        "install-cni-plugin",
        cluster.images["flannel-cni-plugin"],
        ["cp", "-f", "/flannel", "/opt/cni/bin/flannel"],
        [{ name: "cni-plugin", mountPath: "/opt/cni/bin" }],
      ),
      install(
        "install-cni",
        cluster.images.flannel,
        ["cp", "-f", "/etc/kube-flannel/cni-conf.json", "/etc/cni/net.d/10-flannel.conflist"],
        [{ name: "cni", mountPath: "/etc/cni/net.d" }, config],
      ),
    ],
  );
  return {
    flannel: daemonSet,
    "flannel-cfg": {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "kube-flannel-cfg", namespace: "kube-system", labels: labelsOf("flannel") },
      data: {
        "cni-conf.json": `${JSON.stringify(cni, null, 2)}\n`,
        "net-conf.json": `${JSON.stringify(network, null, 2)}\n`,
      },
    },
    "flannel-sa": serviceAccount("flannel"),
    "flannel-cluster-role": role("ClusterRole", { name: "flannel" }, [
      { apiGroups: [""], resources: ["pods"], verbs: ["get"] },
      { apiGroups: [""], resources: ["nodes"], verbs: ["get", "list", "watch"] },
      { apiGroups: [""], resources: ["nodes/status"], verbs: ["patch"] },
    ]),
    "flannel-cluster-role-binding": clusterRoleBinding("flannel", "flannel"),
  };
}

/** A kubelet comes with the token, asks for a certificate, gets it without a person's nod, and renews it itself. */
export function joinManifests(token: BootstrapToken): Record<string, JsonObject> {
  return {
    "kubelet-bootstrap-token": {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: `bootstrap-token-${token.id}`, namespace: "kube-system" },
      type: "bootstrap.kubernetes.io/token",
      stringData: {
        "token-id": token.id,
        "token-secret": token.secret,
        "usage-bootstrap-authentication": "true",
      },
    },
    "csr-bootstrap-role-binding": groupBinding("system-bootstrap-node-bootstrapper", "system:node-bootstrapper", [
      "system:bootstrappers",
    ]),
    // Take this one away when nodes are to be approved by hand.
    "csr-approver-role-binding": groupBinding(
      "system-bootstrap-approve-node-client-csr",
      "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
      ["system:bootstrappers"],
    ),
    "csr-renewal-role-binding": groupBinding(
      "system-bootstrap-node-renewal",
      "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
      ["system:nodes"],
    ),
  };
}

function nodeDaemonSet(
  name: string,
  app: string,
  account: string,
  containers: readonly JsonObject[],
  volumes: readonly JsonObject[],
  initContainers: readonly JsonObject[] = [],
): JsonObject {
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name, namespace: "kube-system", labels: labelsOf(app) },
    spec: {
      selector: { matchLabels: labelsOf(app) },
      template: {
        metadata: { labels: labelsOf(app) },
        spec: {
          ...(initContainers.length === 0 ? {} : { initContainers }),
          containers,
          hostNetwork: true,
          priorityClassName: "system-node-critical",
          serviceAccountName: account,
          tolerations: EVERYWHERE,
          volumes,
        },
      },
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
    },
  };
}

const labelsOf = (app: string) => ({ tier: "node", "k8s-app": app });
