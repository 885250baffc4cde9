/**
 * API servers older than any that runs here: the answers are made as Kubernetes 1.7 gave them (workloads in
 * `extensions/v1beta1`, other groups unknown), and as a later one pages its lists. A real one is in `test/contract`.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { KubeObject } from "../src/kube/object.ts";
import { ApiServerStandIn, status } from "./api-server-stand-in.ts";
import { companions, configMap, mirrorPod, node, secret, workload } from "./cluster-objects.ts";
import { kubemend } from "./kubemend.ts";

let base: string;
let server: ApiServerStandIn;
/** How many lists that continue are yet to be told that they are too old. */
let expiries: number;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "kubemend-old-api-"));
  expiries = 0;
});
afterEach(() => {
  server?.close();
  rmSync(base, { recursive: true, force: true });
});

/** Serves `objects`, two a page. */
async function serve(objects: readonly KubeObject[]): Promise<string> {
  server = await ApiServerStandIn.start(base, {
    version: "v1.7.16",
    objects,
    page: 2,
    answer: ({ query }) => (query.has("continue") && expiries-- > 0 ? status(410, "Expired", "too old") : undefined),
  });
  return server.kubeconfig;
}

const asked = () => server.requests.map(({ path, query }) => `${path}${query.has("continue") ? " again" : ""}`);

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
  expect(asked().filter((path) => path.includes("secrets") || path.includes("configmaps"))).toEqual([
    "/api/v1/namespaces/kube-system/secrets/kube-apiserver",
    "/api/v1/namespaces/kube-system/configmaps/kubeadm-config",
  ]);
  expect(asked()).toContain("/api/v1/nodes again");
});

test("static pods beside many others: those of their nodes are read, and a list that expires is read again", async () => {
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
  expect(asked().filter((path) => path === "/api/v1/pods")).toHaveLength(1);
});

test("an API server whose cluster has no control plane that it knows of", async () => {
  const { code, stderr } = await recover(await serve([node("n1")]));
  expect(code).toBe(1);
  expect(stderr).toContain("no control plane found");
  expect(stderr).toContain("hint: check that this is the right cluster");
});
