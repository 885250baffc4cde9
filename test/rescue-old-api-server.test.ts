/**
 * `rescue` at an API server of Kubernetes 1.7, which cannot be run here: no Lease objects, Deployments in
 * `extensions/v1beta1`, and a server that knows no dry run, so that it would take one for the real thing.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parse } from "yaml";
import type { JsonObject, KubeObject } from "../src/kube/object.ts";
import { ApiServerStandIn, type StandInOptions } from "./api-server-stand-in.ts";
import { changeLines, expectAudited } from "./audited.ts";
import { node, object, workload } from "./cluster-objects.ts";
import { kubemend } from "./kubemend.ts";

let base: string;
let server: ApiServerStandIn;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "kubemend-rescue-old-"));
});
afterEach(() => {
  server?.close();
  rmSync(base, { recursive: true, force: true });
});

async function serve(
  objects: readonly KubeObject[],
  answer: StandInOptions["answer"] = () => undefined,
): Promise<string> {
  server = await ApiServerStandIn.start(base, { version: "v1.7.16", objects, answer });
  return `--kubeconfig=${server.kubeconfig}`;
}

const ready = (each: KubeObject): KubeObject => ({
  ...each,
  status: { conditions: [{ type: "Ready", status: "True" }] },
});
const leader = (renewTime: string, holderIdentity = "m1") =>
  object("v1", "Endpoints", "kube-system/kube-scheduler", {
    metadata: {
      annotations: {
        "control-plane.alpha.kubernetes.io/leader": JSON.stringify({
          holderIdentity,
          leaseDurationSeconds: 15,
          renewTime,
        }),
      },
    } as JsonObject,
  });

const CLUSTER = [
  workload("kube-scheduler", {
    apiVersion: "extensions/v1beta1",
    spec: { nodeSelector: { master: "true" }, serviceAccount: "kube-scheduler" },
  }),
  object("v1", "ServiceAccount", "kube-system/kube-scheduler"),
  ready(node("m1", { master: "true" })),
  ready(node("w1")),
];

test("prints a pod for a node that is labelled as in those days, and writes nothing", async () => {
  const flag = await serve(CLUSTER);
  const { code, stdout, stderr } = await kubemend(base, ["rescue", "scheduler", "-o", "yaml", flag]);
  expect([code, stderr]).toEqual([0, ""]);
  expect(parse(stdout)).toMatchObject({
    metadata: { name: "kube-scheduler-rescue", namespace: "kube-system" },
    spec: { nodeName: "m1", serviceAccountName: "kube-scheduler", containers: [{ image: "hyperkube:v1.8.3" }] },
  });
  const dry = await kubemend(base, ["rescue", "scheduler", "--dry-run", flag]);
  expect(dry.stdout).toContain('on node "m1" from Deployment "kube-system/kube-scheduler"');
  expect(server.writes).toEqual([]);
});

test("a scheduler whose Endpoints annotation changes is healthy", async () => {
  const flag = await serve([...CLUSTER, leader("2026-11-21T03:00:00Z")]);
  let seconds = 0;
  const renewing = setInterval(
    () => server.put(leader(new Date(Date.UTC(2026, 10, 21, 3, 0, ++seconds)).toISOString())),
    50,
  );
  try {
    const { code, stdout, stderr } = await kubemend(base, ["rescue", "scheduler", "-o", "json", flag]);
    expect([code, stderr]).toEqual([0, expect.stringContaining('kube-scheduler is healthy: "m1" renews its lease')]);
    expect(JSON.parse(stdout).components).toMatchObject([{ state: "healthy", holder: "m1" }]);
  } finally {
    clearInterval(renewing);
  }
});

test("a whole rescue: the Deployment is scaled where it is, the annotation is given up, and nothing is tried out", async () => {
  const [workloadOf17, ...others] = CLUSTER as [KubeObject, ...KubeObject[]];
  const spec = workloadOf17.spec as JsonObject;
  const running = (pod: KubeObject): KubeObject => ({
    ...pod,
    ...{ apiVersion: "v1", kind: "Pod" },
    metadata: { ...pod.metadata, uid: pod.metadata.name, creationTimestamp: new Date().toISOString() },
    status: { phase: "Running", containerStatuses: [{ name: "kube-scheduler", state: { running: {} }, ready: true }] },
  });
  const { metadata, spec: podSpec } = spec.template as unknown as KubeObject;
  const permanent = { metadata: { ...metadata, name: "kube-scheduler-1", namespace: "kube-system" } } as KubeObject;
  const rescuePod = () => server.get("Pod", "kube-system/kube-scheduler-rescue");
  // Whoever finds the record given up takes it: the rescue pod as long as it is there.
  const beat = setInterval(() => {
    if (server.writes.every(({ method }) => method !== "POST")) return;
    const record = server.get("Endpoints", "kube-system/kube-scheduler")?.metadata.annotations ?? {};
    const { holderIdentity } = JSON.parse(Object.values(record)[0]!);
    const self = rescuePod() === undefined ? "permanent" : "rescue";
    if (holderIdentity === "" || holderIdentity === self) server.put(leader(new Date().toISOString(), self));
  }, 100);
  const flag = await serve(
    [{ ...workloadOf17, spec: { ...spec, replicas: 0 } }, ...others, leader("2026-11-21T03:00:00Z")],
    ({ method, path, body }) => {
      if (method !== "POST" || !path.endsWith("/pods")) return undefined;
      setTimeout(
        () => server.put(running({ ...permanent, spec: { ...(podSpec as JsonObject), nodeName: "m1" } })),
        1000,
      );
      return { status: 201, body: server.put(running(body as KubeObject)) };
    },
  );
  try {
    const log = join(base, "audit.log");
    const words = ["rescue", "scheduler", "-o", "json", flag, `--audit-log=${log}`];
    const { code, stdout, stderr } = await kubemend(base, words);
    expectAudited("rescue", changeLines(log));
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout).components).toMatchObject([{ state: "mended", holder: "permanent" }]);
  } finally {
    clearInterval(beat);
  }
  const wrote = server.writes.map(({ method, path, query }) => `${method} ${path}?${query}`);
  expect([...new Set(wrote)].sort()).toEqual([
    "DELETE /api/v1/namespaces/kube-system/pods/kube-scheduler-rescue?",
    "PATCH /api/v1/namespaces/kube-system/endpoints/kube-scheduler?",
    "PATCH /apis/extensions/v1beta1/namespaces/kube-system/deployments/kube-scheduler?",
    "POST /api/v1/namespaces/kube-system/pods?",
  ]);
});

test.each([
  ["no component", [], 'no "kube-scheduler" found'],
  ["no master", CLUSTER.filter(({ metadata }) => metadata.name !== "m1"), "none of 1 nodes is labelled as a master"],
])("%s", async (_, objects, text) => {
  const { code, stderr } = await kubemend(base, ["rescue", "scheduler", "-o", "yaml", await serve(objects)]);
  expect(code).toBe(1);
  expect(stderr).toContain(text);
});

test("an unknown component is wrong usage", async () => {
  const { code, stderr } = await kubemend(base, ["rescue", "apiserver"]);
  expect(code).toBe(2);
  expect(stderr).toContain("Allowed choices are scheduler, controller-manager");
});
