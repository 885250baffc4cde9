/** Facts of a healthy cluster of three nodes, for tests of rules: each case changes what it is about. */
import { NOTHING_CAUGHT_UP } from "../src/diagnosis/caught-up.ts";
import type {
  CertificateFact,
  ClusterFacts,
  ComponentFacts,
  Facts,
  LocalComponent,
  LocalFacts,
  NodeFacts,
} from "../src/diagnosis/facts.ts";

export const NOW = Date.parse("2026-11-21T03:12:09Z");

export function component(name: ComponentFacts["name"], given: Partial<ComponentFacts> = {}): ComponentFacts {
  return {
    name,
    lease: {
      place: `lease kube-system/${name}`,
      holder: "master1_0f2b3c4d-0000-4000-8000-000000000001",
      renewed: NOW - 1000,
      durationSeconds: 15,
      renewedMeanwhile: undefined,
    },
    leaseDoubt: undefined,
    workload: { kind: "Deployment", namespace: "kube-system", name, replicas: 2 },
    pods: [
      {
        namespace: "kube-system",
        name: `${name}-abc`,
        node: "master1",
        phase: "Running",
        ready: true,
        isMirror: false,
        isRescuePod: false,
        waiting: undefined,
      },
    ],
    ...given,
  };
}

/** The same with a lease that nobody has renewed for 41 s. */
export function abandoned(name: ComponentFacts["name"], given: Partial<ComponentFacts> = {}): ComponentFacts {
  const lease = { ...component(name).lease!, renewed: NOW - 41_000, renewedMeanwhile: false };
  return component(name, { lease, ...given });
}

export function node(name: string, given: Partial<NodeFacts> = {}): NodeFacts {
  return {
    name,
    address: `10.0.0.${name.at(-1)}`,
    isControlPlaneNode: false,
    osImage: "Debian GNU/Linux 12 (bookworm)",
    machine: `machine-${name}`,
    ready: "True",
    since: NOW - 86_400_000,
    reason: "KubeletReady",
    message: "",
    cordoned: undefined,
    pods: undefined,
    ...given,
  };
}

export function cluster(given: Partial<ClusterFacts> = {}): ClusterFacts {
  return {
    now: NOW,
    minor: 20,
    staticPods: [],
    components: [component("kube-controller-manager"), component("kube-scheduler")],
    nodes: [node("node1"), node("node2"), node("node3")],
    podCount: 30,
    pendingPods: [],
    laggingDeployments: [],
    shortReplicaSets: [],
    caughtUp: NOTHING_CAUGHT_UP,
    webhooks: [],
    apiServices: [],
    namespaces: [],
    quotas: [],
    disruptionBudgets: [],
    unreadable: [],
    ...given,
  };
}

export function localComponent(name: LocalComponent["name"], given: Partial<LocalComponent> = {}): LocalComponent {
  return {
    name,
    process: { pid: 100, ageMilliseconds: 86_400_000, state: "alive" },
    flags: [],
    manifest: { path: `/etc/kubernetes/manifests/${name}.yaml`, fault: undefined },
    strayManifest: undefined,
    unit: undefined,
    log: undefined,
    port: 6443,
    portTakenBy: undefined,
    ...given,
  };
}

export function local(given: Partial<LocalFacts> = {}): LocalFacts {
  return {
    nodeName: "master1",
    kubelet: {
      process: { pid: 7, ageMilliseconds: 3_600_000, state: "alive" },
      installed: true,
      staticPods: "/etc/kubernetes/manifests",
    },
    components: [
      localComponent("etcd"),
      localComponent("kube-apiserver"),
      localComponent("kube-controller-manager"),
      localComponent("kube-scheduler"),
    ],
    serviceManager: "systemd",
    addresses: ["10.0.0.1"],
    files: [],
    lostCertificates: [],
    etcdData: { path: "/var/lib/etcd", isGuess: false, state: "member" },
    ...given,
  };
}

export function certificate(given: Partial<CertificateFact> = {}): CertificateFact {
  return {
    owner: "api-server",
    place: "/etc/kubernetes/pki/apiserver.crt",
    subject: "CN=kube-apiserver",
    fingerprint: "AA",
    notBefore: NOW - 86_400_000,
    notAfter: NOW + 300 * 86_400_000,
    isAuthority: false,
    files: undefined,
    keyMatches: undefined,
    ...given,
  };
}

export function facts(given: Partial<Facts> = {}): Facts {
  return {
    now: NOW,
    access: {},
    api: {
      server: "10.0.0.1:6443",
      source: "/root/.kube/config",
      isLocal: false,
      outcome: { state: "answers", version: "v1.20.2", readMilliseconds: 4, skewMilliseconds: 0, failedChecks: [] },
    },
    local: undefined,
    etcd: {
      endpoints: ["https://10.0.0.1:2379", "https://10.0.0.2:2379", "https://10.0.0.3:2379"],
      flags: ["--endpoints=https://10.0.0.1:2379"],
      recoverFlags: ["--etcd-servers=https://10.0.0.1:2379"],
      health: {
        healthy: true,
        voters: 3,
        answeringVoters: 3,
        quorum: 2,
        survivesLosses: 1,
        findings: [],
        members: [],
      },
    },
    cluster: cluster(),
    certificates: [certificate()],
    unknown: [],
    ...given,
  };
}
