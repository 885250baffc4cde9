import { describe, expect, test } from "vitest";
import type { KubeObject } from "../kube/object.ts";
import type { Generation } from "./checkpoint.ts";
import { placesIn } from "./data-directory.ts";
import { numbered } from "./generation.ts";
import { observe, type RuntimePod, type Seen, type Sight, STEADY_MS } from "./observe.ts";
import { isLeftover } from "./parent.ts";
import { sanitize } from "./sanitize.ts";

const ID = "kube-system/DaemonSet/api";
const PARENT = { "checkpointer.alpha.coreos.com/checkpoint": "true", "kubernetes.io/config.source": "api" };

function parent(name: string, change: Partial<KubeObject["metadata"]> = {}, status = {}): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "kube-system",
      uid: `uid-${name}`,
      labels: { app: "api" },
      annotations: PARENT,
      ownerReferences: [{ apiVersion: "apps/v1", kind: "DaemonSet", name: "api", uid: "ds", controller: true }],
      ...change,
    },
    spec: { containers: [{ name: "kube-apiserver", command: ["kube-apiserver"] }, { name: "side" }] },
    status,
  } as unknown as KubeObject;
}

function copyOf(pod: KubeObject): Generation {
  const { manifest } = sanitize({
    parent: pod,
    places: placesIn("/etc/kubernetes"),
    data: () => undefined,
    token: () => undefined,
    note: () => {},
  });
  return numbered(manifest, { number: 1, saved: "", proven: true });
}

/** As the runtime has it: containers by name, `!` in front of one that does not run. */
function running(name: string, containers: readonly string[], change: Partial<RuntimePod> = {}): RuntimePod {
  return {
    namespace: "kube-system",
    name,
    uid: `uid-${name}`,
    ready: true,
    labels: { app: "api", "io.kubernetes.pod.name": name },
    annotations: PARENT,
    containers: containers.map((each, i) => ({
      id: `${name}-${i}`,
      name: each.replace("!", ""),
      attempt: i,
      running: !each.startsWith("!"),
    })),
    ...change,
  };
}

function seen(sight: Partial<Sight>, podName?: string): Seen[] {
  const all: Sight = {
    api: [],
    isApiHere: false,
    apiHeardAt: 0,
    kubelet: undefined,
    runtime: [],
    generations: new Map(),
    runningFor: () => STEADY_MS,
    ...sight,
  };
  return observe(all, [], { nodeName: "Node1", podName, namespace: "kube-system" });
}

const BOTH = ["kube-apiserver", "side"];
const copies = new Map([[ID, [copyOf(parent("api-a"))]]]);

describe("a parent, as the runtime has it", () => {
  const phase = (pod: RuntimePod, more: Partial<Sight> = {}) =>
    seen({ api: [parent("api-a")], runtime: [pod], ...more })[0]!.observed.parent;

  test.each<[string, RuntimePod, string]>([
    ["runs, when all its containers do", running("api-a", BOTH), "running"],
    ["starts, while one does not", running("api-a", ["kube-apiserver", "!side"]), "starting"],
    ["starts, while one is not there", running("api-a", ["kube-apiserver"]), "starting"],
    ["runs, when the last attempt does", running("api-a", ["!kube-apiserver", ...BOTH]), "running"],
    ["starts, when the last attempt has ended", running("api-a", [...BOTH, "!kube-apiserver"]), "starting"],
    ["is being made, with a sandbox alone", running("api-a", []), "created"],
    ["is being made, with another container alone", running("api-a", ["init"]), "created"],
    ["is absent, with a sandbox that ended", running("api-a", ["!kube-apiserver"], { ready: false }), "absent"],
    ["is not another pod", running("other-a", BOTH, { labels: {} }), "absent"],
  ])("%s", (_, pod, expected) => {
    expect(phase(pod)).toBe(expected);
  });

  test("starts, while it has not run for long, and is unknown to a runtime that does not answer", () => {
    expect(phase(running("api-a", BOTH), { runningFor: () => STEADY_MS - 1 })).toBe("starting");
    expect(seen({ api: [parent("api-a")], runtime: undefined })[0]!.observed.parent).toBe("unknown");
  });

  test("is found by the labels of a copy where nobody tells whose it is", () => {
    const [found] = seen({ api: undefined, runtime: [running("api-b", BOTH)], generations: copies });
    expect(found).toMatchObject({ id: ID, observed: { api: "unavailable", parent: "running", generations: 1 } });
  });

  test("is found by the kubelet's list", () => {
    const kubelet = [parent("api-z", { labels: { app: "other" } })];
    const [found] = seen({ api: undefined, kubelet, runtime: [running("api-z", BOTH)], generations: copies });
    expect(found).toMatchObject({ id: ID, observed: { parent: "running", parentUid: "uid-api-z" } });
  });
});

describe("the API server", () => {
  const word = (api: readonly KubeObject[] | undefined) => seen({ api, generations: copies })[0]!.observed.api;

  test("wants a parent, or not, or says nothing", () => {
    expect(word([parent("api-a")])).toBe("scheduled");
    expect(word([parent("api-b")])).toBe("scheduled"); // of the same controller
    expect(word([])).toBe("absent");
    expect(word(undefined)).toBe("unavailable");
  });

  test.each<[string, KubeObject]>([
    ["not annotated", parent("api-a", { annotations: {} })],
    ["a mirror", parent("api-a", { annotations: { ...PARENT, "kubernetes.io/config.source": "file" } })],
    ["of another namespace", parent("api-a", { namespace: "default" })],
    ["ended", parent("api-a", {}, { phase: "Failed" })],
  ])("wants no pod that is %s", (_, pod) => {
    expect(word([pod])).toBe("absent");
  });
});

test("what was released may run on; what was deleted must end first, and so must the checkpoint", () => {
  const lingers = (api: readonly KubeObject[], pod: RuntimePod) =>
    seen({ api, runtime: [pod], generations: copies })[0]!.observed.lingers;
  expect(lingers([], running("api-a", BOTH))).toBe(true);
  expect(lingers([parent("api-a", { annotations: {} })], running("api-a", BOTH))).toBe(false);
  expect(lingers([], running("other", BOTH, { labels: {} }))).toBe(false);
  const annotations = { "checkpointer.alpha.coreos.com/checkpoint-of": "api-a", "kubernetes.io/config.source": "file" };
  const checkpoint = running("api-a-node1", BOTH, { annotations });
  expect(lingers([], checkpoint)).toBe(true);
  const here = seen({ isApiHere: true, runtime: [checkpoint], generations: copies })[0]!.observed;
  expect(here).toMatchObject({ checkpoint: "running", parent: "absent", servesApi: true });
});

test("health is that of the newest parent which stays, and none while it is unready", () => {
  const old = parent("api-a", { creationTimestamp: "2026-01-01T00:00:00Z" });
  const young = parent("api-b", { creationTimestamp: "2026-01-02T00:00:00Z" });
  const health = (api: readonly KubeObject[], ...pods: RuntimePod[]) => seen({ api, runtime: pods })[0]!;
  expect(health([old, young], running("api-a", BOTH))).toMatchObject({ healthyFor: undefined });
  expect(health([old, young], running("api-b", BOTH)).parents[0]!.metadata.name).toBe("api-b");
  expect(health([old, young], running("api-b", BOTH)).healthyFor).toBe(STEADY_MS);
  const leaving = parent("api-b", { deletionTimestamp: "2026-01-02T00:00:00Z" });
  const staying = health([old, leaving], running("api-a", BOTH)).parents;
  expect(staying.map(({ metadata }) => metadata.name)).toEqual(["api-a"]);
  const unready = parent("api-a", {}, { conditions: [{ type: "Ready", status: "False" }] });
  expect(health([unready], running("api-a", BOTH)).healthyFor).toBe(0);
});

test("the agent knows itself, as a pod and as its own checkpoint", () => {
  const isSelf = (podName: string) => seen({ api: [parent("api-a")] }, podName)[0]!.observed.isSelf;
  expect([isSelf("api-a"), isSelf("api-a-node1"), isSelf("api-b")]).toEqual([true, true, false]);
  expect(seen({ generations: copies }, "api-a-node1")[0]!.observed.isSelf).toBe(true);
});

test("an agent that removed itself is a leftover, and no other is", () => {
  const place = (podName?: string) => ({ nodeName: "node1", podName, namespace: "kube-system" });
  const mirror = parent("api-a-node1", { annotations: { "checkpointer.alpha.coreos.com/checkpoint-of": "api-a" } });
  expect(isLeftover([mirror], place("api-a-node1"))).toBe(true);
  expect(isLeftover([], place("api-a-node1"))).toBe(true);
  expect(isLeftover([mirror, parent("api-a")], place("api-a-node1"))).toBe(false);
  expect(isLeftover([parent("api-a", { annotations: {} })], place("api-a"))).toBe(false);
  expect(isLeftover([parent("own-node1", { annotations: {} })], place("own-node1"))).toBe(false); // a static pod of its own
  expect(isLeftover(undefined, place("api-a-node1"))).toBe(false);
  expect(isLeftover([], place("some-name"))).toBe(false);
  expect(isLeftover([], place())).toBe(false);
});
