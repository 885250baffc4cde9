import { expect, test } from "vitest";
import { generateKey } from "../certificates/issue.ts";
import { checkCluster } from "./cluster/cluster.ts";
import { renderCluster } from "./cluster/render-cluster.ts";
import { type AssetFile, planStart } from "./start-plan.ts";

const NOW = new Date("2026-11-21T12:00:00Z");
const CLUSTER = checkCluster({
  clusterName: "local",
  apiServers: ["https://10.0.0.10:7443"],
  altNames: undefined,
  etcdServers: ["https://10.0.0.5:2379"],
  podCidrs: ["10.2.0.0/16"],
  serviceCidrs: ["10.3.0.0/24"],
  networkProvider: "none",
  cloudProvider: "",
  kubernetesVersion: "v1.34.2",
  images: {},
  checkpointer: true,
  keyAlgorithm: "ecdsa-p256",
  certificateDays: 365,
  now: NOW,
});
const ASSETS: readonly AssetFile[] = (await renderCluster(CLUSTER, {}, [])).map(({ path, content }) => ({
  path,
  bytes: content as Uint8Array,
  isExecutable: false,
}));
const without = (pattern: RegExp) => ASSETS.filter(({ path }) => !pattern.test(path));
const changed = (path: string, text: string) =>
  ASSETS.map((file) => (file.path === path ? { ...file, bytes: new TextEncoder().encode(text) } : file));

test("what render wrote can be started", () => {
  const plan = planStart(ASSETS, NOW);
  expect(plan.pods.map(({ fileName, component, port }) => [fileName, component, port])).toEqual([
    ["bootstrap-kube-apiserver.yaml", "kube-apiserver", 7443],
    ["bootstrap-kube-controller-manager.yaml", "kube-controller-manager", undefined],
    ["bootstrap-kube-scheduler.yaml", "kube-scheduler", undefined],
  ]);
  expect(plan.secrets.map(({ path }) => path)).toContain("secrets/kube-apiserver/apiserver.key");
  expect(plan.secrets.map(({ path }) => path)).toContain("kubeconfig");
  expect(plan.objects.length).toBe(ASSETS.filter(({ path }) => path.startsWith("manifests/")).length);
});

test.each<[string, readonly AssetFile[], RegExp]>([
  ["nothing", [], /auth\/kubeconfig is missing/],
  ["no kubeconfig", without(/^auth\/kubeconfig$/), /needs auth\/kubeconfig, which is missing/],
  [
    "no secrets",
    without(/^tls\/secrets\/kube-apiserver/),
    /bootstrap-kube-apiserver.yaml needs tls\/secrets\/kube-apiserver, which is missing/,
  ],
  ["no pods", without(/^bootstrap-manifests/), /bootstrap-manifests\/ has no pods/],
  [
    "a broken pod",
    changed("bootstrap-manifests/bootstrap-kube-scheduler.yaml", "a: ["),
    /bootstrap-kube-scheduler.yaml" is no manifest/,
  ],
  [
    "a broken manifest",
    changed("manifests/kube-proxy.yaml", "kind: DaemonSet"),
    /manifests\/kube-proxy.yaml" is no manifest/,
  ],
  [
    "a broken certificate",
    changed("tls/secrets/kube-apiserver/apiserver.crt", "x"),
    /tls\/secrets\/kube-apiserver\/apiserver.crt is no certificate/,
  ],
])("what is missing or broken is told: %s", (_, files, message) => {
  expect(() => planStart(files, NOW)).toThrow(message);
});

test("a certificate out of its time is told with the day", () => {
  expect(() => planStart(ASSETS, new Date("2027-12-01"))).toThrow(/apiserver.crt expired on 2027-11-21/);
  expect(() => planStart(ASSETS, new Date("2026-01-01"))).toThrow(/valid from 2026-11-21 on/);
});

test("a key of another certificate is told", async () => {
  const key = await generateKey("ecdsa-p256");
  expect(() => planStart(changed("tls/secrets/kube-apiserver/apiserver.key", key.privateKeyPem), NOW)).toThrow(
    /tls\/secrets\/kube-apiserver\/apiserver.key is not the key of/,
  );
});
