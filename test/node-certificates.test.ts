/** `certificate list`, `renew all` and `issue` on the files of real nodes. */
import { X509Certificate } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CertificateList } from "../src/operations/certificate/list-certificates.ts";
import { type KubeadmNode, writeNode } from "./kubeadm-nodes.ts";
import { kubemend } from "./kubemend.ts";

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
  });
});

describe("renew all", () => {
  test("renews by all three authorities, for the same keys and names, and says what is to be restarted", async () => {
    const before = new Map(CERTIFICATES.map(([name, file]) => [name, read(file)]));
    const configs = new Map(CONFIGS.map((file) => [file, embedded(file)]));
    const now = WHEN + 400 * DAY; // all have expired
    const { code, stderr } = await certificate(m1, ["renew", "all"], now);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("start anew: the control plane's static pods");
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
