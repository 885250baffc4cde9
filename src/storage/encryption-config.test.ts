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
  ["not YAML", "a: [", `"enc.yaml" is neither YAML nor JSON: a line is not indented as its block is in line 1`],
  [
    "empty",
    "",
    `"enc.yaml" is not an encryption config: expected kind "EncryptionConfiguration" of "apiserver.config.k8s.io/v1", found no kind`,
  ],
  [
    "another kind",
    "apiVersion: v1\nkind: Secret",
    '"enc.yaml" is not an encryption config: expected kind "EncryptionConfiguration" of ' +
      '"apiserver.config.k8s.io/v1", found "Secret" of "v1"',
  ],
  [
    "an unknown provider",
    config("[{aesecb: {}}]"),
    `"enc.yaml" is wrong at resources[0].providers[0]: unknown provider "aesecb"`,
  ],
  [
    "two providers in one item",
    config(`[{identity: {}, secretbox: {keys: [{name: k, secret: ${KEY32}}]}}]`),
    '"enc.yaml" is wrong at resources[0].providers[0]: expected exactly one of identity, aescbc, aesgcm, ' +
      "secretbox and kms, found identity and secretbox",
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
    '"enc.yaml" is wrong at resources[0].resources: expected at least one resource; ' +
      "resources[0].providers[0].aesgcm.keys[0].name: expected string, found undefined",
  ],
])("refuses %s", (_, text, message) => {
  expect(refusal(text)).toBe(message);
});

const AESCBC = `aescbc: {keys: [{name: key1, secret: ${KEY32}}]}`;
const RULES = `resources:\n- resources: [secrets]\n  providers:\n  - ${AESCBC}\n  - identity: {}\n`;
const HEAD = "kind: EncryptionConfiguration\napiVersion: apiserver.config.k8s.io/v1\n";
/** As base64(1) and editors write a key. */
const FOLDED = RULES.replace(
  AESCBC,
  `aescbc:\n      keys:\n      - name: key1\n        secret: |\n          ${KEY32.slice(0, 20)}\n          ${KEY32.slice(20)}`,
);

test.each([
  ["line breaks inside base64", HEAD + FOLDED],
  ["CR LF in them", (HEAD + FOLDED).replaceAll("\n", "\r\n")],
  [
    "base64 in quotes, with line breaks",
    HEAD + RULES.replace(KEY32, `"${KEY32.slice(0, 9)}\\r\\n${KEY32.slice(9)}\\n"`),
  ],
  ["CR LF alone", `kind: EncryptionConfig\napiVersion: v1\n${RULES}`.replaceAll("\n", "\r\n")],
  ["a mark and a comment in front, and another document", `---\n# by hand\n${HEAD}${RULES}---\nkind: Secret\n`],
  ["a second document that is not even YAML", `${HEAD}${RULES}---\n{{ template }}: [\n`],
  ["an end mark", `${HEAD}${RULES}...\n`],
  ["null for a provider", HEAD + RULES.replace(AESCBC, `${AESCBC}\n    identity: null\n    kms:\n    aesgcm: ~`)],
  ["a field twice, of which the last counts", `${HEAD}resources: []\n${RULES}`],
])("as an API server, reads %s", (_, text) => {
  const { rules, findings } = parseEncryptionConfig(text, "enc.yaml");
  const keys = [{ name: "key1", secret: new Uint8Array(32) }];
  expect(rules).toEqual([{ resources: ["secrets"], providers: [{ type: "aescbc", keys }, { type: "identity" }] }]);
  expect(findings).toEqual([]);
});

test("fields that no API server knows are passed over, with a warning that names them and not their values", () => {
  const key = `{name: key1, secret: ${KEY32}, created: hunter2}`;
  const text = HEAD + RULES.replace(/\{name.*?\}/, key).replace("resources:", "metadata: {name: enc}\nresources:");
  const { rules, findings } = parseEncryptionConfig(text, "enc.yaml");
  expect(rules[0]?.providers).toHaveLength(2);
  expect(findings).toMatchObject([{ level: "warning", code: "encryption-config-unknown-field", where: "enc.yaml" }]);
  expect(findings[0]?.text).toContain("(metadata, resources[0].providers[0].aescbc.keys[0].created)");
  expect(findings[0]?.text).not.toContain("hunter2");
});

test.each([
  ["null alone is no provider", "[{identity: null}]"],
  ["a space inside base64", `[{aescbc: {keys: [{name: k, secret: "${KEY32.slice(0, 8)} ${KEY32.slice(8)}"}]}}]`],
  ["base64 for URLs", `[{aescbc: {keys: [{name: k, secret: "${KEY32.replace("AA", "-_")}"}]}}]`],
  ["base64 without its end", `[{aescbc: {keys: [{name: k, secret: "${KEY32.replace("=", "")}"}]}}]`],
  ["a name that is a number", `[{aescbc: {keys: [{name: 12, secret: "${KEY32}"}]}}]`],
])("as an API server, refuses %s", (_, providers) => {
  refusal(config(providers));
});

test("a file made to exhaust the parser is refused", () => {
  for (const text of [`a:\n${"? ".repeat(5000)}`, `${"[".repeat(50_000)}`, `a: ${"{a: ".repeat(20_000)}`])
    refusal(text);
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
