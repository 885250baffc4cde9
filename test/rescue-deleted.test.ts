/** `rescue` after the Deployment was deleted: what it has left, or what etcd still remembers, has the template. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { JsonObject, KubeObject } from "../src/kube/object.ts";
import { ApiServerStandIn } from "./api-server-stand-in.ts";
import { node, object, workload } from "./cluster-objects.ts";
import { kubemend } from "./kubemend.ts";

let base: string;
let server: ApiServerStandIn;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "kubemend-deleted-"));
});
afterEach(() => {
  server?.close();
  rmSync(base, { recursive: true, force: true });
});

const LABELS = { "k8s-app": "kube-scheduler" };
const DEPLOYMENT = workload("kube-scheduler", { container: { image: "registry.k8s.io/kube-scheduler:v1.12.10" } });
const TEMPLATE = (DEPLOYMENT.spec as { template: KubeObject }).template;
const SELECTOR = { matchLabels: { ...LABELS, "pod-template-hash": "7d9" } };
const OWNER = { apiVersion: "apps/v1", kind: "Deployment", name: "kube-scheduler", uid: "gone", controller: true };
const replicaSet = (ownerReferences: JsonObject[]) =>
  object("apps/v1", "ReplicaSet", "kube-system/kube-scheduler-7d9", {
    metadata: {
      labels: LABELS,
      uid: "rs",
      annotations: { "deployment.kubernetes.io/revision": "3" },
      ownerReferences,
    } as JsonObject,
    spec: { replicas: 1, selector: SELECTOR, template: TEMPLATE },
  });
const POD: KubeObject = object("v1", "Pod", "kube-system/kube-scheduler-7d9-x2k4p", {
  metadata: { labels: LABELS, uid: "pod" },
  spec: {
    ...(TEMPLATE.spec as JsonObject),
    nodeName: "m1",
    serviceAccountName: "default",
    volumes: [{ name: "default-token-abcde", secret: { secretName: "default-token-abcde" } }],
    containers: [
      {
        ...(TEMPLATE.spec as { containers: JsonObject[] }).containers[0],
        volumeMounts: [{ name: "default-token-abcde", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" }],
      },
    ],
  },
  status: { phase: "Failed" },
});
const LEASE = object("v1", "Endpoints", "kube-system/kube-scheduler", {
  metadata: {
    annotations: {
      "control-plane.alpha.kubernetes.io/leader": JSON.stringify({
        holderIdentity: "m1_a",
        leaseDurationSeconds: 15,
        renewTime: "2026-11-21T03:00:00Z",
      }),
    },
  } as JsonObject,
});
const OTHERS = [
  LEASE,
  // The stand-in serves the versions that it has objects of.
  workload("web", { labels: {} }),
  object("v1", "ServiceAccount", "kube-system/default"),
  {
    ...node("m1", { "node-role.kubernetes.io/master": "" }),
    status: { conditions: [{ type: "Ready", status: "True" }] },
  },
];

async function dryRun(objects: readonly KubeObject[], past: readonly KubeObject[] = []) {
  server = await ApiServerStandIn.start(base, {
    version: "v1.12.10",
    objects: [...OTHERS, ...objects],
    answer: ({ path, query }) => {
      if (query.get("resourceVersionMatch") !== "Exact" || !path.endsWith("/deployments")) return undefined;
      const items = past.map(({ apiVersion: _, kind: __, ...item }) => item as JsonObject);
      const metadata = { resourceVersion: "1" };
      return { status: 200, body: { kind: "DeploymentList", apiVersion: "apps/v1", metadata, items } };
    },
  });
  const words = ["rescue", "scheduler", `--kubeconfig=${server.kubeconfig}`];
  const reported = await kubemend(base, [...words, "--dry-run"]);
  const { stdout } = await kubemend(base, [...words, "-o", "yaml"]);
  return { ...reported, pod: stdout === "" ? undefined : parse(stdout) };
}

describe("the template of a scheduler whose Deployment is gone", () => {
  test.each<[string, readonly KubeObject[], readonly KubeObject[], string]>([
    ["its ReplicaSet, that it has left", [replicaSet([])], [], 'ReplicaSet "kube-system/kube-scheduler-7d9"'],
    ["its ReplicaSet, that is to go as well", [replicaSet([OWNER])], [], 'ReplicaSet "kube-system/kube-scheduler-7d9"'],
    ["its pod", [POD], [], 'pod "kube-system/kube-scheduler-7d9-x2k4p"'],
    ["etcd's last minutes", [], [DEPLOYMENT], 'Deployment "kube-system/kube-scheduler", as it last was'],
  ])("%s", async (_, objects, past, title) => {
    const { code, stdout, stderr, pod } = await dryRun(objects, past);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain(`on node "m1" from ${title}`);
    const { volumes, containers } = pod.spec;
    expect(containers[0].image).toBe("registry.k8s.io/kube-scheduler:v1.12.10");
    // A token's volume is the old pod's: admission gives the new one its own.
    expect(JSON.stringify([volumes ?? [], containers])).not.toContain("default-token");
  });

  test("nothing is left", async () => {
    const { code, stderr } = await dryRun([]);
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('no "kube-scheduler" found') });
  });
});
