import { X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { generateKey, issueSelfSigned } from "../../certificates/issue.ts";
import type { Asset } from "../asset.ts";
import { type ClusterRequest, checkCluster } from "./cluster.ts";
import { renderCluster } from "./render-cluster.ts";

const REQUEST: ClusterRequest = {
  clusterName: "local",
  apiServers: ["https://10.0.0.10:6443"],
  altNames: undefined,
  etcdServers: ["https://10.0.0.5:2379", "https://10.0.0.6:2379"],
  podCidrs: ["10.2.0.0/16"],
  serviceCidrs: ["10.3.0.0/24"],
  networkProvider: "flannel",
  cloudProvider: "",
  kubernetesVersion: "v1.34.2",
  images: {},
  checkpointer: true,
  keyAlgorithm: "ecdsa-p256",
  certificateDays: 365,
  now: new Date("2026-11-21T12:00:00Z"),
};

async function render(
  changes: Partial<ClusterRequest> = {},
  ...rest: Parameters<typeof renderCluster> extends [unknown, ...infer R] ? Partial<R> : never
) {
  const [given = {}, extra = []] = rest;
  const assets = await renderCluster(checkCluster({ ...REQUEST, ...changes }), given, extra);
  const text = (path: string) => textOf(assets.find((asset) => asset.path === path));
  return { paths: assets.map(({ path }) => path), assets, text, object: (path: string) => parse(text(path)) };
}

function textOf(asset: Asset | undefined): string {
  if (!(asset?.content instanceof Uint8Array)) throw new Error("no such asset");
  return new TextDecoder().decode(asset.content);
}

test("writes bootkube's files, and the bootstrap pods' own copies of secrets", async () => {
  expect((await render()).paths).toMatchSnapshot();
});

test("is the same again but for keys", async () => {
  const [one, two] = await Promise.all([render(), render()]);
  const secret = /secret|kubeconfig|token|^tls\//;
  expect(one.paths).toEqual(two.paths);
  for (const path of one.paths.filter((each) => !secret.test(each))) expect(one.text(path)).toBe(two.text(path));
  expect(one.text("tls/ca.key")).not.toBe(two.text("tls/ca.key"));
});

test("the API server's certificate has the names that people and pods call it by", async () => {
  const { text } = await render({ altNames: ["DNS=api.example.com", "IP=192.0.2.7"] });
  const certificate = new X509Certificate(text("tls/apiserver.crt"));
  for (const name of ["api.example.com", "kubernetes", "kubernetes.default.svc"])
    expect(certificate.checkHost(name)).toBe(name);
  for (const address of ["192.0.2.7", "10.3.0.1"]) expect(certificate.checkIP(address)).toBe(address);
  expect(certificate.checkIP("10.0.0.10")).toBeUndefined();
  expect(certificate.checkIssued(new X509Certificate(text("tls/ca.crt")))).toBe(true);
  expect(certificate.validToDate).toEqual(new Date("2027-11-21T12:00:00Z"));
});

test("an authority and etcd credentials that are given are used as they are", async () => {
  const key = await generateKey("rsa-2048");
  const validity = { notBefore: new Date(0), notAfter: new Date("2040-01-01T00:00:00Z") };
  const certificate = await issueSelfSigned({ commonName: "mine", use: "authority", ...validity }, key);
  const etcdClient = { authority: "etcd authority", certificate: "etcd certificate", key: "etcd key" };
  const { text, paths } = await render({}, { authority: { certificate, key: key.privateKeyPem }, etcdClient });
  expect(text("tls/ca.crt")).toBe(certificate);
  expect(new X509Certificate(text("tls/admin.crt")).issuer).toBe("CN=mine");
  expect(text("tls/etcd-client.key")).toBe("etcd key");
  expect(paths).not.toContain("tls/etcd/server.crt");
});

test("etcd without TLS needs no files", async () => {
  const { paths, text } = await render({ etcdServers: ["http://127.0.0.1:2379"] });
  expect(paths.filter((path) => path.includes("etcd"))).toEqual([]);
  expect(text("manifests/kube-apiserver.yaml")).not.toContain("etcd-cafile");
});

test("a secret holds every file that its pod's flags name", async () => {
  for (const changes of [{}, { etcdServers: ["http://127.0.0.1:2379"] }, { kubernetesVersion: "v1.20.2" }]) {
    const { object } = await render(changes);
    for (const name of ["kube-apiserver", "kube-controller-manager"]) {
      const { data } = object(`manifests/${name}-secret.yaml`);
      const command: string[] = object(`manifests/${name}.yaml`).spec.template.spec.containers[0].command;
      const files = command.flatMap((word) => /=\/etc\/kubernetes\/secrets\/(.+)/.exec(word)?.[1] ?? []);
      expect(files.length).toBeGreaterThan(2);
      expect([...new Set(files)].sort()).toEqual(Object.keys(data).sort());
    }
  }
});

test("the kubelet's kubeconfig has the token that the cluster knows", async () => {
  const { object } = await render();
  const secret = object("manifests/kubelet-bootstrap-token.yaml");
  const { token } = object("auth/kubeconfig-kubelet").users[0].user;
  expect(token).toMatch(/^[0-9a-z]{6}\.[0-9a-z]{16}$/);
  expect(`${secret.stringData["token-id"]}.${secret.stringData["token-secret"]}`).toBe(token);
  expect(secret.metadata.name).toBe(`bootstrap-token-${token.slice(0, 6)}`);
});

test("older versions get what they know", async () => {
  const old = await render({
    kubernetesVersion: "v1.20.2",
    podCidrs: ["10.2.0.0/16", "fd00:2::/48"],
    serviceCidrs: ["10.3.0.0/24", "fd00:3::/112"],
  });
  expect(old.object("manifests/kube-scheduler-disruption.yaml").apiVersion).toBe("policy/v1beta1");
  expect(old.text("manifests/kube-apiserver.yaml")).toContain("--feature-gates=IPv6DualStack=true");
  expect(old.text("manifests/kube-apiserver.yaml")).toContain('node-role.kubernetes.io/master: ""');
  const today = await render();
  expect(today.object("manifests/kube-scheduler-disruption.yaml").apiVersion).toBe("policy/v1");
  expect(today.text("manifests/kube-apiserver.yaml")).toContain('node-role.kubernetes.io/control-plane: ""');
});

test("two families reach everything that has addresses", async () => {
  const { object, text } = await render({
    podCidrs: ["10.2.0.0/16", "fd00:2::/48"],
    serviceCidrs: ["10.3.0.0/24", "fd00:3::/112"],
  });
  expect(object("manifests/coredns-service.yaml").spec.clusterIPs).toEqual(["10.3.0.10", "fd00:3::a"]);
  expect(text("manifests/kube-apiserver.yaml")).toContain("--bind-address=::");
  expect(new X509Certificate(text("tls/apiserver.crt")).checkIP("fd00:3::1")).toBe("fd00:3::1");
  expect(JSON.parse(object("manifests/flannel-cfg.yaml").data["net-conf.json"])).toMatchObject({
    EnableIPv6: true,
    IPv6Network: "fd00:2::/48",
  });
});

test("extra manifests come along, unless they would hide a rendered one", async () => {
  const extra = [{ name: "mine.yaml", text: "kind: ConfigMap\n" }];
  expect((await render({}, {}, extra)).text("manifests/mine.yaml")).toBe("kind: ConfigMap\n");
  await expect(render({}, {}, [{ name: "kube-proxy.yml", text: "" }])).rejects.toThrow(/"kube-proxy.yml"/);
});

test("the network and the checkpointer can be left out", async () => {
  const { paths } = await render({ networkProvider: "none", checkpointer: false });
  expect(paths.filter((path) => /flannel|checkpointer/.test(path))).toEqual([]);
});

test.each<[Partial<ClusterRequest>, RegExp]>([
  [{ apiServers: ["10.0.0.1"] }, /apiServers\W has "10.0.0.1": expected https:\/\/HOST:PORT/],
  [{ apiServers: ["http://10.0.0.1"] }, /expected https/],
  [{ etcdServers: ["http://a:2379", "https://b:2379"] }, /mixes http and https/],
  [{ altNames: ["IP=api"] }, /"IP=api": expected IP=ADDRESS or DNS=NAME/],
  [{ altNames: ["api"] }, /expected IP=ADDRESS/],
  [{ podCidrs: ["10.3.0.0/16"] }, /podCidr\W 10.3.0.0\/16 and \WserviceCidr\W 10.3.0.0\/24 overlap/],
  [{ podCidrs: ["10.2.0.0/16", "10.4.0.0/16"] }, /two networks of one family/],
  [{ podCidrs: ["10.2.0.0/16", "fd00::/48"] }, /2 pod networks and 1 service networks/],
  [{ podCidrs: ["10.2.0.0/25"] }, /does not fit/],
  [{ podCidrs: ["10.2.0.0"] }, /expected a network/],
  [{ serviceCidrs: ["10.3.0.0/30"] }, /too small/],
  [{ serviceCidrs: ["11.0.0.0/8"] }, /too large: the API server takes at most \/12/],
  [{ networkProvider: "calico" }, /expected flannel or none/],
  [{ kubernetesVersion: "1.34" }, /expected v1.20.0 or later/],
  [{ kubernetesVersion: "v1.19.3" }, /expected v1.20.0 or later/],
  [{ images: { nginx: "a" } }, /image\W names "nginx"/],
  [{ certificateDays: 4000 }, /the authority itself holds 3650 days/],
])("what is wrong is reported: %j", (changes, message) => {
  expect(() => checkCluster({ ...REQUEST, ...changes })).toThrow(message);
});

test("everything that is wrong is reported at once", () => {
  expect(() => checkCluster({ ...REQUEST, apiServers: ["a"], etcdServers: [""], kubernetesVersion: "" })).toThrow(
    /apiServers[\s\S]*etcdServers[\s\S]*kubernetesVersion/,
  );
});
