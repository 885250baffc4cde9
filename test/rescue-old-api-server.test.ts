/**
 * `rescue` at an API server of Kubernetes 1.7, which cannot be run here: no Lease objects, Deployments in `extensions/v1beta1`, and a server that knows no dry run, so that it would
 * take one for the real thing.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parse } from "yaml";
import type { JsonObject, KubeObject } from "../src/storage/object.ts";
import { ApiServerStandIn } from "./api-server-stand-in.ts";
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

async function serve(objects: readonly KubeObject[]): Promise<string> {
  server = await ApiServerStandIn.start(base, { version: "v1.7.16", objects });
  return `--kubeconfig=${server.kubeconfig}`;
}

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
