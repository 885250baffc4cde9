/** `certificate list`, `renew all` and `issue` on the files of real nodes. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { CertificateList } from "../src/operations/certificate/list-certificates.ts";
import { type KubeadmNode, writeNode } from "./kubeadm-nodes.ts";
import { kubemend } from "./kubemend.ts";
import { expectShown } from "./shown-on-page.ts";

const WHEN = Date.parse("2026-12-01T00:00:00Z");
const DAY = 86_400_000;
let directory: string;
let m1: KubeadmNode;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-node-certificates-"));
  m1 = writeNode("m1", directory);
});
afterEach(() => rmSync(directory, { recursive: true }));

const certificate = (node: KubeadmNode, args: readonly string[], now = WHEN) =>
  kubemend(directory, ["certificate", ...args, ...node.flags], {}, { now: () => now });
const list = async (node: KubeadmNode, now = WHEN) => {
  const { code, stdout } = await certificate(node, ["list", "-o", "json"], now);
  return { code, ...(JSON.parse(stdout) as CertificateList) };
};
const path = (file: string, node = m1) => join(node.kubernetesDir, file);
const read = (file: string, node = m1) => new X509Certificate(readFileSync(path(file, node)));
const embedded = (file: string, node = m1) =>
  new X509Certificate(
    Buffer.from(/client-certificate-data: (\S+)/.exec(readFileSync(path(file, node), "utf8"))![1]!, "base64"),
  );

const CERTIFICATES = [
  ["apiserver", "pki/apiserver.crt", "ca"],
  ["apiserver-kubelet-client", "pki/apiserver-kubelet-client.crt", "ca"],
  ["apiserver-etcd-client", "pki/apiserver-etcd-client.crt", "etcd-ca"],
  ["etcd-server", "pki/etcd/server.crt", "etcd-ca"],
  ["etcd-peer", "pki/etcd/peer.crt", "etcd-ca"],
  ["etcd-healthcheck-client", "pki/etcd/healthcheck-client.crt", "etcd-ca"],
  ["front-proxy-client", "pki/front-proxy-client.crt", "front-proxy-ca"],
] as const;
const CONFIGS = ["admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf"] as const;

describe("list", () => {
  test("names every certificate with its authority and expiry, as kubeadm does", async () => {
    const { code, certificates, authorities } = await list(m1);
    expect(code).toBe(0);
    const byName = new Map(certificates.map((each) => [each.name, each]));
    for (const [name, file, authority] of CERTIFICATES) {
      expect(byName.get(name)).toMatchObject({ file: path(file), authority, state: "valid", externallyManaged: false });
      expect(byName.get(name)?.notAfter).toBe(read(file).validToDate.toISOString());
    }
    for (const file of CONFIGS) expect(byName.get(file)).toMatchObject({ authority: "ca", state: "valid" });
    expect(byName.get("kubelet.conf")).toMatchObject({ state: "valid", subject: "O=system:nodes, CN=system:node:m1" });
    expect(authorities.map(({ name, state, hasKey }) => [name, state, hasKey])).toEqual([
      ["ca", "valid", true],
      ["etcd-ca", "valid", true],
      ["front-proxy-ca", "valid", true],
    ]);
    const { stdout } = await certificate(m1, ["list"]);
    expect(stdout).toMatch(/^apiserver +Nov 29, 2027 12:34 UTC +363d +ca +no +valid +the API server/m);
  });

  test("says what is wrong with each, and what a lost authority means", async () => {
    rmSync(path("pki/apiserver.crt"));
    rmSync(path("pki/etcd/server.key"));
    rmSync(path("pki/front-proxy-ca.key"));
    writeFileSync(path("pki/etcd/peer.crt"), "nothing");
    writeFileSync(path("pki/etcd/healthcheck-client.crt"), readFileSync(path("pki/front-proxy-client.crt")));
    writeFileSync(path("pki/apiserver-etcd-client.key"), readFileSync(path("pki/sa.key")));
    const { code, certificates, authorities } = await list(m1, WHEN + 400 * DAY);
    expect(code).toBe(1);
    expect(Object.fromEntries(certificates.map(({ name, state }) => [name, state]))).toMatchObject({
      apiserver: "missing",
      "etcd-server": "key-missing",
      "etcd-peer": "unreadable",
      "etcd-healthcheck-client": "key-mismatch",
      "apiserver-etcd-client": "key-mismatch",
      "apiserver-kubelet-client": "expired",
      "admin.conf": "expired",
    });
    expect(authorities[2]).toMatchObject({ hasKey: false, loss: expect.stringContaining("no front-proxy-client") });
    expect(certificates.find(({ name }) => name === "front-proxy-client")?.externallyManaged).toBe(true);
    const { stdout } = await certificate(m1, ["list"], WHEN + 400 * DAY);
    expect(stdout).toContain("front-proxy-ca cannot sign here:");
  });

  test("a worker has its kubelet's alone", async () => {
    const files = readdirSync(m1.kubernetesDir).filter((name) => name !== "kubelet.conf" && name !== "pki");
    for (const name of files) rmSync(path(name), { recursive: true });
    for (const name of readdirSync(path("pki")))
      if (name !== "ca.crt") rmSync(path(`pki/${name}`), { recursive: true });
    const { code, certificates } = await list(m1);
    expect([code, certificates.map(({ name }) => name)]).toEqual([0, ["kubelet.conf", "kubelet-serving"]]);
    // When it is over, the way leads over a control-plane node.
    const late = await certificate(m1, ["list"], WHEN + 400 * DAY);
    expect([late.code, late.stdout]).toEqual([1, expect.stringContaining("On a control-plane node:")]);
    expect(late.stdout).toContain("certificate issue kubelet.conf --node-name=m1 --to=/root/m1");
    const { stderr } = await certificate(m1, ["renew", "all"], WHEN + 400 * DAY);
    expect(stderr).toContain('the key of its authority "ca" is not here: see certificate list');
  });

  test("a machine without Kubernetes: nothing is missing there, and nothing can be judged or made", async () => {
    for (const directory of [m1.kubernetesDir, m1.kubeletDir]) rmSync(directory, { recursive: true });
    mkdirSync(path("manifests"), { recursive: true }); // as the kubelet's package leaves it
    const { code, stdout } = await certificate(m1, ["list"]);
    expect([code, stdout]).toEqual([3, expect.stringContaining("there is no Kubernetes on this machine")]);
    expect((await list(m1)).certificates).toEqual([]);
    for (const words of [["issue"], ["renew", "all"]]) {
      const { code: failed, stderr } = await certificate(m1, words);
      expect([failed, stderr]).toEqual([1, expect.stringContaining("there is no Kubernetes on this machine")]);
    }
  });
});

describe("renew all", () => {
  test("renews by all three authorities, for the same keys and names, and says what is to be restarted", async () => {
    const before = new Map(CERTIFICATES.map(([name, file]) => [name, read(file)]));
    const configs = new Map(CONFIGS.map((file) => [file, embedded(file)]));
    const now = WHEN + 400 * DAY; // all have expired
    const { code, stderr } = await certificate(m1, ["renew", "all"], now);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("restart: the control plane's static pods");
    const after = await list(m1, now);
    expect(after.certificates.filter(({ state }) => state !== "valid").map(({ name }) => name)).toEqual([
      "kubelet-serving",
    ]);
    for (const [name, file] of CERTIFICATES) {
      const [old, made] = [before.get(name)!, read(file)];
      expect([made.subject, made.subjectAltName, made.keyUsage]).toEqual([
        old.subject,
        old.subjectAltName,
        old.keyUsage,
      ]);
      expect(made.publicKey.equals(old.publicKey)).toBe(true);
    }
    for (const file of CONFIGS) expect(embedded(file).subject).toBe(configs.get(file)!.subject);
  });

  test("leaves the kubelet's to the kubelet while it is valid", async () => {
    const { code, stdout } = await certificate(m1, ["renew", "all", "--dry-run", "-o", "json"]);
    expect(code).toBe(0);
    const { renewed, skipped } = JSON.parse(stdout);
    expect(renewed).toHaveLength(CERTIFICATES.length + CONFIGS.length);
    expect(skipped.map(({ isFine }: { isFine: boolean }) => isFine)).toEqual([true, true]);
  });

  test("skips what it cannot renew, says so, and renews the rest", async () => {
    rmSync(path("pki/etcd/ca.key"));
    const { code, stdout, stderr } = await certificate(m1, ["renew", "all"]);
    expect(code).toBe(1);
    expect(stderr).toContain(
      `not renewed: ${path("pki/etcd/server.crt")}: the key of its authority "etcd-ca" is not here`,
    );
    expect(stdout).toContain(path("pki/front-proxy-client.crt"));
  });

  test("lasts as long as before, and says where it is shorter", async () => {
    const files = [path("pki/apiserver.crt")];
    expect((await certificate(m1, ["renew", ...files, "--days=3000"])).stderr).toBe("");
    expect((await certificate(m1, ["renew", "all"])).stderr).not.toContain("warning");
    expect(read("pki/apiserver.crt").validToDate.getTime()).toBeGreaterThan(WHEN + 2999 * DAY);
    const { stderr } = await certificate(m1, ["renew", ...files, "--days=365"]);
    expect(stderr).toMatch(/^warning: .*apiserver.crt was valid until 2035-\S+, and is now until 2027-/);
  });
});

test("authorities that lie elsewhere in pki are found for a single file", async () => {
  for (const [, file] of CERTIFICATES) {
    const { code, stderr } = await certificate(m1, ["renew", path(file)]);
    expect(code, stderr).toBe(0);
    expect(readdirSync(join(path(file), "..")).some((name) => name.includes(".until-"))).toBe(true);
    expect(statSync(path(file)).mode & 0o777).toBe(0o644);
    expect(existsSync(path(file))).toBe(true);
  }
});

describe("issue", () => {
  test("where nothing of what is lost can be made, it does not say that nothing is lost", async () => {
    for (const file of ["pki/etcd/ca.key", "pki/etcd/server.crt"]) rmSync(path(file));
    const { code, stdout, stderr } = await certificate(m1, ["issue"]);
    expect([code, stdout]).toEqual([1, "nothing of what is lost can be made here\n"]);
    expect(stderr).toContain("not made: etcd-server: ");
  });

  const m2 = () => writeNode("m2", directory);
  const issue = async (node: KubeadmNode, ...args: string[]) => {
    const { code, stdout, stderr } = await certificate(node, ["issue", "-o", "json", ...args]);
    return { code, stderr, ...(stdout === "" ? {} : JSON.parse(stdout)) };
  };
  const described = (each: X509Certificate) => ({
    subject: each.subject,
    names: (each.subjectAltName ?? "").split(", ").sort(),
    uses: each.keyUsage,
    issuer: each.issuer,
    ca: each.ca,
  });
  const files = CERTIFICATES.map(([, file]) => file);

  test.each(["m1", "m2"] as const)(
    "all leaf certificates, keys and kubeconfigs of %s are recreated as they were",
    async (name) => {
      const node = name === "m1" ? m1 : m2();
      const before = new Map(files.map((file) => [file, described(read(file, node))]));
      const configs = CONFIGS.filter((file) => existsSync(path(file, node)) && file !== "super-admin.conf");
      const texts = new Map(configs.map((file) => [file, readFileSync(path(file, node), "utf8")]));
      const users = new Map(configs.map((file) => [file, described(embedded(file, node))]));
      for (const file of files) {
        rmSync(path(file, node));
        rmSync(path(file.replace(/crt$/, "key"), node));
      }
      for (const file of configs) rmSync(path(file, node));
      for (const file of readdirSync(join(node.kubeletDir, "pki"))) rmSync(join(node.kubeletDir, "pki", file));
      rmSync(path("pki/sa.pub", node));
      const endpoint = "--control-plane-endpoint=https://10.77.0.11:6443";
      const { code, stderr, issued } = await issue(node, endpoint);
      expect(code, stderr).toBe(0);
      for (const file of files) {
        const made = read(file, node);
        const expected = before.get(file)!;
        expect(described(made)).toEqual(expected);
        const key = createPrivateKey(readFileSync(path(file.replace(/crt$/, "key"), node)));
        expect(made.checkPrivateKey(key)).toBe(true);
        expect(statSync(path(file, node)).mode & 0o777).toBe(0o644);
        expect(statSync(path(file.replace(/crt$/, "key"), node)).mode & 0o777).toBe(0o600);
      }
      for (const file of configs) {
        expect(described(embedded(file, node))).toEqual(users.get(file));
        const plain = (text: string) => ({ ...parse(text), users: undefined });
        expect(plain(readFileSync(path(file, node), "utf8"))).toEqual(plain(texts.get(file)!));
      }
      const kubelet = new X509Certificate(readFileSync(join(node.kubeletDir, "pki/kubelet-client-current.pem")));
      expect(kubelet.subject).toBe(`O=system:nodes\nCN=system:node:${name}`);
      expect(readFileSync(path("pki/sa.pub", node), "utf8")).toContain("PUBLIC KEY");
      expect(issued.every(({ kept }: { kept: string | null }) => kept === null)).toBe(true);
      const after = await list(node);
      expect(after.certificates.filter(({ state }) => state !== "valid")).toEqual([]);
      expect(await issue(node)).toMatchObject({ code: 0, issued: [] });
    },
  );

  test("leaf certificates alone, of a node that joined: the common endpoint is in its kubeconfigs", async () => {
    const node = m2();
    const before = files.map((file) => described(read(file, node)));
    for (const file of files) rmSync(path(file, node));
    expect((await issue(node)).issued).toHaveLength(files.length);
    expect(files.map((file) => described(read(file, node)))).toEqual(before);
  });

  test("the host of a common endpoint is a name of the API server", async () => {
    const admin = readFileSync(path("admin.conf"), "utf8");
    writeFileSync(path("admin.conf"), admin.replace("https://10.77.0.11:6443", "https://api.example.com:6443"));
    rmSync(path("pki/apiserver.crt"));
    await issue(m1);
    expect(read("pki/apiserver.crt").subjectAltName).toContain("DNS:api.example.com");
  });

  test("a key that is lost: a certificate for a new one, with the names of the old", async () => {
    const old = described(read("pki/apiserver.crt"));
    rmSync(path("pki/apiserver.key"));
    rmSync(path("manifests/kube-apiserver.yaml")); // nothing else says the names
    const { code, issued } = await issue(m1);
    expect([code, issued.map(({ file }: { file: string }) => file)]).toEqual([
      0,
      [path("pki/apiserver.key"), path("pki/apiserver.crt")],
    ]);
    expect(described(read("pki/apiserver.crt"))).toEqual(old);
    expect(issued[1].kept).toContain("apiserver.crt.until-");
  });

  test("what was made, and what could not be, is a table as the page shows it", async () => {
    for (const file of ["pki/apiserver.key", "pki/apiserver.crt", "scheduler.conf"]) rmSync(path(file));
    for (const file of ["ca.key", "client.key", "client.crt"]) rmSync(path(`pki/front-proxy-${file}`));
    const { stdout, stderr } = await certificate(m1, ["issue"]);
    expectShown("docs/certificates.md", "kubemend certificate issue", stdout + stderr);
  });

  test("an authority's certificate comes back from a kubeconfig, where its key is here", async () => {
    const own = readFileSync(path("pki/ca.crt"), "utf8");
    rmSync(path("pki/ca.crt"));
    rmSync(path("pki/apiserver.crt"));
    const { code, stderr } = await issue(m1);
    expect(code, stderr).toBe(0);
    expect(new X509Certificate(readFileSync(path("pki/ca.crt"))).fingerprint256).toBe(
      new X509Certificate(own).fingerprint256,
    );
    expect((await list(m1)).code).toBe(0);
  });

  test("a lost authority: what it would sign is named, with what that means, and the rest is made", async () => {
    rmSync(path("pki/etcd/ca.key"));
    rmSync(path("pki/etcd/server.crt"));
    rmSync(path("pki/front-proxy-client.crt"));
    const { code, stderr, issued, lost } = await issue(m1);
    expect(code).toBe(1);
    expect(issued.map(({ file }: { file: string }) => file)).toEqual([path("pki/front-proxy-client.crt")]);
    expect(lost).toMatchObject([{ name: "etcd-server" }]);
    expect(stderr).toContain("ca.key is lost: copy it from another control-plane node");
    expect(stderr).toContain("no certificate of etcd can be made");
  });

  test("what no file says is asked for, all of it at once, and nothing is written", async () => {
    for (const name of ["pki/apiserver.crt", "manifests", "controller-manager.conf", "scheduler.conf", "admin.conf"]) {
      rmSync(path(name), { recursive: true });
    }
    rmSync(join(m1.kubeletDir, "kubeadm-flags.env"));
    const failed = await issue(m1);
    expect(failed.code).toBe(1);
    for (const flag of ["--apiserver-advertise-address", "--service-cidr", "--kubernetes-version"]) {
      expect(failed.stderr).toContain(flag);
    }
    expect(existsSync(path("pki/apiserver.crt"))).toBe(false);
    const given = [
      "--apiserver-advertise-address=10.77.0.11",
      "--service-cidr=10.96.0.0/12",
      "--kubernetes-version=1.36",
    ];
    expect((await issue(m1, ...given)).code).toBe(0);
    expect(read("pki/apiserver.crt").subjectAltName).toContain("IP Address:10.96.0.1");
  });

  test("by name, with one more name; a dry run writes nothing", async () => {
    const before = readFileSync(path("pki/apiserver.crt"), "utf8");
    const args = ["apiserver", "--apiserver-san=api.example.com"];
    expect((await issue(m1, ...args, "--dry-run")).issued).toHaveLength(1);
    expect(readFileSync(path("pki/apiserver.crt"), "utf8")).toBe(before);
    await issue(m1, ...args);
    expect(read("pki/apiserver.crt").subjectAltName).toContain("DNS:api.example.com");
    expect(await issue(m1, "no-such")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("there is no certificate"),
    });
  });

  test(
    "the kubelet of a worker, whose certificate expired: its kubeconfig is made on a control-plane " +
      "node, and the way is printed",
    async () => {
      const args = ["issue", "kubelet.conf", "--node-name=worker-1", "--to=worker"];
      const { code, stdout } = await certificate(m1, args);
      expect(code).toBe(0);
      expect(stdout).toContain("on worker-1:");
      const text = readFileSync(join(directory, "worker/kubelet.conf"), "utf8");
      const made = new X509Certificate(Buffer.from(/client-certificate-data: (\S+)/.exec(text)![1]!, "base64"));
      expect(described(made)).toMatchObject({
        subject: "O=system:nodes\nCN=system:node:worker-1",
        issuer: "CN=kubernetes",
      });
      expect(parse(text).clusters[0].cluster.server).toBe("https://10.77.0.11:6443");
      expect((await certificate(m1, ["issue", "kubelet.conf", "--to=worker"])).stderr).toContain("--node-name");
      expect((await certificate(m1, ["issue", "apiserver", "--to=worker"])).code).toBe(2);
    },
  );
});
