/** The command lines of the Kubernetes programs, for every minor version from 20 on: what a version does not know is not said to it. */

/** Long flags: `{ "secure-port": 6443 }` becomes `--secure-port=6443`. An undefined one is left out. */
export type Flags = Readonly<Record<string, string | number | boolean | undefined>>;

export function toArguments(flags: Flags): string[] {
  return Object.entries(flags).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`]));
}

export interface ApiServerSettings {
  readonly advertiseAddress: string;
  readonly port: number;
  readonly etcdServers: readonly string[];
  readonly etcd: { readonly ca: string; readonly certificate: string; readonly key: string };
  readonly clientCa: string;
  readonly serving: { readonly certificate: string; readonly key: string };
  readonly kubeletClient: { readonly certificate: string; readonly key: string };
  readonly serviceAccount: { readonly publicKey: string; readonly privateKey: string };
  readonly serviceCidr: string;
}

export function apiServerFlags(settings: ApiServerSettings): Flags {
  return {
    "advertise-address": settings.advertiseAddress,
    "allow-privileged": true,
    "authorization-mode": "Node,RBAC",
    "client-ca-file": settings.clientCa,
    "enable-admission-plugins": "NodeRestriction",
    "enable-bootstrap-token-auth": true,
    "etcd-cafile": settings.etcd.ca,
    "etcd-certfile": settings.etcd.certificate,
    "etcd-keyfile": settings.etcd.key,
    "etcd-servers": settings.etcdServers.join(","),
    "kubelet-client-certificate": settings.kubeletClient.certificate,
    "kubelet-client-key": settings.kubeletClient.key,
    "kubelet-preferred-address-types": "InternalIP,Hostname",
    profiling: false,
    "secure-port": settings.port,
    "service-account-issuer": "https://kubernetes.default.svc",
    "service-account-key-file": settings.serviceAccount.publicKey,
    "service-account-signing-key-file": settings.serviceAccount.privateKey,
    "service-cluster-ip-range": settings.serviceCidr,
    "tls-cert-file": settings.serving.certificate,
    "tls-private-key-file": settings.serving.key,
  };
}

export interface ControllerManagerSettings {
  readonly kubeconfig: string;
  readonly ca: { readonly certificate: string; readonly key: string };
  readonly serviceAccountPrivateKey: string;
  /** How long a silent node counts as healthy; the version's own default where undefined. */
  readonly nodeMonitorGraceSeconds?: number | undefined;
  /** Evicts the pods of a failed node all together after that time, as Kubernetes did before 1.13 and could until 1.26. */
  readonly podEvictionTimeoutSeconds?: number | undefined;
  /** Of each controller; the version's own default where undefined. */
  readonly requestsPerSecond?: number | undefined;
}

export function controllerManagerFlags(settings: ControllerManagerSettings): Flags {
  const { nodeMonitorGraceSeconds: grace, podEvictionTimeoutSeconds: timeout } = settings;
  return {
    "authentication-kubeconfig": settings.kubeconfig,
    "authorization-kubeconfig": settings.kubeconfig,
    "bind-address": "127.0.0.1",
    "cluster-signing-cert-file": settings.ca.certificate,
    "cluster-signing-key-file": settings.ca.key,
    controllers: "*,bootstrapsigner,tokencleaner",
    "enable-taint-manager": timeout === undefined ? undefined : false,
    ...requestRate(settings.requestsPerSecond),
    kubeconfig: settings.kubeconfig,
    "node-monitor-grace-period": grace === undefined ? undefined : `${grace}s`,
    "node-monitor-period": grace === undefined ? undefined : `${Math.max(1, Math.floor(grace / 4))}s`,
    "pod-eviction-timeout": timeout === undefined ? undefined : `${timeout}s`,
    "root-ca-file": settings.ca.certificate,
    "service-account-private-key-file": settings.serviceAccountPrivateKey,
    "use-service-account-credentials": true,
  };
}

export function schedulerFlags(kubeconfig: string, requestsPerSecond?: number): Flags {
  return {
    "authentication-kubeconfig": kubeconfig,
    "authorization-kubeconfig": kubeconfig,
    "bind-address": "127.0.0.1",
    ...requestRate(requestsPerSecond),
    kubeconfig,
  };
}

function requestRate(perSecond: number | undefined): Flags {
  return { "kube-api-qps": perSecond, "kube-api-burst": perSecond };
}

export interface KubeletSettings {
  readonly name: string;
  readonly address: string;
  readonly kubeconfig: string;
  /** With it the kubelet asks for a certificate of its own, and writes {@link kubeconfig} itself. */
  readonly bootstrapKubeconfig: string | undefined;
  readonly config: string;
  readonly runtimeEndpoint: string;
  readonly labels: Readonly<Record<string, string>>;
  /** As kubectl writes them: `key=value:Effect`. */
  readonly taints: readonly string[];
}

export function kubeletFlags(minor: number, settings: KubeletSettings): Flags {
  const labels = Object.entries(settings.labels).map(([key, value]) => `${key}=${value}`);
  return {
    "bootstrap-kubeconfig": settings.bootstrapKubeconfig,
    config: settings.config,
    "container-runtime": minor < 27 ? "remote" : undefined, // the only one since 1.24, and no longer a flag
    "container-runtime-endpoint": settings.runtimeEndpoint,
    "hostname-override": settings.name,
    kubeconfig: settings.kubeconfig,
    "node-ip": settings.address,
    "node-labels": labels.length > 0 ? labels.join(",") : undefined,
    "register-with-taints": settings.taints.length > 0 ? settings.taints.join(",") : undefined,
  };
}

export interface KubeletConfigSettings {
  readonly clientCa: string;
  readonly cgroupRoot: string;
  readonly staticPods: string;
  readonly resolvConf: string;
  readonly readOnlyPort: number;
  /** Whether the kubelet renews its certificate; with a bootstrap kubeconfig it then also runs static pods before it has the first. */
  readonly rotateCertificates: boolean;
}

/** The KubeletConfiguration, as an object: the kubelet refuses fields that its version does not know. */
export function kubeletConfig(minor: number, settings: KubeletConfigSettings): Record<string, unknown> {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: settings.clientCa },
    },
    authorization: { mode: "Webhook" },
    cgroupDriver: "cgroupfs",
    cgroupRoot: settings.cgroupRoot,
    clusterDNS: ["10.96.0.10"],
    clusterDomain: "cluster.local",
    enforceNodeAllocatable: [],
    evictionHard: { "memory.available": "20Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
    failSwapOn: false,
    fileCheckFrequency: "2s",
    imageGCHighThresholdPercent: 100, // there is no registry to bring an image back from
    nodeStatusUpdateFrequency: "3s", // a new node is Ready at its second report
    oomScoreAdj: 0,
    readOnlyPort: settings.readOnlyPort,
    resolvConf: settings.resolvConf,
    rotateCertificates: settings.rotateCertificates,
    serializeImagePulls: false,
    staticPodPath: settings.staticPods,
    ...(minor >= 25 && { localStorageCapacityIsolation: false }),
    ...(minor >= 31 && { failCgroupV1: false }),
  };
}
