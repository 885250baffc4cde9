/** `rescue` and `diagnose` where the lease is not the usual one: what cannot be proved dead is neither called down nor deleted. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { JsonObject, KubeObject } from "../src/kube/object.ts";
import { ApiServerStandIn, status } from "./api-server-stand-in.ts";
import { configMap, node, object, workload } from "./cluster-objects.ts";
import { kubemend } from "./kubemend.ts";

// The control planes of tests that run beside these are none of theirs.
vi.mock("../src/operations/diagnose/gather/local-control-plane.ts", () => ({ gatherLocal: () => undefined }));

let base: string;
let server: ApiServerStandIn;
let renewing: NodeJS.Timeout | undefined;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "kubemend-leases-"));
});
afterEach(() => {
  clearInterval(renewing);
  server?.close();
  rmSync(base, { recursive: true, force: true });
});

const MANAGER = "kube-controller-manager";
const lease = (name: string, renewed: number, holder = "m1_a") =>
  object("coordination.k8s.io/v1", "Lease", `kube-system/${name}`, {
    spec: { holderIdentity: holder, leaseDurationSeconds: 15, renewTime: new Date(renewed).toISOString() },
  });

const COMMAND = ["kube-scheduler", "--config=/etc/sched/config.yaml"];
const MOUNT = { volumeMounts: [{ name: "c", mountPath: "/etc/sched" }] };
const inConfigMap = { volumes: [{ name: "c", configMap: { name: "kube-scheduler-config" } }] };
const onNode = { volumes: [{ name: "c", hostPath: { path: "/etc/kubernetes/scheduler" } }] };
const CONFIG = configMap("kube-system/kube-scheduler-config", {
  "config.yaml": "kind: KubeSchedulerConfiguration\nleaderElection: {leaderElect: true, resourceName: our-scheduler}\n",
});

function scheduler(spec: JsonObject, container: JsonObject = {}): readonly [KubeObject, KubeObject] {
  const deployment = workload("kube-scheduler", { spec, container: { command: COMMAND, ...MOUNT, ...container } });
  const { template } = deployment.spec as { template: KubeObject };
  const labels = { "k8s-app": "kube-scheduler" };
  const own = {
    ...deployment,
    spec: { ...(deployment.spec as JsonObject), replicas: 1, selector: { matchLabels: labels } },
  };
  return [
    own,
    running(object("v1", "Pod", "kube-system/kube-scheduler-1", { metadata: { labels }, spec: template.spec })),
  ];
}

function running(pod: KubeObject): KubeObject {
  const containers = (pod.spec as { containers: { name: string }[] }).containers;
  const state = { running: { startedAt: new Date().toISOString() } };
  return {
    ...pod,
    metadata: { ...pod.metadata, uid: pod.metadata.name },
    spec: { ...(pod.spec as JsonObject), nodeName: "m1" },
    status: {
      phase: "Running",
      conditions: [{ type: "Ready", status: "True" }],
      containerStatuses: containers.map(({ name }) => ({ name, state, ready: true })),
    },
  };
}

const MASTER: KubeObject = {
  ...node("m1", { "node-role.kubernetes.io/control-plane": "" }),
  status: { conditions: [{ type: "Ready", status: "True" }] },
};

/**
 * `renewed`: the names of leases that their holders renew; `log`: what the scheduler's pod has logged; `onRefused`: pods
 * are refused, and what happens then.
 */
async function serve(
  objects: readonly KubeObject[],
  renewed: readonly string[],
  log?: string,
  onRefused?: () => void,
): Promise<string> {
  const long = Date.now() - 3_600_000;
  const stale = [lease("kube-scheduler", long), lease(MANAGER, Date.now())];
  server = await ApiServerStandIn.start(base, {
    version: "v1.36.2",
    objects: [
      ...objects,
      MASTER,
      object("v1", "Namespace", "kube-system"),
      ...stale,
      ...renewed.map((name) => lease(name, Date.now())),
    ],
    answer: ({ method, path }) => {
      if (onRefused !== undefined && method === "POST" && path.endsWith("/pods")) {
        onRefused();
        return status(403, "Forbidden", "a policy refuses it");
      }
      const version = { groupVersion: "coordination.k8s.io/v1" };
      const group = { kind: "APIGroup", name: "coordination.k8s.io", preferredVersion: version, versions: [version] };
      if (path === "/readyz") return { status: 200, body: {} };
      if (path === "/apis/coordination.k8s.io") return { status: 200, body: group };
      return log !== undefined && path.endsWith("/log") ? { status: 200, body: { log } } : undefined;
    },
  });
  renewing = setInterval(() => {
    for (const name of [MANAGER, ...renewed]) server.put(lease(name, Date.now()));
  }, 100);
  return `--kubeconfig=${server.kubeconfig}`;
}

/** As if time went ten times as fast: a lease is watched for as long as it lasts. */
const began = Date.now();
const fast = { now: () => began + (Date.now() - began) * 10 };

async function rescue(flag: string) {
  const { code, stdout, stderr } = await kubemend(base, ["rescue", "scheduler", "-o", "json", flag], {}, fast);
  const [outcome] = stdout === "" ? [undefined] : JSON.parse(stdout).components;
  return { code, outcome, stderr, writes: server.writes.map(({ method, path }) => `${method} ${path}`) };
}

async function diagnosedScheduler(flag: string) {
  const { stdout } = await kubemend(base, ["diagnose", "-o", "json", flag]);
  const { areas, troubles } = JSON.parse(stdout);
  const { state, text } = areas.find(({ area }: { area: string }) => area === "scheduler");
  return { state, text, codes: troubles.map(({ code }: { code: string }) => code) };
}

test("a lease that a mounted config map names is the one that counts", async () => {
  const flag = await serve([...scheduler(inConfigMap), CONFIG], ["our-scheduler"]);
  expect(await rescue(flag)).toMatchObject({ code: 0, outcome: { state: "healthy" }, writes: [] });
  expect(await diagnosedScheduler(flag)).toMatchObject({ state: "ok", codes: [] });
});

test("so is one that flags name", async () => {
  const command = ["kube-scheduler", "--leader-elect-resource-name=our-scheduler"];
  const flag = await serve(scheduler({}, { command }), ["our-scheduler"]);
  expect(await rescue(flag)).toMatchObject({ code: 0, outcome: { state: "healthy" }, writes: [] });
  expect(await diagnosedScheduler(flag)).toMatchObject({ state: "ok", codes: [] });
});

test("a configuration file of another machine: the pod's log says which lease it takes", async () => {
  const log = "leaderelection.go:258] Attempting to acquire leader lease kube-system/our-scheduler...";
  const flag = await serve(scheduler(onNode), ["our-scheduler"], log);
  expect(await rescue(flag)).toMatchObject({ code: 0, outcome: { state: "healthy" }, writes: [] });
  expect(await diagnosedScheduler(flag)).toMatchObject({ state: "ok", codes: [] });
});

test("without that nothing is known, nothing is done, and nobody calls it down", async () => {
  const flag = await serve(scheduler(onNode), ["our-scheduler"]);
  const result = await rescue(flag);
  expect(result).toMatchObject({ code: 3, outcome: { state: "unknown", fault: { kind: "undecided" } }, writes: [] });
  expect(result.outcome.fault.text).toContain('is a file of node "m1"');
  const seen = await diagnosedScheduler(flag);
  expect(seen).toMatchObject({ state: "unknown", codes: [] });
  expect(seen.text).toContain('"/etc/sched/config.yaml"');
});

test("a pod of an older template has its own lease", async () => {
  const [, pod] = scheduler({}, { command: ["kube-scheduler", "--leader-elect-resource-name=our-scheduler"] });
  const [deployment] = scheduler({}, { command: ["kube-scheduler"] });
  const flag = await serve([deployment, pod], ["our-scheduler"]);
  expect(await rescue(flag)).toMatchObject({ code: 0, outcome: { state: "healthy" }, writes: [] });
});

test("a config map that was changed after the pod was started tells nothing of it", async () => {
  const changed = { manager: "kubectl-edit", time: new Date(Date.now() + 60_000).toISOString() };
  const edited = { ...CONFIG, metadata: { ...CONFIG.metadata, managedFields: [changed] } };
  const flag = await serve([...scheduler(inConfigMap), edited], ["the-lease-before"]);
  const result = await rescue(flag);
  expect(result).toMatchObject({ code: 3, outcome: { state: "unknown" }, writes: [] });
  expect(result.outcome.fault.text).toContain("was changed after");
});

test("one that runs without leader election and is not ready is not proved dead", async () => {
  const [deployment, pod] = scheduler({}, { command: ["kube-scheduler", "--leader-elect=false"] });
  const unready = {
    ...pod,
    status: {
      ...(pod.status as JsonObject),
      conditions: [],
      containerStatuses: [{ name: "kube-scheduler", state: { running: {} }, ready: false }],
    },
  };
  const flag = await serve([deployment, unready], []);
  expect(await rescue(flag)).toMatchObject({ code: 3, outcome: { state: "unknown" }, writes: [] });
  expect(await diagnosedScheduler(flag)).toMatchObject({ state: "unknown", codes: [] });
});

test("one that surely has the lease and does not renew it makes way", async () => {
  const flag = await serve([...scheduler(inConfigMap), CONFIG, lease("our-scheduler", Date.now() - 3_600_000)], []);
  const { stderr, writes } = await rescue(`${flag}`);
  expect(stderr).toContain("runs and does not renew its lease: deleting it");
  expect(writes).toContain("DELETE /api/v1/namespaces/kube-system/pods/kube-scheduler-1");
  expect(await diagnosedScheduler(flag)).toMatchObject({ state: "broken", codes: ["scheduler-down"] });
});

test("a static scheduler that comes back by itself is mended, whatever became of the rescue pod", async () => {
  const metadata = {
    labels: { component: "kube-scheduler" },
    annotations: { "kubernetes.io/config.mirror": "x", "kubernetes.io/config.source": "file" },
  } as JsonObject;
  const spec = {
    nodeName: "m1",
    hostNetwork: true,
    containers: [{ name: "kube-scheduler", command: ["kube-scheduler"] }],
  };
  const pod = running(object("v1", "Pod", "kube-system/kube-scheduler-m1", { metadata, spec }));
  const waiting = { waiting: { reason: "CrashLoopBackOff" } };
  const ended = { terminated: { exitCode: 1, finishedAt: "2026-11-21T03:00:00Z", containerID: "c" } };
  const crashed = {
    ...pod,
    status: {
      phase: "Running",
      containerStatuses: [{ name: "kube-scheduler", state: waiting, lastState: ended, restartCount: 3 }],
    },
  };
  // No rescue pod comes about. In the meantime the kubelet has tried the static one again.
  const flag = await serve([crashed], [], undefined, () => {
    server.put(pod);
    clearInterval(renewing);
    renewing = setInterval(() => server.put(lease("kube-scheduler", Date.now(), "m1_b")), 100);
  });
  const { code, outcome, stderr } = await rescue(flag);
  expect({ code, outcome }, stderr).toMatchObject({ code: 0, outcome: { state: "mended", fault: null } });
  expect(stderr).toContain("watching whether the permanent kube-scheduler comes back by itself");
  expect(stderr).toContain("has come back by itself");
});
