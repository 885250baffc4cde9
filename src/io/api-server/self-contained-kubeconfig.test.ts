import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { stringify } from "yaml";
import { makeCertificates } from "../../../test/etcd-certificates.ts";
import { readClusterAccess, readKubeconfig } from "./kubeconfig.ts";
import { isSelfContained, selfContainedKubeconfig } from "./self-contained-kubeconfig.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-kubeconfig-"));
afterAll(() => rmSync(directory, { recursive: true }));

function kubeconfig(cluster: object, user: object): string {
  return stringify({
    clusters: [{ name: "c", cluster: { server: "https://[fd00::1]:6443/prefix", ...cluster } }],
    users: [{ name: "u", user }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  });
}

async function rewritten(content: string) {
  const [before, after] = [join(directory, "before"), join(directory, "after")];
  writeFileSync(before, content);
  const access = await readClusterAccess([before]);
  const text = selfContainedKubeconfig(access);
  writeFileSync(after, text);
  return { text, access: { ...access, source: "" }, again: { ...readKubeconfig(after), source: "" } };
}

test("files and a token's file come along", async () => {
  const { ca, cert, key } = await makeCertificates(directory, "me");
  writeFileSync(join(directory, "token"), "of token\n");
  const content = kubeconfig(
    { "certificate-authority": "me-ca.crt", "tls-server-name": "kubernetes" },
    { "client-certificate": join(directory, "me.crt"), "client-key": "me.key", tokenFile: "token" },
  );
  expect(isSelfContained(content)).toBe(false);
  const { text, access, again } = await rewritten(content);
  expect(isSelfContained(text)).toBe(true);
  expect(again).toEqual(access);
  const read = (path: string) => readFileSync(path, "utf8");
  expect(again).toMatchObject({ ca: read(ca), certificate: read(cert), key: read(key) });
  expect(again.token?.expose()).toBe("of token");
});

test("what a program gives comes along", async () => {
  const program = join(directory, "give");
  writeFileSync(program, `#!/bin/sh\necho '{"status":{"token":"given"}}'\n`);
  chmodSync(program, 0o755);
  const exec = { apiVersion: "client.authentication.k8s.io/v1", command: "./give" };
  const content = kubeconfig({ "insecure-skip-tls-verify": true, "proxy-url": "http://127.0.0.1:3128" }, { exec });
  expect(isSelfContained(content)).toBe(false);
  const { text, access, again } = await rewritten(content);
  expect(isSelfContained(text)).toBe(true);
  expect(again).toEqual(access);
  expect(again.token?.expose()).toBe("given");
});

test("a password and another user come along", async () => {
  const user = {
    username: "me",
    password: "p:w",
    as: "other",
    "as-uid": "1",
    "as-groups": ["a", "b"],
    "as-user-extra": { reason: ["x", "z"] },
  };
  const { access, again } = await rewritten(kubeconfig({ "proxy-url": "socks5://127.0.0.1:1080" }, user));
  expect(again).toEqual(access);
  expect(again.impersonate).toEqual({ user: "other", uid: "1", groups: ["a", "b"], extra: { reason: ["x", "z"] } });
});

test("one with everything in it stays as it is", () => {
  expect(isSelfContained(kubeconfig({ "certificate-authority-data": "YQ==" }, { token: "t" }))).toBe(true);
  expect(isSelfContained(kubeconfig({}, { tokenFile: "/t", token: "t" }))).toBe(true);
  expect(isSelfContained("a: [")).toBe(false);
  expect(isSelfContained("")).toBe(false);
});
