import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { MendError } from "../errors/errors.ts";
import { parseEncryptionConfig } from "./encryption-config.ts";

const FIXTURE = join(import.meta.dirname, "../../test/fixtures/k136-encrypted/encryption.yaml");
const KEY16 = "AAAAAAAAAAAAAAAAAAAAAA==";
const KEY32 = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

const config = (providers: string, resources = "[secrets]") => `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: ${resources}
  providers: ${providers}
`;

function refusal(text: string): string {
  try {
    parseEncryptionConfig(text, "enc.yaml");
  } catch (error) {
    expect(error).toBeInstanceOf(MendError);
    expect((error as MendError).code).toBe("encryption-config-invalid");
    return (error as MendError).message;
  }
  throw new Error("was accepted");
}

test("the file that an API server was started with", () => {
  const { rules } = parseEncryptionConfig(readFileSync(FIXTURE, "utf8"), "encryption.yaml");
  expect(rules).toHaveLength(1);
  expect(rules[0]?.resources).toEqual(["secrets", "configmaps"]);
  const [aescbc, identity] = rules[0]?.providers ?? [];
  expect(aescbc).toMatchObject({ type: "aescbc", keys: [{ name: "key2-2026.11" }, { name: "key1" }] });
  expect(identity).toEqual({ type: "identity" });
});

test("the old kind, in JSON, with each provider", () => {
  const keys = { keys: [{ name: "k", secret: KEY32 }] };
  const text = JSON.stringify({
    kind: "EncryptionConfig",
    apiVersion: "v1",
    resources: [
      {
        resources: ["*.*"],
        providers: [
          { aesgcm: keys },
          { secretbox: keys },
          { kms: { name: "plugin", endpoint: "unix:///x", timeout: "3s" } },
          { kms: { apiVersion: "v2", name: "plugin2", endpoint: "unix:///x" } },
          { identity: {} },
        ],
      },
    ],
  });
  expect(parseEncryptionConfig(text, "enc.json").rules[0]?.providers).toMatchObject([
    { type: "aesgcm" },
    { type: "secretbox" },
    { type: "kms", version: "v1", name: "plugin" },
    { type: "kms", version: "v2", name: "plugin2" },
    { type: "identity" },
  ]);
});

test.each([
  ["not YAML", "a: [", `"enc.yaml" is neither YAML nor JSON`],
  [
    "empty",
    "",
    `"enc.yaml" is not an encryption config: expected kind "EncryptionConfiguration" of "apiserver.config.k8s.io/v1", found no kind`,
  ],
  [
    "another kind",
    "apiVersion: v1\nkind: Secret",
    `"enc.yaml" is not an encryption config: expected kind "EncryptionConfiguration" of "apiserver.config.k8s.io/v1", found "Secret" of "v1"`,
  ],
  [
    "an unknown provider",
    config("[{aesecb: {}}]"),
    `"enc.yaml" is wrong at resources[0].providers[0]: unknown provider "aesecb"`,
  ],
  [
    "two providers in one item",
    config(`[{identity: {}, secretbox: {keys: [{name: k, secret: ${KEY32}}]}}]`),
    `"enc.yaml" is wrong at resources[0].providers[0]: expected exactly one of identity, aescbc, aesgcm, secretbox and kms, found identity and secretbox`,
  ],
  [
    "a key that is too short for secretbox",
    config(`[{secretbox: {keys: [{name: k, secret: ${KEY16}}]}}]`),
    `"enc.yaml" is wrong at resources[0].providers[0].secretbox.keys[0].secret: expected a key of 32 bytes, found 16`,
  ],
  [
    "a key that is not base64",
    config("[{identity: {}}, {aescbc: {keys: [{name: k, secret: hunter2}]}}]"),
    `"enc.yaml" is wrong at resources[0].providers[1].aescbc.keys[0].secret: expected base64 of 16, 24 or 32 bytes, found other text`,
  ],
  [
    "a key without a name, and a rule without resources",
    config(`[{aesgcm: {keys: [{secret: ${KEY16}}]}}]`, "[]"),
    `"enc.yaml" is wrong at resources[0].resources: expected at least one resource; resources[0].providers[0].aesgcm.keys[0].name: expected string, found undefined`,
  ],
])("refuses %s", (_, text, message) => {
  expect(refusal(text)).toBe(message);
});

test("never prints a secret", () => {
  const secret = "c2VjcmV0LXZhbHVlLXRoYXQtbXVzdC1ub3QtYXBwZWFy";
  const message = refusal(config(`[{aescbc: {keys: [{name: k, secret: "${secret}"}]}}]`));
  expect(message).not.toContain(secret);
});

test("a bomb of aliases is refused, not expanded", () => {
  const levels = Array.from(
    { length: 12 },
    (_, i) => `a${i}: &a${i} [${Array(10).fill(i === 0 ? "x" : `*a${i - 1}`)}]`,
  );
  expect(() => parseEncryptionConfig(levels.join("\n"), "enc.yaml")).toThrow(MendError);
});
