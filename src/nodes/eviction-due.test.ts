import { expect, test } from "vitest";
import type { KubeObject } from "../kube/object.ts";
import { type EvictionMode, evictionDue } from "./eviction-due.ts";

const TAINTED = "2026-11-21T12:00:00Z";
const AT = Date.parse(TAINTED);
const UNREACHABLE = { key: "node.kubernetes.io/unreachable", effect: "NoExecute", timeAdded: TAINTED };

function node(taints: object[] = [UNREACHABLE], status = "Unknown"): KubeObject {
  const times = { lastTransitionTime: "2026-11-21T11:59:00Z", lastHeartbeatTime: "2026-11-21T11:58:20Z" };
  const conditions = [{ type: "Ready", status, ...times }];
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "n" },
    spec: { taints },
    status: { conditions },
  } as unknown as KubeObject;
}

function pod(tolerations: object[], kind = "ReplicaSet", extra: object = {}): KubeObject {
  const ownerReferences = [{ apiVersion: "apps/v1", kind, name: "o", uid: "u", controller: true }];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p", namespace: "default", ownerReferences, ...extra },
    spec: { tolerations },
    status: { phase: "Running" },
  } as unknown as KubeObject;
}

const tolerates = (seconds?: number, key = UNREACHABLE.key) => ({
  key,
  operator: "Exists",
  effect: "NoExecute",
  ...(seconds !== undefined && { tolerationSeconds: seconds }),
});
const TAINTS: EvictionMode = { by: "taints" };
const TIMEOUT: EvictionMode = { by: "timeout", seconds: 300, assumed: true };
const at = (seconds: number) => ({ when: "at", time: AT + seconds * 1000 });

test.each([
  ["as long as it tolerates", pod([tolerates(300)]), node(), TAINTS, at(300)],
  ["the shortest of two", pod([tolerates(300), tolerates(20)]), node(), TAINTS, at(20)],
  ["one without a limit does not shorten", pod([tolerates(), tolerates(20)]), node(), TAINTS, at(20)],
  ["negative is at once", pod([tolerates(-5)]), node(), TAINTS, at(0)],
  ["not at all", pod([]), node(), TAINTS, at(0)],
  ["another taint", pod([tolerates(300, "other")]), node(), TAINTS, at(0)],
  [
    "the first of two taints",
    pod([tolerates(300), tolerates(10, "x")]),
    node([UNREACHABLE, { ...UNREACHABLE, key: "x" }]),
    TAINTS,
    at(10),
  ],
  ["all taints", pod([{ operator: "Exists" }]), node(), TAINTS, { when: "never" }],
  [
    "a DaemonSet's",
    pod([tolerates()], "DaemonSet"),
    node(),
    TAINTS,
    { when: "never", because: "pods of a DaemonSet tolerate it for ever" },
  ],
  [
    "a static pod",
    pod([], "Node", { annotations: { "kubernetes.io/config.mirror": "x" } }),
    node(),
    TAINTS,
    { when: "never" },
  ],
  ["a taint without a time", pod([tolerates(300)]), node([{ ...UNREACHABLE, timeAdded: undefined }]), TAINTS, at(240)],
  ["no taint yet", pod([]), node([{ ...UNREACHABLE, effect: "NoSchedule" }]), TAINTS, { when: "held" }],
  ["before 1.13, counted from the last sign of life", pod([]), node([]), TIMEOUT, at(200)],
  ["before 1.13, a kubelet that says so itself", pod([]), node([], "False"), TIMEOUT, at(240)],
  ["before 1.13, a DaemonSet's", pod([], "DaemonSet"), node([]), TIMEOUT, { when: "never" }],
] as const)("%s", (_, object, on, mode, expected) => expect(evictionDue(object, on, mode)).toMatchObject(expected));

test("without the taint manager, a lease counts as a sign of life", () => {
  const lease = { metadata: {}, spec: { renewTime: "2026-11-21T11:58:30.000000Z" } } as unknown as KubeObject;
  expect(evictionDue(pod([]), node([]), TIMEOUT, lease)).toMatchObject(at(210));
});
