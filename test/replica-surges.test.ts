/** The extra replica of a rebalance, when it is interrupted between the question and the answer. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ClusterApi } from "../src/io/api-server/cluster-api.ts";
import { readKubeconfig } from "../src/io/api-server/kubeconfig.ts";
import type { JsonObject } from "../src/kube/object.ts";
import { ReplicaSurges } from "../src/operations/rebalance/replica-surges.ts";
import { ApiServerStandIn } from "./api-server-stand-in.ts";
import { workload } from "./cluster-objects.ts";

let base: string;
let server: ApiServerStandIn;
let api: ClusterApi;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "kubemend-surges-"));
});
afterEach(() => {
  api?.close();
  server?.close();
  rmSync(base, { recursive: true, force: true });
});

const WEB = workload("web", { namespace: "default", labels: {}, spec: {} });
const OWNER = { ...WEB, spec: { ...(WEB.spec as JsonObject), replicas: 2 } };
const SURGE = { path: "/apis/apps/v1/namespaces/default/deployments/web", wanted: 2 };
const replicas = () => (server.get("Deployment", "default/web")!.spec as JsonObject).replicas;
const annotations = () => server.get("Deployment", "default/web")!.metadata.annotations;

/** The first patch is taken after `afterMs`, and answered never. */
async function serve(afterMs: number, asked: () => void): Promise<void> {
  let isFirst = true;
  server = await ApiServerStandIn.start(base, {
    version: "v1.36.2",
    objects: [OWNER],
    answer: ({ method, body }) => {
      if (method !== "PATCH" || !isFirst) return undefined;
      isFirst = false;
      asked();
      setTimeout(() => {
        const now = server.get("Deployment", "default/web")!;
        const { metadata, spec } = body as { metadata: JsonObject; spec: JsonObject };
        const all = { ...now.metadata, annotations: metadata.annotations as Record<string, string> };
        server.put({ ...now, metadata: all, spec: { ...(now.spec as JsonObject), ...spec } });
      }, afterMs);
      return { status: 504, body: { kind: "Status", apiVersion: "v1", status: "Failure", code: 504, metadata: {} } };
    },
  });
  api = new ClusterApi(readKubeconfig(server.kubeconfig));
}

test.each([0, 900])("a replica that is added %i ms after nobody waits for it is taken back", async (afterMs) => {
  const interrupted = new AbortController();
  await serve(afterMs, () => interrupted.abort());
  const surges = new ReplicaSurges(api);
  await expect(surges.begin(SURGE, interrupted.signal)).rejects.toThrow();
  await surges.end(SURGE, AbortSignal.timeout(10_000), true);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect([replicas(), annotations() ?? {}]).toEqual([2, {}]);
});

test("an annotation that a Deployment's controller has copied to its ReplicaSet is not that of a run that was cut off", async () => {
  const marks = { "kubemend/rebalance-replicas": "2" };
  const owner = { apiVersion: "apps/v1", kind: "Deployment", name: "web", uid: "u", controller: true };
  const set = { ...WEB, kind: "ReplicaSet", metadata: { ...WEB.metadata, name: "web-1", annotations: marks } };
  const spec = { ...(WEB.spec as JsonObject), replicas: 3 };
  const lone = { ...set, metadata: { ...set.metadata, name: "lone" }, spec };
  server = await ApiServerStandIn.start(base, {
    version: "v1.36.2",
    objects: [{ ...set, metadata: { ...set.metadata, ownerReferences: [owner] }, spec }, lone],
  });
  api = new ClusterApi(readKubeconfig(server.kubeconfig));
  const said: string[] = [];
  await new ReplicaSurges(api).endOld(AbortSignal.timeout(10_000), (text) => void said.push(text));
  const replicasOf = (name: string) => (server.get("ReplicaSet", `default/${name}`)!.spec as JsonObject).replicas;
  expect([replicasOf("web-1"), replicasOf("lone")]).toEqual([3, 2]);
  expect(said).toEqual(['replicasets "default/lone" has 2 replicas again: an earlier run had been cut off']);
});
