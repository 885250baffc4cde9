import { describe, expect, test } from "vitest";
import { mirrorPod, object, type WorkloadShape, workload } from "../../test/cluster-objects.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { judgeReadiness, mendingHint } from "./permanent.ts";
import type { PodFault } from "./pod-state.ts";
import { findWorkload, goneTarget, staticTarget, workloadTarget } from "./target.ts";

const scheduler = (shape: WorkloadShape = {}) => workload("kube-scheduler", shape);

function renamed(of: KubeObject, name: string): KubeObject {
  return { ...of, metadata: { ...of.metadata, name } };
}

describe("the component's workload", () => {
  test.each([
    ["by k8s-app", scheduler(), "kube-system/kube-scheduler"],
    ["by component", scheduler({ labels: { component: "kube-scheduler" } }), "kube-system/kube-scheduler"],
    ["by name alone", scheduler({ labels: {} }), "kube-system/kube-scheduler"],
    ["by command alone", renamed(scheduler({ labels: {} }), "placer"), "kube-system/placer"],
    ["a DaemonSet", scheduler({ kind: "DaemonSet" }), "kube-system/kube-scheduler"],
    ["of an old API", scheduler({ apiVersion: "extensions/v1beta1" }), "kube-system/kube-scheduler"],
    ["in another namespace", scheduler({ namespace: "tectonic" }), "tectonic/kube-scheduler"],
    [
      "of kubeadm's self-hosting",
      renamed(scheduler(), "self-hosted-kube-scheduler"),
      "kube-system/self-hosted-kube-scheduler",
    ],
  ])("%s", (_, found, expected) => {
    const others = [workload("kube-controller-manager"), workload("web", { labels: {} })];
    const { metadata } = findWorkload("kube-scheduler", [...others, found])!;
    expect(`${metadata.namespace}/${metadata.name}`).toBe(expected);
  });

  test("labels before names, kube-system before elsewhere", () => {
    const byCommand = renamed(scheduler({ labels: {} }), "a-placer");
    expect(findWorkload("kube-scheduler", [byCommand, scheduler()])?.metadata.name).toBe("kube-scheduler");
    const elsewhere = scheduler({ namespace: "a" });
    expect(findWorkload("kube-scheduler", [elsewhere, scheduler()])?.metadata.namespace).toBe("kube-system");
    expect(findWorkload("kube-scheduler", [elsewhere, scheduler()], "a")?.metadata.namespace).toBe("a");
  });

  test("in several other namespaces it has to be chosen", () => {
    const all = [scheduler({ namespace: "a" }), scheduler({ namespace: "b" })];
    expect(() => findWorkload("kube-scheduler", all)).toThrow('found "kube-scheduler" in 2 namespaces: "a", "b"');
    expect(findWorkload("kube-scheduler", all, "b")?.metadata.namespace).toBe("b");
  });

  test("there is none", () => expect(findWorkload("kube-scheduler", [workload("kube-apiserver")])).toBeUndefined());
});

describe("its templates", () => {
  const owner = { apiVersion: "apps/v1", kind: "Deployment", name: "kube-scheduler", uid: "u1" };
  const template = (image: string): JsonObject => ({ spec: { containers: [{ name: "kube-scheduler", image }] } });
  const deployment = object("apps/v1", "Deployment", "kube-system/kube-scheduler", {
    metadata: { uid: "u1" } as JsonObject,
    spec: { template: template("v3") },
  });
  const replicaSet = (revision: string, image: string, uid = "u1") =>
    object("apps/v1", "ReplicaSet", `kube-system/kube-scheduler-${revision}`, {
      metadata: {
        annotations: { "deployment.kubernetes.io/revision": revision },
        ownerReferences: [{ ...owner, uid }],
      } as JsonObject,
      spec: { template: template(image) },
    });

  test("the current one, then earlier ones, the latest first, each once, others' not", () => {
    const sets = [replicaSet("2", "v1"), replicaSet("10", "v2"), replicaSet("11", "v3"), replicaSet("12", "x", "u2")];
    const { templates, kind, lease } = workloadTarget("kube-scheduler", deployment, sets);
    expect(templates.map(({ title }) => title)).toEqual([
      'Deployment "kube-system/kube-scheduler"',
      'revision 10 of Deployment "kube-system/kube-scheduler"',
      'revision 2 of Deployment "kube-system/kube-scheduler"',
    ]);
    expect([kind, lease.name]).toEqual(["Deployment", "kube-scheduler"]);
  });

  test("of a DaemonSet, from its ControllerRevisions", () => {
    const revision = object("apps/v1", "ControllerRevision", "kube-system/kube-scheduler-1", {
      metadata: { ownerReferences: [{ ...owner, kind: "DaemonSet" }] } as JsonObject,
      revision: 1,
      data: { spec: { template: { $patch: "replace", ...template("v2") } } },
    });
    const { templates } = workloadTarget("kube-scheduler", { ...deployment, kind: "DaemonSet" }, [revision]);
    expect(templates[1]).toMatchObject({
      title: 'revision 1 of DaemonSet "kube-system/kube-scheduler"',
      podSpec: { containers: [{ image: "v2" }] },
    });
  });
});

describe("static pods", () => {
  const pod = (node: string, running: boolean, image = "v1") => {
    const state = running ? { running: {} } : { waiting: { reason: "CrashLoopBackOff" } };
    const containers = [
      { name: "kube-scheduler", image, command: ["kube-scheduler", "--kubeconfig=/etc/kubernetes/scheduler.conf"] },
    ];
    const made = mirrorPod("kube-scheduler", node, { spec: { containers, priority: 2_000_001_000 } });
    return { ...made, status: { containerStatuses: [{ name: "kube-scheduler", state }] } };
  };

  test.each([
    ["another master's, that runs", [pod("m1", false, "bad"), pod("m2", true)], [], ["m2", "m1"]],
    ["the last one that etcd knows", [], [pod("m1", true)], ["m1"]],
    ["what ran before what crashes", [pod("m1", false, "bad")], [pod("m2", true)], ["m2", "m1"]],
    ["the same one's manifest before it was broken", [pod("m1", false, "bad")], [pod("m1", true)], ["m1", "m1"]],
    ["the same one only once", [pod("m1", true), pod("m2", true)], [], ["m1"]],
  ])("%s", (_, present, gone, nodes) => {
    const target = staticTarget("kube-scheduler", present, gone)!;
    expect(target.templates.map(({ node }) => node)).toEqual(nodes);
    expect(target.templates[0]!.podSpec).not.toHaveProperty("priority");
  });

  const rescuePod = (labels: JsonObject) =>
    object("v1", "Pod", "kube-system/kube-scheduler-rescue", {
      metadata: { labels, annotations: { "kubemend/template": 'static pod "x", as it last was' } } as JsonObject,
      spec: { nodeName: "m1", containers: [{ name: "kube-scheduler", image: "v0", command: ["kube-scheduler"] }] },
    });

  test("a rescue pod of an earlier run, when nothing else is left of them, and last otherwise", () => {
    const earlier = rescuePod({ "kubemend/rescue-of": "kube-scheduler" });
    const alone = staticTarget("kube-scheduler", [earlier], [earlier])!;
    expect(alone.templates).toMatchObject([{ title: 'static pod "x", as it last was', node: "m1" }]);
    expect(alone.name).toBe("kube-scheduler");
    const { templates } = staticTarget("kube-scheduler", [earlier, pod("m2", true)])!;
    expect(templates.map(({ node }) => node)).toEqual(["m2", "m1"]);
    const others = rescuePod({ "kubemend/rescue-of": "kube-controller-manager" });
    expect(staticTarget("kube-scheduler", [others])).toBeUndefined();
  });

  test("a checkpoint and a temporary one do not count", () => {
    const checkpoint = mirrorPod("kube-scheduler", "m1", {
      annotations: { "checkpointer.alpha.coreos.com/checkpoint-of": "kube-scheduler" },
    });
    expect(staticTarget("kube-scheduler", [checkpoint, mirrorPod("bootstrap-kube-scheduler", "m1")])).toBeUndefined();
  });
});

test("what made its pods is gone: its rescue pod works, and the hint says to create it again", () => {
  const pod = object("v1", "Pod", "kube-system/kube-scheduler-x", {
    metadata: { labels: { "k8s-app": "kube-scheduler" } },
    spec: { containers: [{ name: "kube-scheduler", command: ["kube-scheduler"] }] },
  });
  const target = goneTarget("kube-scheduler", { replicaSets: [], pods: [pod], gone: [] })!;
  expect(target).toMatchObject({ kind: "Gone", namespace: "kube-system", name: "kube-scheduler" });
  const readiness = judgeReadiness([], target, "m1", () => undefined);
  expect(readiness).toMatchObject({ can: "not", fault: { kind: "workload-missing" } });
  expect(mendingHint(target, (readiness as { fault: PodFault }).fault, false)).toContain("create its Deployment again");
  expect(goneTarget("kube-scheduler", { replicaSets: [], pods: [], gone: [] })).toBeUndefined();
});
