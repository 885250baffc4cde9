/**
 * API servers older than any that runs here: the answers are made as Kubernetes 1.7 gave them (workloads in `extensions/v1beta1`, other groups
 * unknown), and as a later one pages its lists. A stand-in, because these servers cannot be run; a real one is in `test/contract`.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { KubeObject } from "../src/storage/object.ts";
import { companions, configMap, mirrorPod, node, secret, workload } from "./cluster-objects.ts";
import { kubemend } from "./kubemend.ts";

let base: string;
let server: Server;
let asked: string[];
let expiries: number;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "kubemend-old-api-"));
  asked = [];
  expiries = 0;
});
afterEach(() => {
  server.close();
  rmSync(base, { recursive: true, force: true });
});

const COLLECTIONS: Readonly<Record<string, string>> = {
  DaemonSet: "daemonsets",
  Deployment: "deployments",
  Node: "nodes",
  Pod: "pods",
  Secret: "secrets",
  ConfigMap: "configmaps",
};

/** Serves `objects` at their own API versions, two a page. */
async function serve(objects: readonly KubeObject[]): Promise<string> {
  const versions = new Set(objects.map(({ apiVersion }) => apiVersion));
  server = createServer((request, response) => {
    const url = new URL(request.url!, "http://x");
    asked.push(`${url.pathname}${url.searchParams.has("continue") ? " again" : ""}`);
    const answer = (status: number, body: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    const absent = () =>
      answer(404, {
        kind: "Status",
        reason: "NotFound",
        message: "the server could not find the requested resource",
        code: 404,
      });
    if (url.pathname === "/version") return void answer(200, { gitVersion: "v1.7.16" });
    const [, version, namespace, collection, name] =
      /^\/apis?\/((?:[a-z.]+\/)?v1(?:beta\d)?)(?:\/namespaces\/([^/]+))?\/([a-z]+)(?:\/([^/]+))?$/.exec(url.pathname) ??
      [];
    if (version === undefined || !versions.has(version)) return void absent();
    const nodeName = url.searchParams.get("fieldSelector")?.replace("spec.nodeName=", "");
    const found = objects.filter(
      ({ apiVersion, kind, metadata, spec }) =>
        apiVersion === version &&
        COLLECTIONS[kind] === collection &&
        (namespace === undefined || metadata.namespace === namespace) &&
        (name === undefined || metadata.name === name) &&
        (nodeName === undefined || (spec as { nodeName?: string }).nodeName === nodeName),
    );
    if (name !== undefined) return void (found[0] === undefined ? absent() : answer(200, found[0]));
    const from = Number(url.searchParams.get("continue") ?? 0);
    if (from > 0 && expiries-- > 0)
      return void answer(410, { kind: "Status", reason: "Expired", message: "too old", code: 410 });
    const rest = found.length > from + 2 ? { continue: String(from + 2) } : {};
    const items = found.slice(from, from + 2).map(({ apiVersion: _, kind: __, ...item }) => item);
    const kind = `${found[0]?.kind ?? "Any"}List`;
    return void answer(200, { kind, apiVersion: version, metadata: rest, items });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const config = {
    clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${port}` } }],
    users: [],
    contexts: [{ name: "x", context: { cluster: "c" } }],
  };
  writeFileSync(join(base, "kubeconfig"), JSON.stringify(config));
  return join(base, "kubeconfig");
}

const recover = (kubeconfig: string) => kubemend(base, ["recover", "--recovery-dir=out", `--kubeconfig=${kubeconfig}`]);

test("workloads of extensions/v1beta1, and of the secrets only those that are referred to", async () => {
  const apiVersion = "extensions/v1beta1";
  const labels = { component: "kube-apiserver" };
  const volumes = [{ name: "secrets", secret: { secretName: "kube-apiserver" } }];
  const kubeconfig = await serve([
    workload("kube-apiserver", { apiVersion, labels, spec: { volumes } }),
    ...companions({ apiVersion }),
    ...["a", "b", "c", "d"].map((name) => node(name)),
    secret("kube-system/kube-apiserver", { "ca.crt": "pem" }),
    secret("kube-system/other", { key: "of no concern" }),
  ]);
  const { code, stdout, stderr } = await recover(kubeconfig);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toContain("API server:    v1.7.16\n");
  expect(stdout).toContain("(4 in the cluster)");
  expect(readFileSync(join(base, "out/tls/secrets/kube-apiserver/ca.crt"), "utf8")).toBe("pem");
  expect(asked.filter((path) => path.includes("secrets") || path.includes("configmaps"))).toEqual([
    "/api/v1/namespaces/kube-system/secrets/kube-apiserver",
    "/api/v1/namespaces/kube-system/configmaps/kubeadm-config",
  ]);
  expect(asked).toContain("/api/v1/nodes again");
});

test("static pods beside many others: those of their nodes are read, and a list that expires is read anew", async () => {
  const others = Array.from({ length: 9 }, (_, i) => ({
    ...mirrorPod("web", `w${i}`, { labels: {} }),
    metadata: { name: `web-${i}`, namespace: "default" },
  }));
  const components = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-vip"];
  const kubeconfig = await serve([
    ...components.map((name) => mirrorPod(name, "m1")),
    ...others,
    node("m1"),
    configMap("kube-system/kubeadm-config", { ClusterConfiguration: "kind: ClusterConfiguration\n" }),
  ]);
  expiries = 2;
  const { code, stdout } = await recover(kubeconfig);
  expect(code).toBe(0);
  for (const name of components) expect(stdout).toContain(`out/nodes/m1/manifests/${name}.yaml`);
  expect(stdout).toContain("out/kubeadm-config.yaml");
  expect(readFileSync(join(base, "out/kubeadm-config.yaml"), "utf8")).toBe("kind: ClusterConfiguration\n");
  expect(asked.filter((path) => path === "/api/v1/pods")).toHaveLength(1);
});

test("an API server whose cluster has no control plane that it knows of", async () => {
  const { code, stderr } = await recover(await serve([node("n1")]));
  expect(code).toBe(1);
  expect(stderr).toContain("no control plane found");
  expect(stderr).toContain("hint: check that this is the right cluster");
});
