import { describe, expect, test } from "vitest";
import { node as makeNode, object, workload } from "../../test/cluster-objects.ts";
import type { LeaderLease } from "../kube/lease.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { judgeHealth, LeaseTrack } from "./lease-track.ts";
import { judgeReadiness, mendingHint, permanentPods, seePods } from "./permanent.ts";
import { comparePods } from "./pod-changes.ts";
import { crashFault, creationFault, type PodFault, podState } from "./pod-state.ts";
import { staticTarget, workloadTarget } from "./target.ts";

const LABELS = { "k8s-app": "kube-scheduler" };
const target = workloadTarget("kube-scheduler", workload("kube-scheduler"), []);

interface PodShape {
  readonly node?: string;
  readonly status?: JsonObject;
  readonly state?: JsonObject;
  readonly last?: JsonObject;
  readonly restarts?: number;
  readonly ready?: boolean;
}

function pod({ node = "m1", status = {}, state, last, restarts = 0, ready = false }: PodShape = {}): KubeObject {
  const own = { name: "kube-scheduler", state, restartCount: restarts, ready, ...(last && { lastState: last }) };
  return object("v1", "Pod", "kube-system/kube-scheduler-1", {
    metadata: { labels: LABELS, uid: "u1" } as JsonObject,
    spec: { ...(node === "" ? {} : { nodeName: node }), containers: [{ name: "kube-scheduler", image: "img:1" }] },
    status: { phase: "Running", ...(state && { containerStatuses: [own] }), ...status } as JsonObject,
  });
}

const waiting = (reason: string, message = "") => ({ waiting: { reason, message } });
const ended = { terminated: { exitCode: 1, message: "" } };
const unschedulable = {
  phase: "Pending",
  conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/3 nodes: taints" }],
};

describe("how far a pod has come", () => {
  test.each([
    ["not scheduled", pod({ node: "", status: { phase: "Pending" } }), { is: "unscheduled", fault: undefined }],
    [
      "unschedulable",
      pod({ node: "", status: unschedulable }),
      { is: "unscheduled", fault: { kind: "unschedulable" } },
    ],
    ["bound", pod({ status: { phase: "Pending" } }), { is: "bound", fault: undefined }],
    ["being created", pod({ state: waiting("ContainerCreating") }), { is: "bound", fault: undefined }],
    [
      "without its image",
      pod({ state: waiting("ImagePullBackOff", "Back-off") }),
      { is: "bound", fault: { kind: "image" } },
    ],
    [
      "without its secret",
      pod({ state: waiting("CreateContainerConfigError", 'secret "s" not found') }),
      { fault: { kind: "configuration" } },
    ],
    ["running", pod({ state: { running: {} }, ready: true }), { is: "running", ready: true, crash: undefined }],
    [
      "running again",
      pod({ state: { running: {} }, last: ended, restarts: 3 }),
      { is: "running", crash: { restarts: 3 } },
    ],
    ["crashed", pod({ state: ended }), { is: "crashed", crash: { exitCode: 1, restarts: 0 } }],
    [
      "crash-looping",
      pod({ state: waiting("CrashLoopBackOff"), last: ended, restarts: 2 }),
      { is: "crashed", crash: { restarts: 2 } },
    ],
    [
      "evicted",
      pod({ status: { phase: "Failed", reason: "Evicted", message: "low memory" } }),
      { is: "gone", fault: { kind: "rejected" } },
    ],
    [
      "an init container without its image",
      pod({ status: { initContainerStatuses: [{ name: "i", state: waiting("ErrImagePull") }] } }),
      { is: "bound", fault: { kind: "image" } },
    ],
  ])("%s", (_, seen, expected) => expect(podState("kube-scheduler", seen)).toMatchObject(expected));

  test("taints that the scheduler only counts are named", () => {
    const message = "0/2 nodes are available: 2 node(s) had untolerated taint(s).";
    const conditions = [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message }];
    const taints = [
      { key: "example.com/maintenance", effect: "NoSchedule" },
      { key: "soft", effect: "PreferNoSchedule" },
      { key: "team", value: "a", effect: "NoExecute" },
    ];
    const nodes = [
      object("v1", "Node", "m1", { spec: { taints } }),
      object("v1", "Node", "m2", { spec: { taints: taints.slice(0, 1) } }),
    ];
    const state = podState("kube-scheduler", pod({ node: "", status: { phase: "Pending", conditions } }), nodes);
    expect("fault" in state && state.fault?.text).toBe(
      'pod "kube-system/kube-scheduler-1" fits on no node: 0/2 nodes are available: 2 node(s) had untolerated taint(s); ' +
        'it does not tolerate example.com/maintenance:NoSchedule of node "m1", team=a:NoExecute of node "m1", ' +
        'example.com/maintenance:NoSchedule of node "m2"',
    );
  });
});

describe("why it crashed", () => {
  const crash = { id: "c1", container: "kube-scheduler", exitCode: 2, restarts: 1, message: "" };
  test.each([
    [
      "a flag",
      "Error: unknown flag: --bad\n\nUsage:\n  kube-scheduler [flags]\n\nunknown flag: --bad",
      "bad-flag",
      "unknown flag: --bad",
    ],
    ["a flag of Go's", "flag provided but not defined: -x\nUsage of x:", "bad-flag", "-x"],
    ["a value", 'invalid argument "x" for "--v" flag: bad', "bad-flag", 'for "--v"'],
    ["a feature", "Error: unrecognized feature gate: Foo", "bad-flag", "Foo"],
    [
      "the port",
      "I1 fine\nF1121 10:00:00.000000       1 serve.go:1] failed to listen on 127.0.0.1:10259: bind: address already in use",
      "port-taken",
      "failed to listen",
    ],
    [
      "an error of klog",
      "I1121 all fine\nE1121 10:00:00.000000       1 run.go:74] cannot read the file\nI1121 bye",
      "crash",
      ": cannot read the file",
    ],
    ["a panic", "panic: runtime error: index out of range\n\ngoroutine 1:\nmain.main()", "crash", "index out of range"],
    ["nothing that is known", "some words\nlast words", "crash", "ends with code 2: last words"],
    ["nothing", "", "unexplained", "ends with code 2"],
  ])("%s", (_, log, kind, text) => {
    const fault = crashFault(pod(), crash, log);
    expect(fault.kind).toBe(kind);
    expect(fault.text).toContain(text);
  });

  test("a long line is cut", () => {
    expect(crashFault(pod(), crash, `error: ${"x".repeat(5000)}`).text.length).toBeLessThan(600);
  });
});

test.each([
  ['pods "x" is forbidden: exceeded quota: q, requested: pods=1', "quota"],
  ["admission webhook denied the request", "refused"],
])("a ReplicaSet that may not create its pod: %s", (message, kind) => {
  const conditions = [{ type: "ReplicaFailure", status: "True", message }];
  const fault = creationFault(object("apps/v1", "ReplicaSet", "kube-system/r", { status: { conditions } }));
  expect(fault).toMatchObject({ kind, text: expect.stringContaining(message) });
  expect(creationFault(object("apps/v1", "ReplicaSet", "kube-system/r"))).toBeUndefined();
});

describe("whether the permanent one can take over", () => {
  const nodes = ["m1", "m2"].map((name) => ({
    ...makeNode(name),
    status: { conditions: [{ type: "Ready", status: name === "m1" ? "True" : "Unknown" }] },
  }));
  const port: PodFault = { kind: "port-taken", text: "port" };
  const flag: PodFault = { kind: "bad-flag", text: "flag" };
  const judge = (pods: KubeObject[], fault?: PodFault, rescueNode = "m1") =>
    judgeReadiness(seePods(target, pods, nodes), target, rescueNode, () => fault);

  test.each([
    ["it runs", [pod({ state: { running: {} } })], undefined, { can: "take-over" }],
    ["it crashed over the port", [pod({ state: ended })], port, { can: "take-over" }],
    [
      "it runs after a crash over the port",
      [pod({ state: { running: {} }, last: ended, restarts: 1 })],
      port,
      { can: "take-over" },
    ],
    [
      "it is Ready after a crash",
      [pod({ state: { running: {} }, last: ended, ready: true })],
      flag,
      { can: "take-over" },
    ],
    [
      "it runs for a moment between crashes",
      [pod({ state: { running: {} }, last: ended })],
      flag,
      { can: "not", fault: flag },
    ],
    ["it crashed over a flag", [pod({ state: ended })], flag, { can: "not", fault: flag }],
    ["its log is not read yet", [pod({ state: ended })], undefined, { can: "not-yet" }],
    ["it has no image", [pod({ state: waiting("ErrImagePull") })], undefined, { can: "not", fault: { kind: "image" } }],
    [
      "it fits nowhere",
      [pod({ node: "", status: unschedulable })],
      undefined,
      { can: "not", fault: { kind: "unschedulable" } },
    ],
    ["it waits to be scheduled", [pod({ node: "" })], undefined, { can: "not-yet" }],
    ["it waits to be started", [pod()], undefined, { can: "not-yet" }],
    [
      "there is none",
      [],
      undefined,
      { can: "not-yet", waitingFor: 'Deployment "kube-system/kube-scheduler" to create its pod' },
    ],
    [
      "one has no image, another runs",
      [pod({ state: waiting("ErrImagePull") }), pod({ state: { running: {} } })],
      undefined,
      { can: "take-over" },
    ],
    [
      "one of a rollout fits nowhere, the next one is on its way",
      [pod({ node: "", status: unschedulable }), pod()],
      undefined,
      { can: "not-yet" },
    ],
    [
      "its node is lost",
      [pod({ node: "m2", state: { running: {} } })],
      undefined,
      { can: "not", fault: { kind: "node-lost" } },
    ],
    [
      "one's node is lost, another is on its way",
      [pod({ node: "m2", state: { running: {} } }), pod({ node: "" })],
      undefined,
      { can: "not-yet" },
    ],
    [
      "all have failed",
      [pod({ status: { phase: "Failed", reason: "Evicted" } })],
      undefined,
      { can: "not", fault: { kind: "rejected" } },
    ],
  ])("%s", (_, pods, fault, expected) => expect(judge(pods, fault)).toMatchObject(expected));

  test("the port of another node is not the rescue pod's", () => {
    expect(judge([pod({ state: ended })], port, "m2")).toMatchObject({ can: "not", fault: port });
  });

  test("a static pod whose manifest is gone does not come back by itself", () => {
    const gone = object("v1", "Pod", "kube-system/kube-scheduler-m1", {
      metadata: { labels: LABELS, annotations: { "kubernetes.io/config.mirror": "x" } } as JsonObject,
      spec: { nodeName: "m1", containers: [{ name: "kube-scheduler" }] },
    });
    const known = staticTarget("kube-scheduler", [], [gone])!;
    expect(judgeReadiness([], known, "m1", () => undefined)).toMatchObject({ fault: { kind: "manifest-missing" } });
    expect(mendingHint(known, flag, false)).toContain("put a manifest that works");
    expect(mendingHint(known, port, false)).toContain("restart the static pod");
    expect(mendingHint(known, { kind: "node-lost", text: "" }, false)).toContain("bring the node back");
  });

  test.each([
    ["quota", false, "describe quota"],
    ["unschedulable", false, "node selector"],
    ["bad-flag", true, "kubectl -n kube-system rollout undo deployment/kube-scheduler"],
    ["image", false, "kubectl -n kube-system edit deployment/kube-scheduler"],
    ["no-lease", false, "auth can-i update leases/kube-scheduler --as=system:serviceaccount:kube-system:default"],
    ["node-lost", false, "bring the node back"],
    ["no-pod", false, "once that is mended, run kubemend rescue scheduler again"],
  ] as const)("what to do about %s", (kind, older, text) => {
    expect(mendingHint(target, { kind, text: "" }, older)).toContain(text);
  });

  test("its pods are those of its selector, and not the rescue pod", () => {
    const rescue = {
      ...pod(),
      metadata: { name: "r", namespace: "kube-system", labels: { ...LABELS, "kubemend/rescue-of": "kube-scheduler" } },
    };
    const other = { ...pod(), metadata: { ...pod().metadata, namespace: "x" } };
    expect(permanentPods(target, [pod(), rescue, other]).map(({ metadata }) => metadata.name)).toEqual([
      "kube-scheduler-1",
    ]);
  });
});

describe("whether it is lost", () => {
  const lease = (renewTime: string, holder = "m1_a"): LeaderLease => ({
    ...{ kind: "Lease", namespace: "kube-system", name: "kube-scheduler", resourceVersion: "1" },
    ...{ holder, renewTime, durationSeconds: 15, transitions: 1 },
  });
  const T0 = Date.parse("2026-11-21T03:00:00Z");
  const at = (seconds: number) => new Date(T0 + seconds * 1000).toISOString();
  const track = (...seen: (LeaderLease | undefined)[]) => {
    const made = new LeaseTrack();
    for (const each of seen) made.see(each);
    return made;
  };
  const alive = { elects: true, isDoubtful: false, running: 1, ready: 1, now: T0 + 5000, lookedMs: 3000 };
  test.each([
    ["renewed while looked at", track(lease(at(0)), lease(at(2))), {}, "healthy"],
    ["seen once", track(lease(at(0))), {}, "unsure"],
    ["taken by another", track(lease(at(0)), lease(at(2), "m2_b")), {}, "unsure"],
    ["taken and renewed by another", track(lease(at(0)), lease(at(2), "m2_b"), lease(at(4), "m2_b")), {}, "healthy"],
    ["given up", track(lease(at(0)), lease(at(2), "")), { running: 0 }, "lost"],
    ["run out, and nothing runs, not looked at for long", track(lease(at(-60))), { running: 0, lookedMs: 0 }, "unsure"],
    ["run out, and nothing runs", track(lease(at(-60))), { running: 0 }, "lost"],
    ["run out, but something runs", track(lease(at(-60))), {}, "unsure"],
    ["run out, something runs, looked at for long", track(lease(at(-60))), { lookedMs: 20_001 }, "lost"],
    ["not run out, and nothing runs", track(lease(at(0))), { running: 0 }, "unsure"],
    ["never held", track(undefined), { running: 0 }, "lost"],
    [
      "run out, and another lease may be the one",
      track(lease(at(-60))),
      { isDoubtful: true, lookedMs: 20_001 },
      "unknown",
    ],
    ["another lease may be the one, not looked at for long", track(lease(at(-60))), { isDoubtful: true }, "unsure"],
    ["another lease may be the one, and nothing runs", track(lease(at(-60))), { isDoubtful: true, running: 0 }, "lost"],
    ["no election, not ready for long", track(), { elects: false, ready: 0, lookedMs: 20_001 }, "unknown"],
    ["no election, ready", track(), { elects: false }, "healthy"],
    ["no election, not ready", track(), { elects: false, ready: 0 }, "unsure"],
    ["no election, none", track(), { elects: false, running: 0, ready: 0 }, "lost"],
  ])("%s", (_, seen, evidence, expected) => {
    expect(judgeHealth({ ...alive, ...evidence, track: seen })).toBe(expected);
  });

  test("what was forgotten does not count", () => {
    const seen = track(lease(at(0)), lease(at(2)));
    seen.forget();
    expect(seen.isRenewed).toBe(false);
    seen.see(lease(at(4)));
    expect(seen.isRenewed).toBe(true);
  });
});

test("pods before and after: changed ones first, then those not well", () => {
  const named = (name: string, phase: string, isReady = phase === "Running") =>
    object("v1", "Pod", `default/${name}`, {
      metadata: { uid: name } as JsonObject,
      status: { phase, conditions: [{ type: "Ready", status: isReady ? "True" : "False" }] },
    });
  const before = [named("a", "Running"), named("b", "Pending"), named("c", "Running"), named("d", "Pending")];
  const after = [named("a", "Running"), named("b", "Running"), named("d", "Pending"), named("e", "Running")];
  const rows = comparePods(before, after, ({ status }) => String((status as JsonObject).phase));
  expect(rows.map(({ pod: { metadata }, change, isWell }) => [metadata.name, change, isWell])).toEqual([
    ["b", "was Pending", true],
    ["c", "gone", false],
    ["e", "new", true],
    ["d", undefined, false],
    ["a", undefined, true],
  ]);
});
