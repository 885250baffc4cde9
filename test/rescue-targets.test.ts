/** What `rescue` makes its pod of, where the API server still has an earlier state in etcd's history. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ClusterApi } from "../src/io/api-server/cluster-api.ts";
import { readKubeconfig } from "../src/io/api-server/kubeconfig.ts";
import type { JsonObject, KubeObject } from "../src/kube/object.ts";
import { findRescueTargets } from "../src/operations/rescue/find-rescue-targets.ts";
import { ApiServerStandIn } from "./api-server-stand-in.ts";
import { object } from "./cluster-objects.ts";

let base: string;
let server: ApiServerStandIn;
let api: ClusterApi;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "kubemend-targets-"));
});
afterEach(() => {
  api?.close();
  server?.close();
  rmSync(base, { recursive: true, force: true });
});

const staticPod = (flag: string, status: JsonObject): KubeObject => ({
  ...object("v1", "Pod", "kube-system/kube-scheduler-m1", {
    metadata: { annotations: { "kubernetes.io/config.mirror": "x" }, labels: { component: "kube-scheduler" } },
  } as JsonObject),
  spec: { nodeName: "m1", containers: [{ name: "kube-scheduler", command: ["kube-scheduler", flag] }] },
  status,
});
const BEFORE = staticPod("--leader-elect=true", {
  containerStatuses: [{ name: "kube-scheduler", state: { running: {} } }],
});
const LEASE = object("coordination.k8s.io/v1", "Lease", "kube-system/kube-scheduler", {
  spec: { holderIdentity: "m1", leaseDurationSeconds: 15, renewTime: "2026-11-21T03:00:00.000000Z" },
} as JsonObject);
const LEASES = {
  kind: "APIGroup",
  apiVersion: "v1",
  name: "coordination.k8s.io",
  versions: [{ groupVersion: "coordination.k8s.io/v1", version: "v1" }],
};

test.each([
  ["has crashed", { waiting: { reason: "CrashLoopBackOff" } }, [", as it last was", ""]],
  ["runs for a moment and is about to crash", { running: {} }, ["", ", as it last was"]],
])("a static pod whose manifest was edited and that %s: how it ran before is known", async (_, state, titles) => {
  const now = staticPod("--no-such-flag", {
    containerStatuses: [{ name: "kube-scheduler", state: state as JsonObject, restartCount: 1 }],
  });
  server = await ApiServerStandIn.start(base, {
    version: "v1.36.2",
    objects: [now, LEASE],
    answer: ({ path, query }) => {
      if (path === "/apis/coordination.k8s.io") return { status: 200, body: LEASES };
      if (!path.endsWith("/pods") || query.get("resourceVersionMatch") !== "Exact") return undefined;
      return { status: 200, body: { kind: "PodList", apiVersion: "v1", metadata: {}, items: [BEFORE as JsonObject] } };
    },
  });
  api = new ClusterApi(readKubeconfig(server.kubeconfig));
  const search = { components: ["kube-scheduler"], namespace: undefined, signal: AbortSignal.timeout(60_000) } as const;
  const [target] = await findRescueTargets(api, search, [now]);
  expect(target!.templates.map(({ title }) => title)).toEqual(
    titles.map((title) => `static pod "kube-system/kube-scheduler-m1"${title}`),
  );
});
