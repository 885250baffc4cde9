/** Cluster DNS: CoreDNS in two pods behind the service address that kubelets give to pods. */
import { defined } from "../../errors/defined.ts";
import type { JsonObject } from "../../kube/object.ts";
import { clusterRoleBinding, role, serviceAccount } from "./access.ts";
import type { Cluster } from "./cluster.ts";
import { CONTROL_PLANE_TOLERATIONS } from "./control-plane-manifests.ts";

const COREFILE = `.:53 {
    errors
    health {
        lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
        max_concurrent 1000
    }
    cache 30
    loop
    reload
    loadbalance
}
`;

/** `kube-dns` is what everything looks for by label, whatever the program behind it. */
const LABELS = { "k8s-app": "kube-dns" };

export function dnsManifests(cluster: Cluster): Record<string, JsonObject> {
  return {
    "coredns-config": {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "coredns", namespace: "kube-system" },
      data: { Corefile: COREFILE },
    },
    "coredns-service-account": serviceAccount("coredns"),
    "coredns-cluster-role": role("ClusterRole", { name: "system:coredns" }, [
      { apiGroups: [""], resources: ["endpoints", "services", "pods", "namespaces"], verbs: ["list", "watch"] },
      { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"] },
    ]),
    "coredns-cluster-role-binding": clusterRoleBinding("coredns", "system:coredns"),
    "coredns-deployment": deployment(cluster),
    "coredns-service": {
      apiVersion: "v1",
      kind: "Service",
      metadata: {
        name: "kube-dns",
        namespace: "kube-system",
        labels: { ...LABELS, "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS" },
      },
      spec: {
        selector: LABELS,
        clusterIP: defined(cluster.dnsAddresses[0]),
        ...(cluster.dnsAddresses.length > 1
          ? { clusterIPs: cluster.dnsAddresses, ipFamilyPolicy: "RequireDualStack" }
          : {}),
        ports: [
          { name: "dns", port: 53, protocol: "UDP" },
          { name: "dns-tcp", port: 53, protocol: "TCP" },
          { name: "metrics", port: 9153, protocol: "TCP" },
        ],
      },
    },
  };
}

function deployment(cluster: Cluster): JsonObject {
  const probe = (path: string, port: number) => ({ httpGet: { path, port }, timeoutSeconds: 5 });
  const container = {
    name: "coredns",
    image: cluster.images.coredns,
    imagePullPolicy: "IfNotPresent",
    args: ["-conf", "/etc/coredns/Corefile"],
    livenessProbe: { ...probe("/health", 8080), initialDelaySeconds: 60 },
    ports: [
      { name: "dns", containerPort: 53, protocol: "UDP" },
      { name: "dns-tcp", containerPort: 53, protocol: "TCP" },
      { name: "metrics", containerPort: 9153, protocol: "TCP" },
    ],
    readinessProbe: probe("/ready", 8181),
    resources: { limits: { memory: "170Mi" }, requests: { cpu: "100m", memory: "70Mi" } },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { add: ["NET_BIND_SERVICE"], drop: ["ALL"] },
      readOnlyRootFilesystem: true,
    },
    volumeMounts: [{ name: "config", mountPath: "/etc/coredns", readOnly: true }],
  };
  const elsewhere = { labelSelector: { matchLabels: LABELS }, topologyKey: "kubernetes.io/hostname" };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "coredns", namespace: "kube-system", labels: LABELS },
    spec: {
      replicas: 2,
      selector: { matchLabels: LABELS },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
      template: {
        metadata: { labels: LABELS },
        spec: {
          affinity: {
            podAntiAffinity: {
              preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: elsewhere }],
            },
          },
          containers: [container],
          dnsPolicy: "Default",
          priorityClassName: "system-cluster-critical",
          serviceAccountName: "coredns",
          tolerations: CONTROL_PLANE_TOLERATIONS,
          volumes: [{ name: "config", configMap: { name: "coredns", items: [{ key: "Corefile", path: "Corefile" }] } }],
        },
      },
    },
  };
}
