import { describe, expect, test } from "vitest";
import {
  abandoned,
  certificate,
  cluster,
  component,
  facts,
  local,
  localComponent,
  NOW,
  node,
} from "../../test/healthy-facts.ts";
import { input } from "../errors/input.ts";
import { diagnose } from "./diagnose.ts";
import { judgeCluster, type MemberHealth } from "./etcd-health.ts";
import type { Facts, LocalComponent, LocalProcess } from "./facts.ts";

const names = (given: Facts) => diagnose(given).troubles.map(({ level, code }) => `${level} ${code}`);
const only = (given: Facts) => {
  const { troubles } = diagnose(given);
  expect(troubles.map(({ code }) => code)).toHaveLength(1);
  return troubles[0]!;
};

const unreachable = (isLocal: boolean): Facts["api"] => ({
  server: "10.0.0.1:6443",
  source: "/root/.kube/config",
  isLocal,
  outcome: { state: "unreachable", text: 'cannot reach the API server at "10.0.0.1:6443": nothing listens there' },
});

/** A machine whose API server does not answer, with changes to its components. */
function silentControlPlane(...changed: LocalComponent[]): Facts {
  const components = local().components.map((each) => changed.find(({ name }) => name === each.name) ?? each);
  return facts({ api: unreachable(true), cluster: undefined, local: local({ components }) });
}

/** That, with another kubelet. */
function withKubelet(process: LocalProcess, ...changed: LocalComponent[]): Facts {
  const found = silentControlPlane(...changed);
  return { ...found, local: { ...found.local!, kubelet: { ...found.local!.kubelet, process } } };
}

const dead = (name: LocalComponent["name"], given: Partial<LocalComponent> = {}) =>
  localComponent(name, { process: undefined, ...given });
const crashLog = (...lastLines: string[]) => ({
  path: "/var/log/pods/kube-system_kube-apiserver-master1_0a/kube-apiserver/7.log",
  staticPod: true,
  restarts: 7,
  lastLines,
  ageMilliseconds: 5000,
});

const FREED = { replicasToFree: 1, letsUnreadyGo: false };
const pending = (verdict: { reason: string; message: string } | undefined, schedulerName = "default-scheduler") => ({
  namespace: "default",
  name: "web-1",
  created: NOW - 60_000,
  schedulerName,
  node: "",
  verdict,
});
const short = (failure: string | undefined) => ({ namespace: "default", name: "web", wanted: 4, there: 2, failure });
const lagging = { namespace: "default", name: "web", generation: 3, observedGeneration: 2 };
const lost = node("node2", {
  ready: "Unknown",
  since: NOW - 50_000,
  pods: [
    { namespace: "default", name: "web-1", deleting: false, due: NOW + 250_000 },
    { namespace: "default", name: "web-2", deleting: true, due: undefined },
    { namespace: "kube-system", name: "kube-proxy", deleting: false, due: undefined },
  ],
});

const terminating = { namespace: "default", name: "db-0", deleting: true, due: undefined };
/** Renewed long ago, and good for almost an hour more. */
const kept = component("kube-scheduler", {
  lease: {
    place: "lease kube-system/kube-scheduler",
    holder: "gone_0f2b3c4d",
    renewed: NOW - 300_000,
    durationSeconds: 3600,
    renewedMeanwhile: false,
  },
});

describe("each failure is named, and nothing else", () => {
  test.each<[string, Facts, string[]]>([
    ["a healthy cluster", facts(), []],
    ["no kubeconfig, nothing known", facts({ api: undefined, cluster: undefined, etcd: undefined }), []],
    [
      "an API server elsewhere",
      facts({ api: unreachable(false), cluster: undefined }),
      ["error api-server-unreachable"],
    ],
    [
      "an API server that is gone from this machine",
      silentControlPlane(dead("kube-apiserver")),
      ["error kube-apiserver-not-running"],
    ],
    [
      "its manifest gone",
      silentControlPlane(dead("kube-apiserver", { manifest: undefined, log: crashLog() })),
      ["error kube-apiserver-manifest-missing"],
    ],
    [
      "its manifest elsewhere",
      silentControlPlane(dead("kube-apiserver", { manifest: undefined, strayManifest: "/root/kube-apiserver.yaml" })),
      ["error kube-apiserver-manifest-missing"],
    ],
    [
      "its manifest broken",
      silentControlPlane(dead("kube-apiserver", { manifest: { path: "/m.yaml", fault: "it is no YAML" } })),
      ["error kube-apiserver-manifest-invalid"],
    ],
    [
      "its container in a crash loop",
      silentControlPlane(dead("kube-apiserver", { log: crashLog("Error: unknown flag: --foo") })),
      ["error kube-apiserver-crash-loop"],
    ],
    [
      "its port taken",
      silentControlPlane(dead("kube-apiserver", { portTakenBy: { name: "nc", pid: 7 } })),
      ["error kube-apiserver-port-taken"],
    ],
    [
      "no kubelet to run anything",
      {
        ...silentControlPlane(dead("kube-apiserver"), dead("etcd")),
        local: local({
          kubelet: { process: undefined, installed: true, staticPods: "/etc/kubernetes/manifests" },
          components: [dead("etcd"), dead("kube-apiserver")],
        }),
      },
      ["error kubelet-stopped"],
    ],
    [
      "etcd behind it in a crash loop",
      {
        ...silentControlPlane(
          dead("etcd", { log: crashLog("panic") }),
          dead("kube-apiserver", { log: crashLog("no etcd") }),
        ),
        etcd: {
          ...facts().etcd!,
          endpoints: ["https://127.0.0.1:2379"],
          health: { error: "nothing listens there", hangs: false },
        },
      },
      ["error etcd-crash-loop"],
    ],
    [
      "etcd behind it out of reach",
      {
        ...silentControlPlane(dead("kube-apiserver", { log: crashLog("no etcd") })),
        etcd: { ...facts().etcd!, health: { error: "nothing listens there", hangs: false } },
      },
      ["error etcd-unreachable"],
    ],
    [
      "a self-hosted API server after a reboot",
      silentControlPlane(
        dead("kube-apiserver", { manifest: undefined, log: { ...crashLog(), staticPod: false, restarts: 0 } }),
      ),
      ["error kube-apiserver-not-running"],
    ],
    [
      "a self-hosted API server that crashes",
      silentControlPlane(dead("kube-apiserver", { manifest: undefined, log: { ...crashLog(), staticPod: false } })),
      ["error kube-apiserver-crash-loop"],
    ],
    [
      "a self-hosted API server after a reboot, that had crashed before",
      withKubelet(
        { pid: 7, ageMilliseconds: 4000, state: "alive" },
        dead("kube-apiserver", { manifest: undefined, log: { ...crashLog(), staticPod: false } }),
      ),
      ["error kube-apiserver-not-running"],
    ],
    [
      "an API server of this machine that is gone, while another answers",
      facts({ local: local({ components: [dead("kube-apiserver")] }) }),
      ["warning kube-apiserver-not-running"],
    ],
    [
      "a certificate that has expired in front of an API server",
      {
        ...facts({
          api: { ...unreachable(true)!, outcome: { state: "untrusted", text: "expired" } },
          cluster: undefined,
        }),
        certificates: [certificate({ notAfter: NOW - 1000 })],
      },
      ["error certificate-expired"],
    ],
    [
      "a client certificate that has expired",
      {
        ...facts({ api: { ...unreachable(true)!, outcome: { state: "denied", text: "who?" } }, cluster: undefined }),
        certificates: [certificate({ owner: "kubeconfig", notAfter: NOW - 1000 })],
      },
      ["error certificate-expired"],
    ],
    [
      "a certificate that expires",
      facts({ certificates: [certificate({ notAfter: NOW + 86_400_000 })] }),
      ["warning certificate-expires"],
    ],
    [
      "a key of another certificate",
      facts({ certificates: [certificate({ keyMatches: false })] }),
      ["error certificate-key-mismatch"],
    ],
    [
      "the same certificate in three places",
      facts({ certificates: ["a", "b", "c"].map((place) => certificate({ place, notAfter: NOW - 1 })) }),
      ["error certificate-expired"],
    ],
    [
      "a scheduler that is gone, and what it leaves undone",
      facts({
        cluster: cluster({
          components: [component("kube-controller-manager"), abandoned("kube-scheduler")],
          pendingPods: [pending(undefined)],
          disruptionBudgets: [{ namespace: "a", name: "b", allowed: 0, expected: 3, healthy: 1, desired: 2, ...FREED }],
        }),
      }),
      ["error scheduler-down"],
    ],
    [
      "a controller manager that is gone, and what it leaves undone",
      facts({
        cluster: cluster({
          components: [abandoned("kube-controller-manager"), component("kube-scheduler")],
          laggingDeployments: [lagging],
          shortReplicaSets: [short(undefined)],
          namespaces: [
            { name: "n", since: NOW - 60_000, conditions: [], finalizers: [], ownFinalizers: [], remaining: [] },
          ],
        }),
      }),
      ["error controller-manager-down"],
    ],
    [
      "both gone",
      facts({ cluster: cluster({ components: [abandoned("kube-controller-manager"), abandoned("kube-scheduler")] }) }),
      ["error controller-manager-down", "error scheduler-down"],
    ],
    [
      "a lease that is old by the clock, and was renewed while it was watched",
      facts({
        cluster: cluster({
          components: [
            component("kube-scheduler", {
              lease: { ...component("kube-scheduler").lease!, renewed: NOW - 600_000, renewedMeanwhile: true },
            }),
          ],
        }),
      }),
      [],
    ],
    [
      "a lease that there never was",
      facts({ cluster: cluster({ components: [component("kube-scheduler", { lease: undefined })] }) }),
      [],
    ],
    [
      "pods that a working scheduler says nothing of",
      facts({ cluster: cluster({ pendingPods: [pending(undefined)] }) }),
      ["error pods-ignored-by-scheduler"],
    ],
    [
      "pods of a scheduler that there is not",
      facts({
        cluster: cluster({
          components: [component("kube-controller-manager"), abandoned("kube-scheduler")],
          pendingPods: [pending(undefined, "mine")],
        }),
      }),
      ["error scheduler-down", "error pods-ignored-by-scheduler"],
    ],
    [
      "pods that fit nowhere",
      facts({ cluster: cluster({ pendingPods: [pending({ reason: "Unschedulable", message: "0/3" })] }) }),
      ["warning pods-unschedulable"],
    ],
    [
      "pods that fit nowhere since a node is lost",
      facts({
        cluster: cluster({ nodes: [lost], pendingPods: [pending({ reason: "Unschedulable", message: "0/3" })] }),
      }),
      ["error node-not-ready"],
    ],
    [
      "a Deployment that lags with a controller manager at work",
      facts({ cluster: cluster({ laggingDeployments: [lagging] }) }),
      ["error deployments-lagging"],
    ],
    [
      "a ReplicaSet that is short for a reason of its own",
      facts({ cluster: cluster({ shortReplicaSets: [short("no service account")] }) }),
      ["error replicasets-short"],
    ],
    [
      "a quota that refuses pods",
      facts({
        cluster: cluster({
          quotas: [{ namespace: "default", name: "tight", full: [{ resource: "pods", hard: "2", used: "2" }] }],
          shortReplicaSets: [
            short('pods "web" is forbidden: exceeded quota: tight, requested: pods=1, used: pods=2, limited: pods=2'),
          ],
        }),
      }),
      ["error quota-blocks"],
    ],
    [
      "a quota that is full and refuses nobody",
      facts({
        cluster: cluster({
          quotas: [{ namespace: "a", name: "b", full: [{ resource: "pods", hard: "2", used: "2" }] }],
        }),
      }),
      [],
    ],
    ["nodes that are lost", facts({ cluster: cluster({ nodes: [node("node1"), lost] }) }), ["error node-not-ready"]],
    [
      "many nodes that are lost are one trouble",
      facts({ cluster: cluster({ nodes: Array.from({ length: 9 }, (_, i) => ({ ...lost, name: `node${i}` })) }) }),
      ["error node-not-ready"],
    ],
    [
      "a node that holds pods for hours, one of these nodes that has a new name, and one that was lost a moment ago",
      facts({
        cluster: cluster({
          nodes: [
            { ...lost, name: "holding", since: NOW - 7_200_000, pods: [terminating] },
            { ...lost, name: "renamed", machine: "m", address: "10.0.0.1", since: NOW - 60_000 },
            node("node1", { machine: "m", address: "10.0.0.1" }),
            { ...lost, since: NOW - 600_000, pods: [terminating] },
            { ...lost, name: "idle", since: NOW - 7_200_000, pods: [] },
          ],
        }),
      }),
      ["error node-stale", "error node-stale", "error node-not-ready", "error node-not-ready"],
    ],
    [
      "clones of a machine, of which one is lost",
      facts({
        cluster: cluster({ nodes: [{ ...lost, machine: "m" }, node("node1", { machine: "m", address: "10.0.0.1" })] }),
      }),
      ["error node-not-ready"],
    ],
    [
      "many nodes that hold pods are one trouble",
      facts({
        cluster: cluster({
          nodes: Array.from({ length: 9 }, (_, i) => ({ ...lost, name: `n${i}`, since: 0, pods: [terminating] })),
        }),
      }),
      ["error node-stale"],
    ],
    [
      "a lease of a holder that is gone, which lasts for an hour",
      facts({ cluster: cluster({ minor: 36, components: [component("kube-controller-manager"), kept] }) }),
      ["error lease-stale"],
    ],
    [
      "the same, explaining what waits for the component",
      facts({
        cluster: cluster({
          minor: 36,
          components: [component("kube-controller-manager"), kept],
          pendingPods: [pending(undefined)],
        }),
      }),
      ["error lease-stale"],
    ],
    [
      "the same of a component that does not run, or of a Kubernetes whose candidates do not wait for it",
      facts({
        cluster: cluster({
          minor: 36,
          components: [
            component("kube-controller-manager", {
              lease: { ...kept.lease!, place: "lease kube-system/kube-controller-manager" },
              pods: [],
            }),
            component("kube-scheduler"),
          ],
        }),
      }),
      ["error controller-manager-down"],
    ],
    [
      "the same of a Kubernetes whose candidates do not wait for it",
      facts({ cluster: cluster({ minor: 26, components: [component("kube-controller-manager"), kept] }) }),
      ["error scheduler-down"],
    ],
    [
      "a node of this machine, without its kubelet",
      facts({
        local: local({
          nodeName: "node2",
          kubelet: { process: undefined, installed: true, staticPods: "/m" },
          components: [],
        }),
        cluster: cluster({ nodes: [lost] }),
      }),
      ["error kubelet-stopped"],
    ],
    [
      "a node cordoned a moment ago",
      facts({ cluster: cluster({ nodes: [node("node1", { cordoned: { since: NOW - 1000 } })] }) }),
      ["info node-cordoned"],
    ],
    [
      "a node cordoned and forgotten",
      facts({ cluster: cluster({ nodes: [node("node1", { cordoned: { since: NOW - 86_400_000 } })] }) }),
      ["warning node-cordoned"],
    ],
    [
      "a namespace held by a finalizer",
      facts({
        cluster: cluster({
          namespaces: [
            {
              name: "n",
              since: NOW - 60_000,
              conditions: [],
              finalizers: [],
              ownFinalizers: [],
              remaining: [{ resource: "widgets.example.com", name: "w", finalizers: ["example.com/hold"] }],
            },
          ],
        }),
      }),
      ["error namespace-stuck"],
    ],
    [
      "a namespace that cannot go since an aggregated API is dead",
      facts({
        cluster: cluster({
          apiServices: [
            { name: "v1.x", reason: "MissingEndpoints", message: "", service: undefined, deployment: undefined },
          ],
          namespaces: [
            {
              name: "n",
              since: NOW - 60_000,
              conditions: [{ type: "NamespaceDeletionDiscoveryFailure", message: "v1.x" }],
              finalizers: [],
              ownFinalizers: [],
              remaining: [],
            },
          ],
        }),
      }),
      ["error apiservice-unavailable"],
    ],
    [
      "a namespace that has begun to go",
      facts({
        cluster: cluster({
          namespaces: [
            { name: "n", since: NOW - 5000, conditions: [], finalizers: [], ownFinalizers: [], remaining: [] },
          ],
        }),
      }),
      [],
    ],
    [
      "a disruption budget that never allows anything",
      facts({
        cluster: cluster({
          disruptionBudgets: [{ namespace: "a", name: "b", allowed: 0, expected: 3, healthy: 3, desired: 3, ...FREED }],
        }),
      }),
      ["warning budget-allows-nothing"],
    ],
    [
      "a disruption budget of pods that nobody counts",
      facts({
        cluster: cluster({
          disruptionBudgets: [{ namespace: "a", name: "b", allowed: 0, expected: 0, healthy: 1, desired: 0, ...FREED }],
        }),
      }),
      ["warning budget-allows-nothing"],
    ],
    [
      "a disruption budget of nothing",
      facts({
        cluster: cluster({
          disruptionBudgets: [{ namespace: "a", name: "b", allowed: 0, expected: 0, healthy: 0, desired: 0, ...FREED }],
        }),
      }),
      [],
    ],
    [
      "an API server that fails a check",
      facts({
        api: {
          ...facts().api!,
          outcome: { ...answers, failedChecks: [{ name: "poststarthook/x", reason: "not finished" }] },
        },
      }),
      ["error api-server-not-ready"],
    ],
    [
      "an API server that is slow",
      facts({ api: { ...facts().api!, outcome: { ...answers, readMilliseconds: 2500 } } }),
      ["warning api-server-slow"],
    ],
    [
      "clocks that differ",
      facts({ api: { ...facts().api!, outcome: { ...answers, skewMilliseconds: -90_000 } } }),
      ["warning clocks-differ"],
    ],
  ])("%s", (_, given, expected) => {
    expect(names(given)).toEqual(expected);
  });
});

const answers = {
  state: "answers",
  version: "v1.20.2",
  readMilliseconds: 4,
  skewMilliseconds: 0,
  failedChecks: [],
} as const;

describe("what mends it", () => {
  const down = (...components: ReturnType<typeof component>[]) => facts({ cluster: cluster({ components }) });

  test.each<[string, Facts, string[]]>([
    ["a Deployment", down(abandoned("kube-scheduler")), ["kubemend rescue scheduler"]],
    [
      "both",
      down(abandoned("kube-scheduler"), abandoned("kube-controller-manager")),
      ["kubemend rescue scheduler controller-manager", "kubemend rescue scheduler controller-manager"],
    ],
    [
      "a Deployment scaled to 0",
      down(
        abandoned("kube-scheduler", {
          workload: { kind: "Deployment", namespace: "kube-system", name: "kube-scheduler", replicas: 0 },
          pods: [],
        }),
      ),
      ["kubemend rescue scheduler"],
    ],
    [
      "a program elsewhere",
      down(abandoned("kube-scheduler", { workload: undefined, pods: [] })),
      ["ssh master1 sudo systemctl restart kube-scheduler"],
    ],
    [
      "a program here",
      { ...down(abandoned("kube-scheduler", { workload: undefined, pods: [] })), local: local({ components: [] }) },
      ["sudo systemctl restart kube-scheduler"],
    ],
    [
      "with the kubeconfig that was given",
      { ...down(abandoned("kube-scheduler")), access: { kubeconfig: "/tmp/a b", context: "x" } },
      [`kubemend rescue scheduler '${input("kubeconfig")}=/tmp/a b' ${input("context")}=x`],
    ],
    [
      "a flag that is unknown",
      silentControlPlane(dead("kube-apiserver", { log: crashLog("Error: unknown flag: --foo") })),
      ["sudo sed -i '/- --foo\\(=\\|$\\)/d' /etc/kubernetes/manifests/kube-apiserver.yaml"],
    ],
    [
      "a manifest that was put aside",
      silentControlPlane(dead("kube-apiserver", { manifest: undefined, strayManifest: "/root/kube-apiserver.yaml" })),
      ["sudo mv /root/kube-apiserver.yaml /etc/kubernetes/manifests/"],
    ],
    [
      "a manifest that is lost, with etcd alive",
      silentControlPlane(dead("kube-apiserver", { manifest: undefined, log: crashLog() })),
      [
        `sudo kubemend recover ${input("recoveryDir")}=/var/lib/kubemend/recovered ${input("force")} --etcd-servers=https://10.0.0.1:2379`,
        "sudo cp /var/lib/kubemend/recovered/nodes/master1/manifests/kube-apiserver.yaml /etc/kubernetes/manifests/",
      ],
    ],
    [
      "a port that is taken",
      silentControlPlane(dead("kube-apiserver", { portTakenBy: { name: "nc", pid: 7 } })),
      ["sudo kill 7"],
    ],
    [
      "a key of another certificate, with the authority's key here",
      facts({
        certificates: [
          certificate({
            keyMatches: false,
            keyPlace: "/pki/apiserver.key",
            files: {
              certificate: "/pki/apiserver.crt",
              authority: { certificate: "/pki/ca.crt", key: "/pki/ca.key" },
            },
          }),
        ],
      }),
      [
        `sudo kubemend certificate renew /pki/apiserver.crt ${input("key")}=/pki/apiserver.key ` +
          `${input("caCert")}=/pki/ca.crt ${input("caKey")}=/pki/ca.key`,
      ],
    ],
    [
      "a certificate whose authority's key is here",
      facts({
        certificates: [
          certificate({
            notAfter: NOW - 1,
            files: { certificate: "/pki/apiserver.crt", authority: { certificate: "/pki/ca.crt", key: "/pki/ca.key" } },
          }),
        ],
      }),
      [
        `sudo kubemend certificate renew /pki/apiserver.crt ${input("caCert")}=/pki/ca.crt ${input("caKey")}=/pki/ca.key`,
      ],
    ],
    [
      "a quota, raised by what is missing",
      facts({
        cluster: cluster({
          quotas: [{ namespace: "default", name: "q", full: [] }],
          shortReplicaSets: [
            short(
              "exceeded quota: q, requested: pods=1,requests.memory=512Mi, used: pods=2,requests.memory=1Gi, " +
                "limited: pods=2,requests.memory=1Gi",
            ),
          ],
        }),
      }),
      [`kubectl -n default patch quota q --type=merge '-p={"spec":{"hard":{"pods":"4","requests.memory":"2Gi"}}}'`],
    ],
  ])("%s", (_, given, expected) => {
    expect(diagnose(given).troubles.flatMap(({ commands }) => commands)).toEqual(expected);
  });
});

describe("a disruption budget", () => {
  const advice = (replicasToFree: number | undefined, healthy: number) => {
    const budget = { namespace: "a", name: "b", allowed: 0, expected: 3, healthy, desired: 3 };
    const disruptionBudgets = [{ ...budget, replicasToFree, letsUnreadyGo: false }];
    return only(facts({ cluster: cluster({ disruptionBudgets }) })).advice;
  };
  test("is helped by replicas where they help", () => {
    expect(advice(2, 3)).toBe("or run 2 pods more");
    expect(advice(undefined, 3)).toBe("more replicas never help: what must be healthy grows with them");
    expect(advice(undefined, 2)).toContain("unhealthyPodEvictionPolicy: AlwaysAllow");
  });
});

describe("evidence", () => {
  test("of a pod that is Running and Ready and does not renew", () => {
    const { evidence } = only(facts({ cluster: cluster({ components: [abandoned("kube-scheduler")] }) }));
    expect(evidence).toEqual([
      'lease kube-system/kube-scheduler: held by "master1_0f2b3c4d-0000-4000-8000-000000000001", renewed 41 s ago, though it lasts 15 s',
      "pod kube-system/kube-scheduler-abc on master1 is Running and Ready, and does not renew",
    ]);
  });

  test("of a crash are its last words", () => {
    const { evidence } = only(silentControlPlane(dead("kube-apiserver", { log: crashLog("one", "two") })));
    expect(evidence).toContain("  two");
  });
});

describe("a lost node", () => {
  test("tells when its pods are evicted, and which cannot end", () => {
    const { text, evidence } = only(facts({ cluster: cluster({ nodes: [lost] }) }));
    expect(text).toBe('node "node2" is not ready since 50 s: its kubelet has stopped reporting');
    expect(evidence).toEqual([
      "1 pod of it is evicted from 03:16:19Z on, in 4 min",
      "1 pod of it cannot end while its kubelet does not confirm: Terminating or Unknown",
    ]);
  });
});

describe("areas", () => {
  test("are told apart: well, broken, and not known", () => {
    const { areas, healthy } = diagnose(facts({ api: unreachable(false), cluster: undefined }));
    expect(healthy).toBe(false);
    expect(areas.map(({ area, state }) => `${area} ${state}`)).toEqual([
      "api-server broken",
      "etcd ok",
      "scheduler unknown",
      "controller-manager unknown",
      "nodes unknown",
      "workloads unknown",
      "blockers unknown",
      "certificates ok",
    ]);
  });

  test("mention quotas that are used up", () => {
    const quotas = [{ namespace: "a", name: "b", full: [{ resource: "pods", hard: "2", used: "2" }] }];
    const { areas } = diagnose(facts({ cluster: cluster({ quotas }) }));
    const blockers = areas.find(({ area }) => area === "blockers");
    expect(blockers).toMatchObject({ state: "ok", text: expect.stringContaining("refusing nobody: quota a/b") });
  });

  test("do not call well what nobody has ever led", () => {
    const components = [component("kube-scheduler", { lease: undefined })];
    const { areas, troubles } = diagnose(facts({ cluster: cluster({ components }) }));
    expect(troubles).toEqual([]);
    expect(areas.find(({ area }) => area === "scheduler")).toMatchObject({ state: "unknown" });
  });

  test("say what could not be learned", () => {
    const unknown = [{ area: "blockers" as const, text: "quotas: forbidden" }];
    const { areas } = diagnose(facts({ unknown }));
    expect(areas.find(({ area }) => area === "blockers")).toEqual({
      area: "blockers",
      state: "unknown",
      text: "quotas: forbidden",
    });
  });
});

describe("etcd", () => {
  const status = {
    version: "3.5.16",
    dbSize: 1,
    dbSizeInUse: 1,
    dbSizeQuota: null,
    leader: "1",
    clusterId: "c",
    raftTerm: 1,
    raftIndex: 9,
    raftAppliedIndex: 9,
    revision: 9,
    errors: [],
    latencyMilliseconds: 1,
    hash: null,
  };
  const member = (id: string, answers: boolean): MemberHealth => ({
    id,
    name: `etcd${id}`,
    isLearner: false,
    endpoint: `https://10.0.0.${id}:2379`,
    status: answers ? status : null,
    error: answers ? null : "nothing listens there",
    hangs: false,
  });
  const withMembers = (members: MemberHealth[], alarms: Parameters<typeof judgeCluster>[1] = []): Facts =>
    facts({ etcd: { ...facts().etcd!, health: { ...judgeCluster(members, alarms), members } } });

  test.each<[string, Facts, string[], string[]]>([
    ["all there", withMembers(["1", "2", "3"].map((id) => member(id, true))), [], []],
    [
      "one gone",
      withMembers([member("1", true), member("2", false), member("3", true)]),
      ["error etcd-member-unreachable"],
      ["ssh 10.0.0.2 sudo systemctl start etcd"],
    ],
    [
      "the quorum gone",
      withMembers([member("1", true), member("2", false), member("3", false)]),
      ["error etcd-quorum-lost"],
      ["ssh 10.0.0.2 sudo systemctl start etcd", "ssh 10.0.0.3 sudo systemctl start etcd"],
    ],
    [
      "full",
      withMembers([member("1", true)], [{ memberId: "1", type: "NOSPACE" }]),
      ["error etcd-alarm-nospace"],
      [`compact ${input("physical")} 9`, `defrag ${input("cluster")}`, "alarm disarm"].map(
        (words) => `kubemend etcd ${words} --endpoints=https://10.0.0.1:2379`,
      ),
    ],
    [
      "two full, and leaders that cannot renew",
      {
        ...withMembers(
          ["1", "2", "3"].map((id) => member(id, true)),
          ["1", "3"].map((memberId) => ({ memberId, type: "NOSPACE" })),
        ),
        api: {
          ...facts().api!,
          outcome: { ...answers, failedChecks: [{ name: "poststarthook/rbac/bootstrap-roles", reason: "withheld" }] },
        },
        cluster: cluster({ components: [abandoned("kube-controller-manager"), abandoned("kube-scheduler")] }),
      },
      ["error etcd-alarm-nospace"],
      [`compact ${input("physical")} 9`, `defrag ${input("cluster")}`, "alarm disarm"].map(
        (words) => `kubemend etcd ${words} --endpoints=https://10.0.0.1:2379`,
      ),
    ],
  ])("%s", (_, given, expected, commands) => {
    expect(names(given)).toEqual(expected);
    expect(diagnose(given).troubles.flatMap((each) => each.commands)).toEqual(commands);
  });
});

test("what is stale is named with the command that removes it", () => {
  const holding = { ...lost, name: "holding", since: NOW - 7_200_000, pods: [terminating] };
  const renamed = { ...lost, name: "renamed", machine: "m", address: "10.0.0.1" };
  const nodes = [holding, renamed, node("node1", { machine: "m", address: "10.0.0.1" })];
  const components = [component("kube-controller-manager"), kept];
  const { troubles } = diagnose(facts({ cluster: cluster({ minor: 36, nodes, components }) }));
  expect(troubles.map(({ text, commands, advice }) => [text, ...commands, advice])).toEqual([
    [
      'no scheduler works: lease kube-system/kube-scheduler is held by "gone_0f2b3c4d", which has not renewed it for 5 min',
      "kubectl -n kube-system delete lease kube-scheduler",
      expect.stringContaining(` ${input("remove")} lease/kube-scheduler -n kube-system`),
    ],
    [
      'node "holding" has not reported for 2 h, and holds pods that cannot end',
      "kubectl delete node holding",
      expect.stringMatching(
        /only if the machine is gone .*; else restart its kubelet: ssh 10\.0\.0\.2 .*node\/holding$/,
      ),
    ],
    [
      'node "renamed" has not reported for 50 s: its machine is node "node1" now',
      "kubectl delete node renamed",
      expect.not.stringContaining("only if"),
    ],
  ]);
});
