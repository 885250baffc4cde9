/** `certificate renew` on real files. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Authority, kubeconfig } from "../testbed/pki.ts";
import { kubemend } from "./kubemend.ts";

const DAY = 86_400_000;
const PAST = { notBefore: new Date(Date.now() - 2 * DAY), notAfter: new Date(Date.now() - DAY) };
let directory: string;
let ca: Authority;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-renew-"));
  ca = await Authority.create(join(directory, "pki"), "kubernetes");
});
afterAll(() => rmSync(directory, { recursive: true }));

test("a PEM file is renewed by the authority beside it, and kept as it was", async () => {
  const old = await ca.issue("apiserver", {
    commonName: "kube-apiserver",
    use: "server",
    names: ["10.0.0.1"],
    ...PAST,
  });
  writeFileSync(old.certificatePath, `${old.certificate}${ca.certificate}`); // a chain
  const { code, stdout } = await kubemend(directory, ["certificate", "renew", "pki/apiserver.crt", "-o", "json"]);
  expect(code).toBe(0);
  const [renewed] = JSON.parse(stdout).renewed;
  expect(renewed).toMatchObject({ file: old.certificatePath, subject: "CN=kube-apiserver" });
  const text = readFileSync(old.certificatePath, "utf8");
  expect(new X509Certificate(text).validToDate.getTime()).toBeGreaterThan(Date.now() + 364 * DAY);
  expect(text.endsWith(ca.certificate)).toBe(true);
  expect(readFileSync(renewed.kept, "utf8")).toBe(`${old.certificate}${ca.certificate}`);
  expect(statSync(old.certificatePath).mode & 0o777).toBe(0o600);
});

test("a kubeconfig is renewed in place", async () => {
  const old = await ca.issue("admin", {
    commonName: "admin",
    organizations: ["system:masters"],
    use: "client",
    ...PAST,
  });
  const path = join(directory, "admin.conf");
  const before = kubeconfig("https://10.0.0.1:6443", ca, old);
  writeFileSync(path, before, { mode: 0o600 });
  const flags = ["--ca-cert=pki/ca.crt", "--ca-key=pki/ca.key", "--days=30"];
  const { code, stdout } = await kubemend(directory, ["certificate", "renew", "admin.conf", ...flags]);
  expect(code).toBe(0);
  expect(stdout).toContain("O=system:masters, CN=admin");
  const after = readFileSync(path, "utf8");
  const data = /client-certificate-data: (\S+)/.exec(after)![1]!;
  const made = new X509Certificate(Buffer.from(data, "base64"));
  expect(made.subject).toBe("O=system:masters\nCN=admin");
  const blank = (text: string) => text.replace(/client-certificate-data: \S+/, "");
  expect(blank(after)).toBe(blank(before));
});

test("a certificate is made for another key, of one PEM file and no kubeconfig", async () => {
  const old = await ca.issue("served", { commonName: "served", use: "server", names: ["10.0.0.1"] });
  const other = await ca.issue("other", { commonName: "other", use: "server" });
  writeFileSync(old.keyPath, other.key);
  const renew = (...args: string[]) => kubemend(directory, ["certificate", "renew", "--key=pki/served.key", ...args]);
  const failures = [
    [["pki/served.crt", "pki/other.crt"], "a key belongs to one certificate"],
    [["admin.conf", "--ca-cert=pki/ca.crt", "--ca-key=pki/ca.key"], "a kubeconfig holds its key itself"],
    [["pki/served.crt", "--key=pki/ca.crt"], "holds no private key"],
  ] as const;
  for (const [args, expected] of failures) expect((await renew(...args)).stderr).toContain(expected);
  expect(readFileSync(old.certificatePath, "utf8")).toBe(old.certificate);

  expect((await renew("pki/served.crt")).code).toBe(0);
  const made = new X509Certificate(readFileSync(old.certificatePath));
  expect(made.checkPrivateKey(createPrivateKey(other.key))).toBe(true);
  expect([made.subject, made.subjectAltName]).toEqual(["CN=served", "IP Address:10.0.0.1"]);
});

test("nothing is written where one of several cannot be renewed, or in a dry run", async () => {
  mkdirSync(join(directory, "elsewhere"));
  const other = await Authority.create(join(directory, "elsewhere/pki"), "other");
  const good = await ca.issue("good", { commonName: "good", use: "client", ...PAST });
  const bad = await other.issue("bad", { commonName: "bad", use: "client", ...PAST });
  const flags = ["--ca-cert=pki/ca.crt", "--ca-key=pki/ca.key"];
  const failed = await kubemend(directory, [
    "certificate",
    "renew",
    good.certificatePath,
    bad.certificatePath,
    ...flags,
  ]);
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('was not signed by "CN=kubernetes"') });
  expect((await kubemend(directory, ["certificate", "renew", good.certificatePath, "--dry-run"])).code).toBe(0);
  expect(readFileSync(good.certificatePath, "utf8")).toBe(good.certificate);
  expect(readdirSync(join(directory, "pki")).filter((name) => name.startsWith("good"))).toEqual([
    "good.crt",
    "good.key",
  ]);
});

test("what is no certificate is refused", async () => {
  writeFileSync(join(directory, "empty.txt"), "nothing");
  const { code, stderr } = await kubemend(directory, ["certificate", "renew", "empty.txt"]);
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining("holds no certificate") });
});
