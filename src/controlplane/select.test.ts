import { expect, test } from "vitest";
import {
  answeredObjects,
  companions,
  configMap,
  mirrorPod,
  node,
  object,
  secret,
  workload,
} from "../../test/cluster-objects.ts";
import type { MendError } from "../errors/errors.ts";
import { input } from "../errors/input.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import type { SelfHostedControlPlane } from "./flavours/self-hosted.ts";
import type { StaticPodControlPlane } from "./flavours/static-pods.ts";
import { dataNamespaces, type SelectOptions, selectControlPlane } from "./select.ts";

const selfHosted = (objects: Iterable<KubeObject>, options?: SelectOptions) =>
  selectControlPlane(objects, options) as SelfHostedControlPlane;
const staticPods = (objects: Iterable<KubeObject>) => selectControlPlane(objects) as StaticPodControlPlane;
const failure = (objects: Iterable<KubeObject>, options?: SelectOptions): MendError => {
  try {
    selectControlPlane(objects, options);
  } catch (error) {
    return error as MendError;
  }
  throw new Error("expected an error");
};
const secretVolume = (name: string, more = {}) => ({ name: "secrets", secret: { secretName: name, ...more } });

test("a real self-hosted cluster, as its API server answered", () => {
  const plane = selfHosted(answeredObjects("selfhosted-k120/kube-system.json.gz"));
  expect(plane.flavour).toBe("self-hosted");
  expect(plane.workloads.map((each) => `${each.kind} ${each.name}`)).toEqual([
    "DaemonSet kube-apiserver",
    "Deployment kube-controller-manager",
    "Deployment kube-scheduler",
  ]);
  expect(plane.versions).toEqual(["v1.20.2"]);
  expect([...plane.data.keys()].sort()).toEqual([
    "ConfigMap kube-system/kubeconfig-in-cluster",
    "Secret kube-system/kube-apiserver",
    "Secret kube-system/kube-controller-manager",
  ]);
  expect(plane.missing).toEqual([]);
});

test("a real kubeadm cluster, with what is left of a self-hosted one in it", () => {
  const plane = staticPods(answeredObjects("kubeadm-k120/pods.json.gz"));
  expect(plane.flavour).toBe("static-pods");
  expect(plane.nodes.map((each) => [each.name, each.pods.map((pod) => pod.name)])).toEqual([
    ["node1", ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]],
  ]);
  expect(plane.versions).toEqual(["v1.20.2"]);
});

test.each([
  ["extensions/v1beta1", { component: "kube-apiserver" }],
  ["apps/v1beta2", { "k8s-app": "kube-apiserver" }],
  ["apps/v1", { app: "api" }],
])("a DaemonSet of %s labelled %j", (apiVersion, labels) => {
  const plane = selfHosted([workload("kube-apiserver", { apiVersion, labels }), ...companions({ apiVersion })]);
  expect(plane.workloads.map((each) => each.component)).toEqual([
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
  ]);
});

test("a labelled component is preferred to one that only runs its program", () => {
  const second = object("apps/v1", "Deployment", "kube-system/my-scheduler", {
    metadata: { labels: { component: "scheduler" } },
    spec: { template: { spec: { containers: [{ name: "second", command: ["kube-scheduler"] }] } } },
  });
  const plane = selfHosted([second, workload("kube-apiserver"), ...companions()]);
  expect(plane.workloads.map((each) => each.name)).not.toContain("my-scheduler");
});

test("components in another namespace, and in two", () => {
  const blue = [workload("kube-apiserver", { namespace: "blue" }), ...companions({ namespace: "blue" })];
  const green = [workload("kube-apiserver", { namespace: "green" }), ...companions({ namespace: "green" })];
  expect(selfHosted(blue).namespace).toBe("blue");
  expect(failure([...blue, ...green])).toMatchObject({
    code: "control-plane-not-found",
    message: 'found control planes in 2 namespaces: "blue", "green"',
    hint: `choose one with ${input("namespace")}`,
  });
  expect(selfHosted([...blue, ...green], { namespace: "green" }).namespace).toBe("green");
  expect(dataNamespaces([...blue, ...green])).toEqual(["blue", "green", "kube-system"]);
});

test("control planes hosted for other clusters do not hide this cluster's own", () => {
  const hosted = ["a", "b"].flatMap((namespace) => [
    workload("kube-apiserver", { namespace }),
    ...companions({ namespace }),
  ]);
  const own = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"].map((each) => mirrorPod(each, "m1"));
  expect(selectControlPlane([...hosted, ...own]).flavour).toBe("static-pods");
});

test("everything missing is listed at once, sorted, each thing once with all who need it", () => {
  const objects = [
    workload("kube-apiserver", {
      spec: { volumes: [secretVolume("b"), { name: "config", configMap: { name: "a" } }] },
    }),
    workload("kube-scheduler", {
      spec: { volumes: [secretVolume("b"), secretVolume("c", { items: [{ key: "x", path: "x" }] })] },
      container: {
        env: [{ name: "V", valueFrom: { secretKeyRef: { name: "b", key: "k" } } }],
        envFrom: [{ configMapRef: { name: "e" } }],
      },
    }),
    secret("kube-system/c", { y: "1" }),
    secret("default/b", { k: "of another namespace" }),
  ];
  expect(selectControlPlane(objects).missing.map((each) => each.text)).toEqual([
    'config map "kube-system/a" is missing: needed by kube-apiserver volume "config"',
    'config map "kube-system/e" is missing: needed by kube-scheduler environment of container "kube-scheduler"',
    'secret "kube-system/b" is missing: needed by kube-apiserver volume "secrets", kube-scheduler ' +
      'volume "secrets", kube-scheduler environment variable "V" of container "kube-scheduler"',
    'secret "kube-system/c" has no key "x": needed by kube-scheduler volume "secrets"',
    'component "kube-controller-manager" is missing',
  ]);
});

test("optional references need not be met, and all the more projected ones must", () => {
  const volumes = [
    secretVolume("gone", { optional: true }),
    { name: "all", projected: { sources: [{ secret: { name: "s" } }, { configMap: { name: "c", optional: true } }] } },
  ];
  const { missing } = selectControlPlane([workload("kube-apiserver", { spec: { volumes } }), ...companions()]);
  expect(missing.map((each) => each.name)).toEqual(["s"]);
});

test("an encrypted secret is not called missing", () => {
  const sealed = [
    { kind: "Secret", namespace: "kube-system", name: "s", state: "encrypted", text: 'with aescbc key "k1"' },
  ] as const;
  const objects = [
    workload("kube-apiserver", { spec: { volumes: [secretVolume("s", { optional: true })] } }),
    ...companions(),
  ];
  expect(selectControlPlane(objects, { sealed }).missing).toMatchObject([
    {
      reason: "encrypted",
      text: 'secret "kube-system/s" is encrypted: with aescbc key "k1": needed by kube-apiserver volume "secrets"',
    },
  ]);
});

test("several masters, one of which lacks its scheduler and one of which is gone; a load balancer beside them", () => {
  const objects = [
    ...["m1", "m2", "m3"].map((name) => node(name)).slice(0, 2),
    ...["m3", "m1", "m2"].flatMap((name) =>
      ["kube-apiserver", "kube-controller-manager", "etcd"].map((each) => mirrorPod(each, name)),
    ),
    mirrorPod("kube-scheduler", "m1"),
    mirrorPod("kube-scheduler", "m3"),
    mirrorPod("kube-vip", "m1", { labels: {} }),
    mirrorPod("nginx-proxy", "worker", { labels: {} }),
  ];
  const plane = staticPods(objects);
  expect(plane.controlPlaneNodes).toEqual(["m1", "m2", "m3"]);
  expect(plane.nodes[0]!.pods.map((pod) => [pod.name, pod.component])).toContainEqual(["kube-vip", undefined]);
  expect(plane.findings.map((each) => `${each.where} ${each.text}`)).toEqual([
    "node m2 runs no kube-scheduler, which other control-plane nodes do",
    "node m3 has mirror pods but is not among the cluster's nodes: it was removed, or renamed",
  ]);
});

test("kubeadm with etcd outside: nothing is missing, and it is reported where etcd is", () => {
  const command = ["kube-apiserver", "--etcd-servers=https://e1:2379,https://e2:2379"];
  const spec = { containers: [{ name: "kube-apiserver", image: "kube-apiserver:v1.30.1", command }] };
  const plane = staticPods([
    mirrorPod("kube-apiserver", "m1", { spec }),
    ...["kube-controller-manager", "kube-scheduler"].map((each) => mirrorPod(each, "m1")),
  ]);
  expect(plane.missing).toEqual([]);
  expect(plane.findings).toMatchObject([
    { code: "etcd-external", text: expect.stringContaining("https://e1:2379, https://e2:2379") },
  ]);
});

test("checkpoints and bootstrap pods in a self-hosted cluster are no static control plane", () => {
  const checkpoint = mirrorPod("kube-apiserver", "m1", {
    annotations: { "checkpointer.alpha.coreos.com/checkpoint-of": "kube-apiserver" },
  });
  const bootstrap = mirrorPod("bootstrap-kube-apiserver", "m1", { labels: { component: "kube-apiserver" } });
  expect(selectControlPlane([checkpoint, bootstrap, workload("kube-apiserver"), ...companions()]).flavour).toBe(
    "self-hosted",
  );
  expect(failure([checkpoint, bootstrap])).toMatchObject({
    code: "control-plane-not-found",
    message: expect.stringContaining("2 mirror pods (2 of them temporary)"),
  });
});

test("what other distributions run: RKE2's static pods; k3s and k0s have none, and the hint says so", () => {
  const names = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "cloud-controller-manager",
    "kube-proxy",
  ];
  expect(
    staticPods(names.map((each) => mirrorPod(each, "rke2-server-0"))).nodes[0]!.pods.map((pod) => pod.name),
  ).toEqual(names.sort());
  const k3s = node("n1", { "node-role.kubernetes.io/control-plane": "true", "k3s.io/hostname": "n1" });
  expect(failure([k3s]).hint).toContain("this is a k3s cluster");
  expect(failure([node("n1", { "node.k0sproject.io/role": "control-plane" })]).hint).toContain("this is a k0s cluster");
});

test.each([
  ["MicroK8s by its label", node("n1", { "microk8s.io/cluster": "true" }), "a MicroK8s cluster", "microk8s start"],
  ["MicroK8s by its role", node("n1", { "node.kubernetes.io/microk8s-controlplane": "x" }), "a MicroK8s cluster", ""],
  [
    "RKE by its annotation",
    object("v1", "Node", "n1", {
      metadata: { annotations: { "rke.cattle.io/internal-ip": "10.0.0.1" } } as JsonObject,
    }),
    "an RKE cluster",
    "rke etcd snapshot-restore",
  ],
])("%s", (_, mark, what, instead) => {
  const { code, message, hint } = failure([mark, node("n2")]);
  expect(code).toBe("control-plane-not-found");
  expect(message).toContain(what);
  expect(hint).toContain(instead);
  expect(hint).not.toContain("older snapshot");
});

test("self-hosted components beside an etcd that is a static pod: its manifest belongs to it", () => {
  const objects = [
    workload("kube-apiserver"),
    ...companions(),
    mirrorPod("etcd", "m1"),
    mirrorPod("proxy", "m1"),
    mirrorPod("etcd", "m0"),
  ];
  const plane = selectControlPlane(objects);
  expect(plane.flavour).toBe("self-hosted");
  if (plane.flavour === "static-pods") throw new Error("it is not");
  expect(plane.nodes.map(({ name, pods }) => [name, pods.map((pod) => pod.name)])).toEqual([
    ["m0", ["etcd"]],
    ["m1", ["etcd"]],
  ]);
});

test("services of a machine, by the lease of its scheduler, unless its objects were deleted", () => {
  const lease = object("coordination.k8s.io/v1", "Lease", "kube-system/kube-scheduler", {
    spec: { holderIdentity: "master-7_a-b" },
  });
  const { hint } = failure([lease, node("n2")]);
  expect(hint).toContain('was last led from "master-7": where they are services there (systemd)');
  expect(hint).toContain("else try an older snapshot");
});

test("OpenShift's static pods: by the pod's name, by its container's, or by what stands behind a launcher", () => {
  const pod = (name: string, container: string, command: readonly string[]) =>
    mirrorPod(name, "m0", {
      labels: { app: `openshift-${container}`, revision: "7" },
      spec: { nodeName: "m0", containers: [{ name: container, image: "quay.io/x@sha256:1", command }] },
    });
  const launched = [
    "/bin/bash",
    "-ec",
    "exec watch-termination --a=b -- hyperkube kube-apiserver --etcd-servers=https://10.0.0.1:2379",
  ];
  const plane = staticPods([
    pod("kube-apiserver", "kube-apiserver", launched),
    pod("openshift-kube-scheduler", "kube-scheduler", ["/run.sh"]),
    pod("kube-controller-manager", "controller", ["/run.sh"]),
    pod("etcd", "etcd", [
      "/bin/sh",
      "-c",
      "exec nice -n -19 ionice -c2 -n0 etcd --logger=zap --data-dir=/var/lib/etcd",
    ]),
  ]);
  expect(plane.nodes[0]!.pods.map(({ component }) => component)).toEqual([
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
  ]);
  expect(plane.missing).toEqual([]);
});

test("nothing at all", () => {
  expect(failure([])).toMatchObject({
    code: "control-plane-not-found",
    message: expect.stringContaining("0 nodes, 0 pods, 0 mirror pods"),
  });
  expect(failure([node("n1")], { podCount: 12 }).message).toContain("1 node, 12 pods, 0 mirror pods");
});

test("workloads that cannot be read for want of a key", () => {
  const sealed = [
    {
      kind: "DaemonSet",
      namespace: "kube-system",
      name: "kube-apiserver",
      state: "encrypted",
      text: 'with aesgcm key "a"',
    },
  ] as const;
  expect(failure([], { sealed })).toMatchObject({
    code: "encryption-key-missing",
    hint: expect.stringContaining(input("encryptionConfig")),
  });
});

test("the last sign of life is the latest of leases, heartbeats, leaders and creations", () => {
  const lease = object("coordination.k8s.io/v1", "Lease", "kube-node-lease/n1", {
    spec: { renewTime: "2026-11-21T03:00:00.5Z" },
  });
  const leader = object("v1", "Endpoints", "kube-system/kube-scheduler", {
    metadata: { annotations: { "control-plane.alpha.kubernetes.io/leader": '{"renewTime":"2026-11-21T03:00:01Z"}' } },
  });
  const broken = configMap("kube-system/x", {});
  const objects = [workload("kube-apiserver"), ...companions(), broken, lease];
  expect(selectControlPlane(objects).lastSign).toEqual({
    time: "2026-11-21T03:00:00.5Z",
    source: "lease kube-node-lease/n1 renewed",
  });
  expect(selectControlPlane([...objects, leader]).lastSign?.source).toBe(
    "endpoints kube-system/kube-scheduler renewed by its leader",
  );
});

test("self-hosted etcd: its image, its secrets, and an address for the boot member that no service has", () => {
  const cluster = object("etcd.database.coreos.com/v1beta2", "EtcdCluster", "kube-system/kube-etcd", {
    spec: { version: "3.1.8", TLS: {} },
  });
  const taken = object("v1", "Service", "default/web", { spec: { clusterIP: "10.3.0.20" } });
  const api = workload("kube-apiserver", { container: { args: ["--service-cluster-ip-range=10.3.0.0/24"] } });
  const plane = selfHosted([cluster, taken, api, ...companions()]);
  expect(plane.flavour).toBe("self-hosted-etcd");
  expect(plane.etcd).toMatchObject({
    image: "quay.io/coreos/etcd:v3.1.8",
    bootServiceIp: "10.3.0.21",
    tls: { peerSecret: "etcd-peer-tls" },
  });
  expect(plane.missing.map((each) => each.name)).toEqual(["etcd-client-tls", "etcd-peer-tls", "etcd-server-tls"]);
});

test("an application's EtcdCluster is not this cluster's etcd; without TLS nothing more is needed", () => {
  const application = object("etcd.database.coreos.com/v1beta2", "EtcdCluster", "shop/orders", { spec: {} });
  expect(selfHosted([application, workload("kube-apiserver"), ...companions()]).flavour).toBe("self-hosted");
  const own = object("etcd.database.coreos.com/v1beta2", "EtcdCluster", "kube-system/kube-etcd", {
    spec: { selfHosted: { bootMemberClientEndpoint: "http://[fd00::14]:12379" } },
  });
  const plane = selfHosted([own, workload("kube-apiserver"), ...companions()]);
  expect(plane.etcd).toMatchObject({ bootServiceIp: "fd00::14", tls: undefined });
  expect(plane.missing).toEqual([]);
});

test("members without their EtcdCluster: that is what is missing", () => {
  const member = object("v1", "Pod", "kube-system/kube-etcd-0000", {
    metadata: { labels: { app: "etcd", etcd_cluster: "kube-etcd" } },
  });
  expect(selectControlPlane([member, workload("kube-apiserver"), ...companions()]).missing).toMatchObject([
    { kind: "EtcdCluster", name: "kube-etcd" },
  ]);
});
