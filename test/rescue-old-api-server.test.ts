/**
 * `rescue` at an API server of Kubernetes 1.7, which cannot be run here: no Lease objects, Deployments in `extensions/v1beta1`, and a server that knows no dry run, so that it would
 * take one for the real thing. The stand-in answers as such servers did; real ones of today are in `test/e2e`.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parse } from "yaml";
import type { JsonObject, KubeObject } from "../src/storage/object.ts";
import { node, object, workload } from "./cluster-objects.ts";
import { kubemend } from "./kubemend.ts";

let base: string;
let server: Server;
let written: string[];

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "kubemend-rescue-old-"));
  written = [];
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  rmSync(base, { recursive: true, force: true });
});

const COLLECTIONS: Readonly<Record<string, string>> = {
  Deployment: "/apis/extensions/v1beta1/deployments",
  Endpoints: "/api/v1/namespaces/kube-system/endpoints",
  Node: "/api/v1/nodes",
  Pod: "/api/v1/pods",
  ServiceAccount: "/api/v1/namespaces/kube-system/serviceaccounts",
};
const KNOWN = [
  ...Object.values(COLLECTIONS),
  "/apis/extensions/v1beta1/daemonsets",
  "/api/v1/namespaces/kube-system/configmaps",
];

const ready = (each: KubeObject): KubeObject => ({
  ...each,
  status: { conditions: [{ type: "Ready", status: "True" }] },
});
const leader = (renewTime: string) =>
  object("v1", "Endpoints", "kube-system/kube-scheduler", {
    metadata: {
      annotations: {
        "control-plane.alpha.kubernetes.io/leader": JSON.stringify({
          holderIdentity: "m1",
          leaseDurationSeconds: 15,
          renewTime,
        }),
      },
    } as JsonObject,
  });

/** Lists, and watches: those of Endpoints tell what `changes` has, one after the other. */
async function serve(objects: readonly KubeObject[], changes: readonly KubeObject[] = []): Promise<string> {
  server = createServer((request, response) => {
    const url = new URL(request.url!, "http://x");
    const answer = (status: number, body: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (request.method !== "GET") {
      written.push(`${request.method} ${request.url}`);
      return void answer(201, { status: { allowed: true } });
    }
    if (url.pathname === "/version") return void answer(200, { gitVersion: "v1.7.16" });
    const path = KNOWN.find((each) => url.pathname === each || url.pathname.startsWith(`${each}/`));
    if (path === undefined) return void answer(404, { kind: "Status", reason: "NotFound", code: 404 });
    if (url.searchParams.has("watch")) {
      response.writeHead(200, { "content-type": "application/json" });
      response.flushHeaders();
      const events = path.endsWith("/endpoints") ? changes : [];
      for (const [i, each] of events.entries()) {
        setTimeout(() => response.write(`${JSON.stringify({ type: "MODIFIED", object: each })}\n`), 50 * (i + 1));
      }
      return;
    }
    const found = objects.filter(({ kind }) => COLLECTIONS[kind] === path);
    if (url.pathname !== path) {
      const one = found.find(({ metadata }) => url.pathname.endsWith(`/${metadata.name}`));
      return void (one === undefined ? answer(404, { reason: "NotFound", code: 404 }) : answer(200, one));
    }
    const items = found.map(({ apiVersion: _, kind: __, ...item }) => item);
    return void answer(200, { kind: `${found[0]?.kind ?? "Any"}List`, metadata: { resourceVersion: "1" }, items });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const config = {
    clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${port}` } }],
    users: [],
    contexts: [{ name: "x", context: { cluster: "c" } }],
  };
  writeFileSync(join(base, "kubeconfig"), JSON.stringify(config));
  return "--kubeconfig=kubeconfig";
}

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
  expect(written.filter((each) => !each.includes("subjectaccessreviews"))).toEqual([]);
});

test("a scheduler whose Endpoints annotation changes is healthy", async () => {
  const times = ["2026-11-21T03:00:00Z", "2026-11-21T03:00:02Z"].map(leader);
  const flag = await serve([...CLUSTER, times[0]!], times);
  const { code, stdout, stderr } = await kubemend(base, ["rescue", "scheduler", "-o", "json", flag]);
  expect([code, stderr]).toEqual([0, expect.stringContaining('kube-scheduler is healthy: "m1" renews its lease')]);
  expect(JSON.parse(stdout).components).toMatchObject([{ state: "healthy", holder: "m1" }]);
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
