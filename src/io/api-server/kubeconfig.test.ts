import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { type CertificateFiles, makeCertificates } from "../../../test/etcd-certificates.ts";
import { credentialHeaders } from "./credential-headers.ts";
import { inClusterAccess } from "./in-cluster.ts";
import { readClusterAccess, readKubeconfig } from "./kubeconfig.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-kubeconfig-"));
let own: CertificateFiles;
let other: CertificateFiles;
beforeAll(async () => {
  own = await makeCertificates(directory, "own");
  other = await makeCertificates(directory, "other");
});
afterAll(() => rmSync(directory, { recursive: true }));

let count = 0;
function write(content: string, name = `kubeconfig-${++count}`): string {
  const path = join(directory, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

function config(cluster: object = {}, user: object = {}, name = "x"): string {
  return stringify({
    clusters: [{ name: "c", cluster: { server: "https://10.0.0.1:6443", ...cluster } }],
    users: [{ name: "u", user }],
    contexts: [{ name, context: { cluster: "c", user: "u" } }],
    "current-context": name,
  });
}

describe("a file reads as kubectl reads it", () => {
  test("the first of several documents", () => {
    expect(readKubeconfig(write(`${config()}---\n`)).server.host).toBe("10.0.0.1:6443");
    expect(readKubeconfig(write(`${config()}---\nclusters: 5\n`)).server.host).toBe("10.0.0.1:6443");
  });

  test("the last of two fields", () => {
    const text = `${config()}current-context: z\ncontexts: [{name: z, context: {cluster: c, user: u}}]\n`;
    expect(readKubeconfig(write(text)).server.host).toBe("10.0.0.1:6443");
    expect(() => readKubeconfig(write(`${config()}current-context: q\n`))).toThrow("current-context");
  });

  test("CR LF, JSON, a server without a scheme", () => {
    expect(readKubeconfig(write(config().replaceAll("\n", "\r\n"))).server.host).toBe("10.0.0.1:6443");
    expect(
      readKubeconfig(
        write(
          JSON.stringify({ clusters: [], contexts: [{ name: "x", context: {} }] }).replace(
            "[]",
            '[{"name":"","cluster":{"server":"h:1"}}]',
          ),
        ),
      ).server.href,
    ).toBe("http://h:1/");
    expect(readKubeconfig(write(config({ server: "h:1", "insecure-skip-tls-verify": true }))).server.href).toBe(
      "https://h:1/",
    );
  });

  test("a name and a password, and another user", () => {
    const access = readKubeconfig(write(config({}, { username: "me", password: "p:w" })));
    expect(credentialHeaders(access)).toEqual({ authorization: `Basic ${Buffer.from("me:p:w").toString("base64")}` });
    const user = {
      token: "t",
      as: "jané",
      "as-uid": "7",
      "as-groups": ["a", "b"],
      "as-user-extra": { "Scopes/x": ["1", "2"] },
    };
    expect(credentialHeaders(readKubeconfig(write(config({}, user))))).toEqual({
      authorization: "Bearer t",
      "Impersonate-User": Buffer.from("jané").toString("latin1"),
      "Impersonate-Uid": "7",
      "Impersonate-Group": ["a", "b"],
      "Impersonate-Extra-Scopes%2Fx": ["1", "2"],
    });
  });

  test("a token's file wins over the token where it can be read", () => {
    write("renewed\n", "token");
    expect(readKubeconfig(write(config({}, { token: "t", tokenFile: "token" }))).token?.expose()).toBe("renewed");
    expect(readKubeconfig(write(config({}, { token: "t", tokenFile: "nowhere" }))).token?.expose()).toBe("t");
  });
});

describe("several files", () => {
  test("are one: the first gives each name, whole, and paths start from their own file", async () => {
    write(readFileSync(own.ca, "utf8"), "a/ca.crt");
    const first = write(
      stringify({ users: [{ name: "u", user: { token: "first" } }], "current-context": "x" }),
      "a/users",
    );
    const second = write(
      config({ "certificate-authority": "../a/ca.crt" }, { username: "never", password: "used" }, "z"),
      "b/rest",
    );
    const third = write(stringify({ contexts: [{ name: "x", context: { cluster: "c", user: "u" } }] }), "c/contexts");
    const access = await readClusterAccess([first, second, third]);
    expect(access.token?.expose()).toBe("first");
    expect(access).toMatchObject({ basic: undefined, ca: readFileSync(own.ca, "utf8") });
    expect((await readClusterAccess([first, second, third], { contextName: "z" })).token?.expose()).toBe("first");
  });
});

const SECRET = "S3cretOfTheFile";

describe("what cannot be used is named, and no secret shown", () => {
  const cases: readonly (readonly [name: string, content: () => string, message: string])[] = [
    [
      "a passphrase",
      () => config({}, { "client-certificate": own.cert, "client-key": sealedKey() }),
      "protected by a passphrase",
    ],
    [
      "another certificate's key",
      () => config({}, { "client-certificate": own.cert, "client-key": other.key }),
      "does not match",
    ],
    [
      "a key that is none",
      () => config({}, { "client-certificate": own.cert, "client-key-data": "aGVsbG8=" }),
      "not a private key",
    ],
    ["no key", () => config({}, { "client-certificate": own.cert }), "no client key"],
    [
      "a certificate that is none",
      () => config({}, { "client-certificate-data": "aGVsbG8=", "client-key": own.key }),
      "not a certificate",
    ],
    [
      "an authority that is none",
      () => config({ "certificate-authority-data": "aGVsbG8=" }),
      "certificate authority that is not",
    ],
    ["base64 that is none", () => config({ "certificate-authority-data": `${SECRET}!` }), "not base64"],
    ["a number for a token", () => config({}, { token: 12345 }), '"token" at users[0].user that is not text'],
    ["groups without a user", () => config({}, { token: SECRET, "as-groups": ["x"] }), "without naming it"],
    ["a token with a line break", () => config({}, { token: `a\n${SECRET}` }), "characters that no token has"],
    [
      "a token and a password",
      () => config({}, { token: SECRET, username: "a", password: SECRET }),
      "exclude each other",
    ],
    [
      "an authority and no check",
      () => config({ "certificate-authority": own.ca, "insecure-skip-tls-verify": true }),
      "exclude each other",
    ],
    ["an auth provider", () => config({}, { "auth-provider": { name: "gcp" } }), "auth-provider"],
    [
      "a plugin that asks",
      () => config({}, { exec: { command: "x", interactiveMode: "Always" } }),
      "ask at a terminal",
    ],
    ["a proxy of another kind", () => config({ "proxy-url": `ftp://u:${SECRET}@h` }), "none of HTTP, HTTPS or SOCKS5"],
    [
      "a password in the server's URL",
      () => config({ server: `https://u:${SECRET}@h` }),
      "has a user in its server's URL",
    ],
    [
      "a context that is a slipped token",
      () => config().replace(/current-context: .*/, `current-context: >\n  token: ${SECRET}`),
      "no context of the name",
    ],
    [
      "a cluster that is not there",
      () => config().replace("cluster: c", `cluster: ${SECRET}`),
      "no cluster of the name",
    ],
    ["a user that is not there", () => config().replace("user: u", `user: ${SECRET}`), "no user of the name"],
    [
      "a name that is given twice",
      () => stringify({ users: [{ name: SECRET }, { name: SECRET }] }),
      "name of an earlier user",
    ],
    ["no YAML", () => `users: [${SECRET}\n  x: ${SECRET}`, "is not YAML"],
    ["a list", () => "[]", "holds no fields"],
    ["text", () => SECRET, "holds no fields"],
    ["users that are no list", () => "users: {}", '"users" that are no list'],
    ["nothing", () => "", "no current context"],
  ];
  test.each(cases)("%s", (_, content, message) => {
    let thrown: Error & { code?: string; hint?: string } = new Error("nothing");
    try {
      readKubeconfig(write(content()));
    } catch (error) {
      thrown = error as Error;
    }
    expect(thrown.message).toContain(message);
    expect(thrown.code).toMatch(/^(config-invalid|unsupported)$/);
    expect(JSON.stringify([thrown.message, thrown.hint])).not.toContain(SECRET);
  });

  function sealedKey(): string {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const pem = privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" });
    return write(String(pem), "sealed.key");
  }
});

test("a program gets what it asks for of the cluster", async () => {
  const program = write(
    '#!/bin/sh\nprintf \'{"status":{"token":"%s"}}\' "$(printf %s "$KUBERNETES_EXEC_INFO" | base64 -w0)"\n',
    "plugin",
  );
  (await import("node:fs")).chmodSync(program, 0o755);
  const exec = { apiVersion: "client.authentication.k8s.io/v1", command: "./plugin", provideClusterInfo: true };
  const { token } = await readClusterAccess([write(config({ "tls-server-name": "name" }, { exec }))]);
  expect(JSON.parse(Buffer.from(token!.expose(), "base64").toString())).toMatchObject({
    spec: { cluster: { server: "https://10.0.0.1:6443", "tls-server-name": "name" }, interactive: false },
  });
});

test("a pod's service account", () => {
  const account = join(directory, "account");
  const variables = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };
  expect(inClusterAccess(variables, account)).toBeUndefined();
  write("of the pod\n", "account/token");
  write(readFileSync(own.ca, "utf8"), "account/ca.crt");
  const access = inClusterAccess(variables, account);
  expect(access?.token?.expose()).toBe("of the pod");
  expect(access).toMatchObject({ ca: readFileSync(own.ca, "utf8") });
  expect(inClusterAccess(variables, account)?.server.href).toBe("https://[fd00::1]/");
  expect(inClusterAccess({}, account)).toBeUndefined();
});
