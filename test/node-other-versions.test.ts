/**
 * Draining and evicting at versions of Kubernetes that cannot be run here: what an old or a new API server is asked, in
 * which version of the API, and what is made of its answers. What can be run is in `test/e2e/drain.test.ts` and
 * `test/e2e/node-failure.test.ts`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JsonObject, KubeObject } from "../src/kube/object.ts";
import { ApiServerStandIn, type StandInOptions, type StandInRequest, status } from "./api-server-stand-in.ts";
import { changeLines, expectAudited } from "./audited.ts";
import { object, node as plainNode } from "./cluster-objects.ts";
import { kubemend, type Outcome } from "./kubemend.ts";

let base: string;
let server: ApiServerStandIn;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "kubemend-versions-"));
});
afterEach(() => {
  server?.close();
  rmSync(base, { recursive: true, force: true });
});

async function serve(options: StandInOptions): Promise<void> {
  server = await ApiServerStandIn.start(base, options);
}

const node = (...args: string[]): Promise<Outcome> =>
  kubemend(base, ["node", ...args, `--kubeconfig=${server.kubeconfig}`]);
/** Of the writes: `DELETE /api/v1/namespaces/default/pods/web-1`. */
const writes = () => server.writes.map(({ method, path }) => `${method} ${path}`);

const SINCE = "2026-11-21T12:00:00Z";
const LAST_SIGN = "2026-11-21T11:59:20Z";

function machine(name: string, ready: "True" | "Unknown" | "False", spec: JsonObject = {}): KubeObject {
  const conditions = [{ type: "Ready", status: ready, lastTransitionTime: SINCE, lastHeartbeatTime: LAST_SIGN }];
  return { ...plainNode(name), spec, status: { conditions } };
}

function pod(
  name: string,
  kind = "ReplicaSet",
  more: { readonly metadata?: JsonObject; readonly status?: JsonObject } = {},
) {
  const owner = { apiVersion: "apps/v1", kind, name: "o", uid: "o", controller: true };
  return object("v1", "Pod", `default/${name}`, {
    metadata: { uid: `uid-${name}`, labels: { app: "web" }, ownerReferences: [owner], ...more.metadata },
    spec: { nodeName: "w1", containers: [] },
    status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }], ...more.status },
  });
}

/** How a server tells of the eviction API: before 1.22 without `policy/v1`, before 1.4 not at all. */
function coreResources(eviction: JsonObject | undefined): JsonObject {
  return {
    kind: "APIResourceList",
    groupVersion: "v1",
    resources: [{ name: "pods", kind: "Pod" }, ...(eviction ? [eviction] : [])],
  };
}
const EVICTION = (version: string) => ({ name: "pods/eviction", kind: "Eviction", group: "policy", version });

function podOf({ path }: StandInRequest): KubeObject | undefined {
  return server.get("Pod", `default/${/\/pods\/([^/]+)/.exec(path)?.[1]}`);
}

describe("drain", () => {
  test("by policy/v1, where an empty selector of a budget selects everything", async () => {
    const budget = (allowed: number): KubeObject =>
      object("policy/v1", "PodDisruptionBudget", "default/all", {
        spec: { minAvailable: 1, selector: {} },
        status: { expectedPods: 2, currentHealthy: 1 + allowed, desiredHealthy: 1, disruptionsAllowed: allowed },
      });
    await serve({
      version: "v1.36.2",
      objects: [machine("w1", "True"), pod("web-1"), budget(0)],
      answer: (request) => {
        if (request.path === "/api/v1") return { status: 200, body: coreResources(EVICTION("v1")) };
        // Once it knows of the budget, a replica becomes ready.
        if (request.path.endsWith("/poddisruptionbudgets") && request.query.get("limit") !== "1")
          setTimeout(() => server.put(budget(1)), 200);
        if (!request.path.endsWith("/eviction")) return undefined;
        const { disruptionsAllowed } = server.get("PodDisruptionBudget", "default/all")!.status as JsonObject;
        if (disruptionsAllowed === 0) {
          const causes = [{ reason: "DisruptionBudget", message: "the budget needs 1 healthy pods" }];
          return status(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.", {
            causes,
          });
        }
        const going = podOf(request)!;
        setTimeout(() => server.remove(going), 20);
        return { status: 201, body: { kind: "Status", status: "Success" } };
      },
    });
    const { code, stdout, stderr } = await node("drain", "w1");
    expect([code, stdout]).toEqual([
      0,
      "node/w1 cordoned\nevicting pod default/web-1\npod/web-1 evicted\nnode/w1 drained\n",
    ]);
    expect(stderr).toContain(
      "budget default/all (minAvailable 1: 1 of 2 pods is healthy, and 1 must be) is freed by: 1 more healthy pod\n",
    );
    const evictions = server.requests.filter(({ path }) => path.endsWith("/eviction"));
    expect(evictions.map(({ body }) => body)).toEqual(
      Array(2).fill({
        apiVersion: "policy/v1",
        kind: "Eviction",
        metadata: { name: "web-1", namespace: "default" },
        deleteOptions: { preconditions: { uid: "uid-web-1" } },
      }),
    );
    const asked = new Set(server.requests.map(({ path }) => path).filter((path) => path.includes("budgets")));
    expect([...asked]).toEqual(["/apis/policy/v1/namespaces/default/poddisruptionbudgets"]);
  });

  test.each([
    ["v1.21.0", EVICTION("v1beta1")],
    ["v1.5.0", { name: "pods/eviction", kind: "Eviction" }], // did not name the group yet
  ])("by policy/v1beta1 at %s", async (version, eviction) => {
    await serve({
      version,
      objects: [machine("w1", "True"), pod("web-1")],
      answer: (request) => {
        if (request.path === "/api/v1") return { status: 200, body: coreResources(eviction) };
        if (!request.path.endsWith("/eviction")) return undefined;
        server.remove(podOf(request)!);
        return { status: 201, body: { kind: "Status", status: "Success" } };
      },
    });
    const { code, stderr } = await node("drain", "w1");
    expect([code, stderr]).toEqual([0, ""]);
    expect(server.writes.at(-1)?.body).toMatchObject({ apiVersion: "policy/v1beta1", kind: "Eviction" });
  });

  test("by deletion where there is no eviction API", async () => {
    await serve({
      version: "v1.3.0",
      objects: [machine("w1", "True"), pod("web-1")],
      answer: ({ path }) => (path === "/api/v1" ? { status: 200, body: coreResources(undefined) } : undefined),
    });
    const { code, stdout } = await node("drain", "w1");
    expect([code, stdout]).toEqual([0, "node/w1 cordoned\npod/web-1 deleted\nnode/w1 drained\n"]);
    expect(writes()).toEqual(["PATCH /api/v1/nodes/w1", "DELETE /api/v1/namespaces/default/pods/web-1"]);
  });
});

describe("evict and a pod that no controller makes again", () => {
  const BARE = pod("bare", "ReplicaSet", { metadata: { ownerReferences: [] } });
  const objects = [machine("w1", "Unknown"), pod("web-1"), BARE];
  const deleted = () => writes().filter((line) => line.startsWith("DELETE"));
  const PODS = "DELETE /api/v1/namespaces/default/pods";

  test.each(["v1.25.9", "v1.36.2"])("leaves it alone and lists it apart at %s", async (version) => {
    await serve({ version, objects });
    const { code, stderr } = await node("evict", "w1", "--yes");
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("asked to end, and replaced elsewhere:\n  default/web-1\n");
    expect(stderr).toContain("no controller replaces them (--force deletes them):\n  default/bare\n");
    expect(deleted()).toEqual([`${PODS}/web-1`]);
  });

  test("deletes it with --force", async () => {
    await serve({ version: "v1.36.2", objects });
    const { code, stderr } = await node("evict", "w1", "--yes", "--force");
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("asked to end, and replaced elsewhere:\n  default/web-1\n");
    expect(stderr).toContain("CAUTION: deleted for good, since no controller replaces them:\n  default/bare\n");
    expect(deleted().sort()).toEqual([`${PODS}/bare`, `${PODS}/web-1`]);
  });

  test("does not put a taint on the node that would delete it", async () => {
    await serve({ version: "v1.36.2", objects });
    const { code, stderr } = await node("evict", "w1", "--yes", "--force-delete-pods");
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining("default/bare") });
    expect(stderr).toContain("--force");
    expect(writes()).toEqual([]);
  });

  test("leaves it alone where pods are taken away one by one", async () => {
    await serve({ version: "v1.25.9", objects });
    const { code } = await node("evict", "w1", "--yes", "--force-delete-pods");
    expect([code, deleted()]).toEqual([0, [`${PODS}/web-1`]]);
  });
});

describe("evict --force-delete-pods", () => {
  const UNREACHABLE = { key: "node.kubernetes.io/unreachable", effect: "NoExecute", timeAdded: SINCE };
  const OUT = { key: "node.kubernetes.io/out-of-service", value: "nodeshutdown", effect: "NoExecute" };

  test("taints the node as out of service, past a write of somebody else, and --undo takes that off alone", async () => {
    let conflicts = 1;
    await serve({
      version: "v1.28.4",
      objects: [machine("w1", "Unknown", { taints: [UNREACHABLE] }), pod("web-1"), pod("db-0", "StatefulSet")],
      answer: ({ method, body }) =>
        method === "PATCH" && (body!.spec as JsonObject).taints !== undefined && conflicts-- > 0
          ? status(409, "Conflict", "the object has been modified")
          : undefined,
    });
    const { code, stdout, stderr } = await node("evict", "w1", "--force-delete-pods", "--yes");
    expect(code, stderr).toBe(0);
    expect(stdout.split("\n").sort()).toEqual([
      "",
      "node/w1 cordoned",
      "node/w1 tainted node.kubernetes.io/out-of-service=nodeshutdown:NoExecute",
      "pod/db-0 deleted",
      "pod/web-1 deleted",
    ]);
    expect(stderr).toContain("CAUTION: if the machine still runs, these run twice");
    expect(server.get("Node", "w1")?.spec).toEqual({ unschedulable: true, taints: [UNREACHABLE, OUT] });
    // The taint has Kubernetes take them away: a deletion without grace would be the kubelet's word in its stead.
    const deletions = server.writes.filter(({ method }) => method === "DELETE");
    expect(deletions.map(({ body }) => body)).toEqual(
      expect.arrayContaining(["db-0", "web-1"].map((name) => ({ preconditions: { uid: `uid-${name}` } }))),
    );

    const silent = await node("evict", "w1", "--undo");
    expect([silent.code, silent.stderr]).toEqual([1, expect.stringContaining("is not ready yet; nothing was changed")]);
    const back = server.get("Node", "w1")!;
    server.put({ ...machine("w1", "True"), spec: back.spec });
    const undone = await node("evict", "w1", "--undo");
    expect([undone.code, undone.stdout]).toEqual([0, "node/w1 untainted\nnode/w1 uncordoned\n"]);
    expect(server.get("Node", "w1")?.spec).toEqual({ taints: [UNREACHABLE] });
  });

  test("takes the pods away one by one where the taint is not served", async () => {
    await serve({ version: "v1.25.9", objects: [machine("w1", "Unknown"), pod("web-1")] });
    const { code, stdout } = await node("evict", "w1", "--force-delete-pods", "--yes");
    expect([code, stdout]).toEqual([0, "node/w1 cordoned\npod/web-1 force deleted\n"]);
    expect(server.writes.at(-1)?.body).toEqual({ preconditions: { uid: "uid-web-1" }, gracePeriodSeconds: 0 });
  });

  test("says how far it came when the API server goes away in the middle", async () => {
    const pods = Array.from({ length: 12 }, (_, i) => pod(`web-${i}`));
    await serve({
      version: "v1.28.4",
      objects: [machine("w1", "Unknown"), ...pods],
      answer: ({ path }) => {
        if (path.endsWith("/pods/web-11")) server.close(); // asked for when one of the first ten has been answered
        return undefined;
      },
    });
    const { code, stderr } = await node("evict", "w1", "--force-delete-pods", "--yes");
    expect(code).toBe(1);
    expect(stderr).toMatch(
      new RegExp(
        '^not finished: node "w1" is cordoned, and \\d+ of 12 pods were asked to end\n' +
          'run the same command again to continue, .*\nerror: cannot reach the API server at ".*": ',
        "m",
      ),
    );
  });
});

describe("status of a failed node that is evicted by --pod-eviction-timeout", () => {
  const manager = (...flags: string[]): KubeObject =>
    object("v1", "Pod", "kube-system/kube-controller-manager-m1", {
      metadata: { labels: { component: "kube-controller-manager", tier: "control-plane" } },
      spec: {
        nodeName: "m1",
        containers: [{ name: "kube-controller-manager", command: ["kube-controller-manager", ...flags] }],
      },
    });
  const lost = pod("lost", "ReplicaSet", {
    metadata: { deletionTimestamp: SINCE, deletionGracePeriodSeconds: 30 },
    status: { reason: "NodeLost" },
  });
  const OBJECTS = [machine("w1", "Unknown"), pod("web-1"), pod("agent-1", "DaemonSet"), lost];
  const due = (seconds: number) => Date.parse(LAST_SIGN) + seconds * 1000;
  const AFTER = "since the node's last sign of life";

  test.each([
    ["its flag", "v1.12.10", [manager("--pod-eviction-timeout=2m0s")], [], 120, AFTER],
    ["its default", "v1.12.10", [manager()], [], 300, AFTER],
    [
      "assumed, where its pod is not to be seen",
      "v1.7.16",
      [],
      [],
      300,
      `${AFTER}, unless the controller manager is configured otherwise`,
    ],
    ["given, where its pod is not to be seen", "v1.20.2", [], ["--pod-eviction-timeout=45"], 45, AFTER],
    ["a later version without the taint manager", "v1.20.2", [manager("--enable-taint-manager=false")], [], 300, AFTER],
    [
      "a later version whose gate is off",
      "v1.14.0",
      [manager("--feature-gates=TaintBasedEvictions=false")],
      [],
      300,
      AFTER,
    ],
  ])("%s", async (_, version, objects, flags, seconds, why) => {
    await serve({ version, objects: [...OBJECTS, ...objects] });
    const { code, stdout, stderr } = await node("status", "-o", "json", ...flags);
    expect([code, stderr]).toEqual([1, ""]);
    const { nodes, pods } = JSON.parse(stdout);
    expect(nodes).toMatchObject([{ name: "w1", ready: "Unknown", lastSign: LAST_SIGN }]);
    const of = (name: string) => pods.find((each: { pod: string }) => each.pod === `default/${name}`);
    const because = expect.stringMatching(new RegExp(`^--pod-eviction-timeout is ${seconds} s ${why}$`));
    expect(of("web-1")).toMatchObject({ state: "Running", due: { when: "at", time: due(seconds), because } });
    expect(of("agent-1").due).toMatchObject({ when: "never" });
    expect(of("lost")).toMatchObject({ state: "Unknown", delay: { kind: "node-silent" } });
    expect(writes()).toEqual([]);
  });

  test.each([
    ["the gate is on", "v1.12.10", [manager("--feature-gates=TaintBasedEvictions=true")], []],
    ["the flag is given, but the pod says otherwise", "v1.20.2", [manager()], ["--pod-eviction-timeout=45"]],
    ["no version since 1.27 goes by it", "v1.27.0", [], ["--pod-eviction-timeout=45"]],
  ])("by taints where %s", async (_, version, objects, flags) => {
    await serve({ version, objects: [...OBJECTS, ...objects] });
    const { pods } = JSON.parse((await node("status", "-o", "json", ...flags)).stdout);
    expect(pods[0].due).toMatchObject({ when: "held", because: expect.stringContaining("has not tainted the node") });
  });
});

test("rebalance takes back an extra replica of a Deployment in extensions/v1beta1", async () => {
  const surged = object("extensions/v1beta1", "Deployment", "default/web", {
    metadata: { annotations: { "kubemend/rebalance-replicas": "2", mine: "kept" } },
    spec: { replicas: 3 },
  });
  const resources = { status: 200, body: coreResources(EVICTION("v1beta1")) };
  await serve({
    version: "v1.7.16",
    objects: [machine("w1", "True"), machine("w2", "True"), surged],
    answer: ({ path }) => (path === "/api/v1" ? resources : undefined),
  });
  const { code, stdout, stderr } = await node("rebalance", "w1", `--audit-log=${join(base, "audit.log")}`);
  expectAudited("node rebalance", changeLines(join(base, "audit.log")));
  expect([code, stderr]).toEqual([
    0,
    'deployments "default/web" has 2 replicas again: an earlier run had been cut off\n',
  ]);
  expect(stdout).toMatch(/^nothing to move$/m);
  const left = server.get("Deployment", "default/web")!;
  expect([left.spec, left.metadata.annotations]).toEqual([{ replicas: 2 }, { mine: "kept" }]);
});

test("without the permission to take pods away nothing is cordoned", async () => {
  await serve({
    version: "v1.28.4",
    objects: [machine("w1", "Unknown"), pod("web-1")],
    answer: ({ path, body }) => {
      const asked = (body?.spec as JsonObject | undefined)?.resourceAttributes as JsonObject | undefined;
      return path.endsWith("accessreviews") && asked?.resource === "pods"
        ? { status: 201, body: { ...body, status: { allowed: false } } }
        : undefined;
    },
  });
  const { code, stderr } = await node("evict", "w1", "--yes");
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^error: you may not delete pods; nothing was changed$/m)]);
  expect(writes()).toEqual([]);
});
