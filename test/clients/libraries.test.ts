/** Client libraries on `serve`: JavaScript's and Python's own, as scripts use them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ApiException, AppsV1Api, CoreV1Api, CustomObjectsApi, KubeConfig, Watch } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FIXTURES } from "../kubectl-tables.ts";
import { runProgram, serveFile, type TestServer } from "../serving.ts";

let server: TestServer;
beforeAll(async () => {
  server = await serveFile(join(FIXTURES, "k120-broad/snapshot.db.gz"));
});
afterAll(() => server.stop());

describe("@kubernetes/client-node", () => {
  const config = () => {
    const read = new KubeConfig();
    read.loadFromString(readFileSync(server.kubeconfig, "utf8"));
    return read;
  };

  test("lists, pages and reads", async () => {
    const core = config().makeApiClient(CoreV1Api);
    const whole = await core.listPodForAllNamespaces();
    expect(whole.items.length).toBeGreaterThan(20);
    const names: (string | undefined)[] = [];
    let _continue: string | undefined;
    do {
      const page = await core.listPodForAllNamespaces({ limit: 7, ...(_continue === undefined ? {} : { _continue }) });
      names.push(...page.items.map(({ metadata }) => metadata?.name));
      _continue = page.metadata?._continue;
    } while (_continue !== undefined && _continue !== "");
    expect(names).toEqual(whole.items.map(({ metadata }) => metadata?.name));
    const web = await config().makeApiClient(AppsV1Api).readNamespacedDeployment({ name: "web", namespace: "shop" });
    expect(web.spec?.selector.matchLabels).toEqual({ app: "web" });
    expect(web.metadata?.creationTimestamp).toBeInstanceOf(Date);
    const widgets = await config()
      .makeApiClient(CustomObjectsApi)
      .listClusterCustomObject({ group: "things.fx.example.com", version: "v1", plural: "widgets" });
    expect(widgets.items.length).toBeGreaterThan(3);
  });

  test("a missing object and a write are errors that say why", async () => {
    const core = config().makeApiClient(CoreV1Api);
    const missing = core.readNamespacedPod({ name: "nope", namespace: "shop" });
    await expect(missing).rejects.toBeInstanceOf(ApiException);
    await expect(missing).rejects.toMatchObject({ code: 404 });
    await expect(core.deleteNamespace({ name: "shop" })).rejects.toMatchObject({ code: 405 });
  });

  test("a watch replays the recorded history", async () => {
    const types = await new Promise<Set<string>>((resolve, reject) => {
      const seen = new Set<string>();
      new Watch(config())
        .watch(
          "/api/v1/namespaces/shop/pods",
          { resourceVersion: "600", timeoutSeconds: 1 },
          (type: string) => seen.add(type),
          (error: unknown) => (error ? reject(error) : resolve(seen)),
        )
        .catch(reject);
    });
    expect([...types].sort()).toEqual(["ADDED", "DELETED", "MODIFIED"]);
  });
});

const SCRIPT = `
import json, sys
from kubernetes import client, config, watch
config.load_kube_config(sys.argv[1])
core = client.CoreV1Api()
pods = core.list_pod_for_all_namespaces(label_selector="app=web")
secret = core.read_namespaced_secret("db-creds", "shop")
events = [e["type"] for e in watch.Watch().stream(core.list_namespaced_pod, "shop", resource_version="600", timeout_seconds=1)]
try:
    core.delete_namespace("shop"); code = 200
except client.exceptions.ApiException as error:
    code = error.status
versions = client.VersionApi().get_code().git_version
custom = client.CustomObjectsApi().list_cluster_custom_object("things.fx.example.com", "v1", "widgets")
print(json.dumps({"pods": len(pods.items), "started": str(pods.items[0].metadata.creation_timestamp), "keys": sorted(secret.data),
  "events": sorted(set(events)), "code": code, "version": versions, "custom": len(custom["items"])}))
`;

describe("python3-kubernetes", async () => {
  const PYTHON = "/usr/bin/python3"; // Debian's package is for Debian's Python
  const found = (await runProgram(PYTHON, ["-c", "import kubernetes"])).code === 0;
  test.skipIf(!found)("lists, reads, watches, and is told what it may not do", async () => {
    const { stdout, stderr } = await runProgram(PYTHON, ["-c", SCRIPT, server.kubeconfig]);
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toMatchObject({
      pods: expect.any(Number),
      keys: expect.arrayContaining(["password"]),
      events: ["ADDED", "DELETED", "MODIFIED"],
      code: 405,
      version: server.kubernetesVersion,
      custom: 8,
    });
  });
});
