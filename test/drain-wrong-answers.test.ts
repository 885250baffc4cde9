/**
 * A drain whose API server works until something before it answers the list of the node's pods: nothing of what such
 * answers make of the node is believed. What stands there for real in between is the stand-in; who reads it is tested.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request as forward } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { KubeObject } from "../src/kube/object.ts";
import { ApiServerStandIn } from "./api-server-stand-in.ts";
import { HOSTILE_API, startHostileApi } from "./attack/hostile-api.ts";
import type { HostileServer } from "./attack/hostile-server.ts";
import { kubemend, type Outcome } from "./kubemend.ts";

let directory: string;
let server: ApiServerStandIn;
let hostile: HostileServer | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-drain-"));
});
afterEach(() => {
  hostile?.close();
  hostile = undefined;
  server.close();
  rmSync(directory, { recursive: true });
});

const NODE: KubeObject = {
  apiVersion: "v1",
  kind: "Node",
  metadata: { name: "w1", uid: "uid-w1" },
  spec: {},
  status: { conditions: [{ type: "Ready", status: "True" }] },
};

function pod(name: string, nodeName = "w1"): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "default",
      uid: `uid-${name}`,
      ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "web", uid: "rs", controller: true }],
    },
    spec: { nodeName },
    status: { phase: "Running" },
  };
}

const RESOURCES = {
  kind: "APIResourceList",
  groupVersion: "v1",
  resources: [
    { name: "pods", kind: "Pod" },
    { name: "pods/eviction", kind: "Eviction", group: "policy", version: "v1" },
  ],
};

/** A cluster whose evictions are always refused, by its budget. */
async function startCluster(
  onEviction?: (name: string) => void,
  objects: readonly KubeObject[] = [NODE, pod("web-1"), pod("web-2")],
): Promise<void> {
  server = await ApiServerStandIn.start(directory, {
    version: "v1.28.4",
    objects,
    answer: ({ path }) => {
      if (path === "/api/v1") return { status: 200, body: RESOURCES };
      const [, name] = /\/pods\/([^/]+)\/eviction$/.exec(path) ?? [];
      if (name === undefined) return undefined;
      onEviction?.(name);
      const details = { causes: [{ reason: "DisruptionBudget" }] };
      const body = {
        kind: "Status",
        apiVersion: "v1",
        status: "Failure",
        code: 429,
        reason: "TooManyRequests",
        details,
      };
      return onEviction === undefined
        ? { status: 429, body }
        : { status: 201, body: { kind: "Status", status: "Success" } };
    },
  });
}

/** Answers badly where `isBad` says so; else as the stand-in does. */
async function stand(mode: string, isBad: (url: string) => boolean): Promise<string> {
  hostile = await startHostileApi(mode, (request, response) => {
    if (isBad(request.url!)) return false;
    const { port } = new URL(server.url);
    const { url, method, headers } = request;
    const sent = forward({ host: "127.0.0.1", port, path: url, method, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    sent.on("error", () => response.destroy());
    response.on("close", () => sent.destroy());
    request.pipe(sent);
    return true;
  });
  const kubeconfig = join(directory, "before");
  const config = {
    clusters: [{ name: "c", cluster: { server: hostile.url } }],
    contexts: [{ name: "x", context: { cluster: "c" } }],
  };
  writeFileSync(kubeconfig, JSON.stringify(config));
  return kubeconfig;
}

function drain(kubeconfig: string): Promise<Outcome> {
  const flags = ["--force", "--timeout=3s", "--request-timeout=1s", `--kubeconfig=${kubeconfig}`];
  return kubemend(directory, ["node", "drain", "w1", ...flags]);
}

const isList = (url: string) => url.startsWith("/api/v1/pods") && !url.includes("watch=true");
/** Those that speak HTTP: the others answer nothing well either. */
const BY_HTTP = HOSTILE_API.slice(0, HOSTILE_API.indexOf("silent"));

describe("never says drained where the list of pods is answered with", () => {
  test.each(BY_HTTP)("%s", async (mode) => {
    await startCluster();
    const { code, stdout, stderr } = await drain(await stand(mode, isList));
    expect([code, stdout], stderr).toEqual([1, expect.not.stringMatching(/drained/)]);
    expect(stderr).toMatch(/^error: /m);
    expect(stderr).not.toMatch(/internal error/);
    expect(server.get("Pod", "default/web-1")).toBeDefined();
  });
});

describe("or from the second time on", () => {
  test.each(["login page", "an empty object", "no items", "another kind", "redirect"])("%s", async (mode) => {
    await startCluster();
    let asked = 0;
    const kubeconfig = await stand(mode, (url) => isList(url) && ++asked > 1);
    const { code, stdout, stderr } = await drain(kubeconfig);
    expect([code, stdout], stderr).toEqual([1, expect.not.stringMatching(/drained/)]);
  });
});

test("a watch that says that pods are gone is not the last word", async () => {
  await startCluster(() => {});
  const kubeconfig = await stand("watches that end at once", () => false);
  // The watch is answered by somebody who has the pods gone; the list still has them.
  const deleted = [pod("web-1"), pod("web-2")]
    .map(
      (object) =>
        `${JSON.stringify({ type: "DELETED", object: { ...object, metadata: { ...object.metadata, resourceVersion: "9" } } })}\n`,
    )
    .join("");
  hostile!.close();
  hostile = await startHostileApi("silent-watch", (request, response) => {
    if (request.url!.includes("watch=true")) {
      response.writeHead(200, { "content-type": "application/json" });
      response.write(deleted);
      return true;
    }
    const { port } = new URL(server.url);
    const sent = forward(
      { host: "127.0.0.1", port, path: request.url, method: request.method, headers: request.headers },
      (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      },
    );
    request.pipe(sent);
    return true;
  });
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      clusters: [{ name: "c", cluster: { server: hostile.url } }],
      contexts: [{ name: "x", context: { cluster: "c" } }],
    }),
  );
  const { code, stdout, stderr } = await drain(kubeconfig);
  expect([code, stdout], stderr).toEqual([1, expect.not.stringMatching(/node\/w1 drained/)]);
  expect(stderr).toMatch(
    /lists pod "default\/web-\d" on it, and its watch does not bring|is gone by what the API server's watch says/,
  );
});

test("a drain that succeeds has read the pods at last, from etcd's quorum", async () => {
  await startCluster((name) => {
    setTimeout(() => {
      const found = server.get("Pod", `default/${name}`);
      if (found !== undefined) server.remove(found);
    }, 20);
  });
  const { code, stdout, stderr } = await drain(server.kubeconfig);
  expect([code, stdout], stderr).toEqual([0, expect.stringMatching(/node\/w1 drained/)]);
  const reads = server.requests.filter(({ path, query }) => path === "/api/v1/pods" && !query.has("watch"));
  expect(reads.at(-1)?.query.has("resourceVersion")).toBe(false);
  const lastWrite = server.requests.findLastIndex(({ path }) => path.endsWith("/eviction"));
  expect(server.requests.indexOf(reads.at(-1)!)).toBeGreaterThan(lastWrite);
});

test("while the last read of one node takes its time, the pods of the others leave", async () => {
  const others = Array.from({ length: 40 }, (_, i) => pod(`busy-${i}`, "w2"));
  const second: KubeObject = { ...NODE, metadata: { name: "w2", uid: "uid-w2" } };
  const evicted = new Set<string>();
  let release = (): void => {};
  const allEvicted = new Promise<"all">((resolve) => {
    release = () => resolve("all");
  });
  const remove = (name: string) => {
    evicted.add(name);
    if (evicted.size === others.length + 1) release();
    setTimeout(() => server.remove(server.get("Pod", `default/${name}`)!), 20);
  };
  await startCluster(remove, [NODE, second, pod("web-1"), ...others]);
  let waited: unknown;
  hostile = await startHostileApi("slow reads", (request, response) => {
    const url = request.url!;
    const isLastRead = isList(url) && url.includes("w1") && !url.includes("resourceVersion=0");
    const late = new Promise((resolve) => setTimeout(resolve, 5000, "late"));
    const pass = () => {
      const { port } = new URL(server.url);
      const { method, headers } = request;
      const sent = forward({ host: "127.0.0.1", port, path: url, method, headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
        response.flushHeaders();
      });
      response.on("close", () => sent.destroy());
      request.pipe(sent);
    };
    if (!isLastRead) pass();
    else {
      void Promise.race([allEvicted, late]).then((which) => {
        waited ??= which;
        pass();
      });
    }
    return true;
  });
  const kubeconfig = join(directory, "slow");
  const config = {
    clusters: [{ name: "c", cluster: { server: hostile.url } }],
    contexts: [{ name: "x", context: { cluster: "c" } }],
  };
  writeFileSync(kubeconfig, JSON.stringify(config));
  const { code, stdout, stderr } = await kubemend(directory, [
    "node",
    "drain",
    "w1",
    "w2",
    `--kubeconfig=${kubeconfig}`,
  ]);
  expect([code, stdout], stderr).toEqual([0, expect.stringMatching(/node\/w1 drained/)]);
  expect(stdout).toContain("node/w2 drained");
  expect(waited).toBe("all");
});
