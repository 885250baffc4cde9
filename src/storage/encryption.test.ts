import { createCipheriv } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { xsalsa20poly1305 } from "@noble/ciphers/salsa.js";
import { describe, expect, test } from "vitest";
import type { StoredValue } from "../kube/object.ts";
import { createTransformer, readEncryptionHeader } from "./encryption.ts";
import { type EncryptionConfig, type EncryptionRule, parseEncryptionConfig } from "./encryption-config.ts";

const FIXTURES = join(import.meta.dirname, "../../test/fixtures");
const config = (file: string) => parseEncryptionConfig(readFileSync(join(FIXTURES, file), "utf8"), file);
const K120 = config("encryption/k120-encryption.yaml");
const K136 = config("k136-encrypted/encryption.yaml");

function values(file: string): StoredValue[] {
  const list = JSON.parse(readFileSync(join(FIXTURES, file), "utf8")) as {
    key: string;
    modRevision: number;
    value: string;
  }[];
  return list.map(({ key, modRevision, value }) => ({ key, modRevision, value: Buffer.from(value, "base64") }));
}
const REAL: readonly (readonly [config: EncryptionConfig, stored: StoredValue])[] = [
  ...values("encryption/k120-values.json").map((stored) => [K120, stored] as const),
  ...values("encryption/k136-values.json").map((stored) => [K136, stored] as const),
];

const isBytes = (opened: unknown): opened is Uint8Array => opened instanceof Uint8Array;
const text = (opened: unknown): string =>
  isBytes(opened) ? Buffer.from(opened).toString("latin1") : JSON.stringify(opened);

describe("values that API servers wrote", () => {
  test.each(REAL.map(([given, stored]) => [stored.key, readEncryptionHeader(stored.value), given, stored] as const))(
    "%s %o",
    (key, _header, given, stored) => {
      const opened = text(createTransformer(given).open(stored));
      expect(opened.startsWith("k8s\0")).toBe(true);
      expect(opened).toContain(key.split("/").at(-1));
    },
  );

  test("all providers are among them", () => {
    const headers = REAL.map(([, stored]) => readEncryptionHeader(stored.value));
    const names = new Set(headers.map((header) => header?.provider));
    expect(names).toEqual(new Set(["aesgcm", "secretbox", "aescbc", undefined]));
  });

  test("without a config they are named, not opened", () => {
    const transformer = createTransformer();
    for (const [, stored] of REAL) {
      const header = readEncryptionHeader(stored.value);
      const opened = transformer.open(stored);
      if (header === undefined) expect(opened).toBe(stored.value);
      else {
        expect(opened).toEqual({
          state: "encrypted",
          provider: header.provider,
          keyName: header.keyName,
          text: `encrypted with ${header.provider} key "${header.keyName}", and no encryption config was given`,
        });
      }
    }
  });

  test("no single flipped bit gives other bytes that pass for an object", () => {
    for (const [given, stored] of REAL) {
      const header = readEncryptionHeader(stored.value);
      if (header === undefined) continue;
      const transformer = createTransformer(given);
      const start = `k8s:enc:${header.provider}:v1:${header.keyName}:`.length;
      // CBC authenticates nothing: there, only damage to the first block, its IV or the last blocks can show.
      const [from, to] = header.provider === "aescbc" ? [start + 16, start + 32] : [start, stored.value.length];
      for (let position = from; position < to; position += 3) {
        const value = Buffer.from(stored.value);
        value[position]! ^= 0x10;
        expect(transformer.open({ ...stored, value })).toMatchObject({ state: "unreadable" });
      }
    }
  });

  test("nor does a cut", () => {
    for (const [given, stored] of REAL) {
      const header = readEncryptionHeader(stored.value);
      if (header === undefined) continue;
      const start = `k8s:enc:${header.provider}:v1:${header.keyName}:`.length;
      for (const length of [start, start + 1, start + 27, start + 39, stored.value.length - 1]) {
        const opened = createTransformer(given).open({ ...stored, value: stored.value.subarray(0, length) });
        expect(opened).toMatchObject({ state: "unreadable" });
      }
    }
  });
});

describe("AES-GCM", () => {
  const [gcm] = values("encryption/k120-values.json").filter(
    ({ value }) => readEncryptionHeader(value)?.provider === "aesgcm",
  );

  test("binds the value to its key", () => {
    expect(createTransformer(K120).open({ ...gcm!, key: "/registry/secrets/default/other" })).toMatchObject({
      state: "unreadable",
    });
  });
});

const KEY = new Uint8Array(32).map((_, i) => i);
const OTHER = new Uint8Array(32).fill(7);
const PLAIN = Buffer.from('{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"one"}}');

/** The API server's side, in a few lines. */
const seal = {
  aesgcm(name: string, secret: Uint8Array, plain: Uint8Array, key: string): Uint8Array {
    const nonce = Buffer.alloc(12, 3);
    const cipher = createCipheriv(`aes-${secret.length * 8}-gcm` as "aes-256-gcm", secret, nonce).setAAD(
      Buffer.from(key),
    );
    const body = Buffer.concat([cipher.update(plain), cipher.final()]);
    return Buffer.concat([Buffer.from(`k8s:enc:aesgcm:v1:${name}:`), nonce, body, cipher.getAuthTag()]);
  },
  aescbc(name: string, secret: Uint8Array, plain: Uint8Array): Uint8Array {
    const iv = Buffer.alloc(16, 5);
    const cipher = createCipheriv(`aes-${secret.length * 8}-cbc`, secret, iv);
    return Buffer.concat([Buffer.from(`k8s:enc:aescbc:v1:${name}:`), iv, cipher.update(plain), cipher.final()]);
  },
  secretbox(name: string, secret: Uint8Array, plain: Uint8Array): Uint8Array {
    const nonce = new Uint8Array(24).fill(9);
    const box = xsalsa20poly1305(secret, nonce).encrypt(plain);
    return Buffer.concat([Buffer.from(`k8s:enc:secretbox:v1:${name}:`), nonce, box]);
  },
} as const;
type Sealing = keyof typeof seal;
const PROVIDERS = Object.keys(seal) as Sealing[];

const stored = (key: string, value: Uint8Array): StoredValue => ({ key, value, modRevision: 1 });
const rule = (resources: string, type: Sealing, name: string, secret = KEY): EncryptionRule => ({
  resources: resources.split(","),
  providers: [{ type, keys: [{ name, secret }] }],
});
const WIDGET = "/registry/example.com/widgets/shop/one";
const open = (rules: readonly EncryptionRule[], value: Uint8Array, key = WIDGET) =>
  createTransformer({ rules }).open(stored(key, value));

describe.each(PROVIDERS)("%s", (type) => {
  const value = seal[type]("k:1", KEY, PLAIN, WIDGET);

  test("opens what it sealed, key names with colons too", () => {
    expect(text(open([rule("widgets.example.com", type, "k:1")], value))).toBe(PLAIN.toString());
  });

  test.each([16, 24, 32].filter((length) => type !== "secretbox" || length === 32))("%i bytes key", (length) => {
    const secret = KEY.subarray(0, length);
    const sealed = seal[type]("k", secret, PLAIN, WIDGET);
    expect(text(open([rule("*.*", type, "k", secret)], sealed))).toBe(PLAIN.toString());
  });

  test("another key of the same name", () => {
    for (let i = 0; i < 600; i++) {
      const secret = Uint8Array.from(OTHER, (byte, j) => (j < 2 ? (i >> (8 * j)) & 255 : byte));
      expect(open([rule("*.*", type, "k:1", secret)], value)).toEqual({
        state: "unreadable",
        text: `${type} key "k" of the encryption config does not open it: the key is another one of the same name, or the value is damaged`,
      });
    }
  });

  test("two keys of one name: the one that fits is used", () => {
    const rules: EncryptionRule[] = [
      {
        resources: ["*.*"],
        providers: [
          {
            type,
            keys: [
              { name: "k:1", secret: OTHER },
              { name: "k:1", secret: KEY },
            ],
          },
        ],
      },
    ];
    expect(text(open(rules, value))).toBe(PLAIN.toString());
  });

  test("a key that is missing", () => {
    expect(open([rule("*.*", type, "old"), rule("secrets", type, "k:1")], value)).toEqual({
      state: "encrypted",
      provider: type,
      keyName: "k",
      text: `encrypted with ${type} key "k", and the encryption config has only "old" for "widgets.example.com"`,
    });
  });
});

describe("which rule applies", () => {
  const value = seal.secretbox("a", KEY, PLAIN);
  const key = (path: string) => `/registry/${path}`;
  const opens = (rules: readonly EncryptionRule[], path: string) => isBytes(open(rules, value, key(path)));
  const A = (resources: string) => rule(resources, "secretbox", "a");
  const B = (resources: string) => rule(resources, "secretbox", "b");

  test.each([
    ["secrets", "secrets/default/x", true],
    ["secrets", "configmaps/default/x", false],
    ["secrets,configmaps", "configmaps/default/x", true],
    ["deployments.apps", "deployments/default/x", true],
    ["deployments.extensions", "deployments/default/x", true],
    ["deployments", "deployments/default/x", false],
    ["services", "services/specs/default/x", true],
    ["endpoints", "services/endpoints/default/x", true],
    ["nodes", "minions/x", true],
    ["*.", "pods/default/x", true],
    ["*.", "deployments/default/x", false],
    ["*.apps", "deployments/default/x", true],
    ["*.example.com", "example.com/widgets/shop/one", true],
    ["*.example.com", "other.example.com/widgets/shop/one", false],
    ["*.*", "example.com/widgets/shop/one", true],
    ["customresourcedefinitions.apiextensions.k8s.io", "apiextensions.k8s.io/customresourcedefinitions/x", true],
  ])("%s for %s: %o", (resources, path, expected) => {
    expect(opens([A(resources)], path)).toBe(expected);
  });

  test("the most exact rule wins over a wildcard that comes later", () => {
    expect(opens([A("secrets"), B("*.*")], "secrets/default/x")).toBe(true);
    expect(opens([B("secrets"), A("*."), A("*.*")], "secrets/default/x")).toBe(false);
  });

  test("a wildcard masks what comes after it", () => {
    expect(opens([A("*."), B("secrets")], "secrets/default/x")).toBe(true);
    expect(opens([B("*.*"), A("secrets")], "secrets/default/x")).toBe(false);
  });

  test("rules for the same resource add up", () => {
    expect(opens([B("secrets"), A("secrets")], "secrets/default/x")).toBe(true);
  });

  test("no rule", () => {
    expect(open([A("secrets")], value)).toEqual({
      state: "encrypted",
      provider: "secretbox",
      keyName: "a",
      text: `encrypted with secretbox key "a", and no rule of the encryption config covers "widgets.example.com"`,
    });
  });

  test("another etcd prefix", () => {
    const transformer = createTransformer({ rules: [A("secrets")] }, "/one/two");
    expect(isBytes(transformer.open(stored("/one/two/secrets/default/x", value)))).toBe(true);
    expect(
      isBytes(createTransformer({ rules: [A("secrets")] }).open(stored("/kubernetes.io/secrets/a/b", value))),
    ).toBe(true);
  });
});

test.each([
  ["k8s:enc:kms:v1:vault:", "v1", "vault"],
  ["k8s:enc:kms:v2:cloud-kms:", "v2", "cloud-kms"],
])("%s is named, with and without a config", (prefix, version, name) => {
  const value = Buffer.from(`${prefix}\x01\x02`);
  const expected = {
    state: "encrypted",
    provider: "kms",
    keyName: name,
    text: `encrypted by KMS ${version} plugin "${name}": only the plugin can decrypt it, which needs its key service`,
  };
  expect(open([], value)).toEqual(expected);
  expect(createTransformer().open(stored(WIDGET, value))).toEqual(expected);
});

test("an unknown provider is named", () => {
  const value = Buffer.from("k8s:enc:rot13:v1:k:abc");
  expect(open([rule("*.*", "aescbc", "k")], value)).toMatchObject({
    state: "encrypted",
    provider: "rot13",
    keyName: "k",
  });
  expect(open([rule("*.*", "aescbc", "k")], Buffer.from("k8s:enc:"))).toMatchObject({
    state: "encrypted",
    provider: "",
  });
  expect(open([rule("*.*", "aescbc", "k")], Buffer.from("k8s:enc:__proto__:v1:k:"))).toMatchObject({
    state: "encrypted",
  });
});

test("names are exact: what prints them escapes them", () => {
  const value = Buffer.from("k8s:enc:aes\u001b[31m:v1:key\u0007\n:abc");
  expect(readEncryptionHeader(value)).toEqual({
    provider: "aes\u001b[31m",
    version: "v1",
    keyName: "key\u0007\n",
  });
});

test("plain values come back as they are", () => {
  for (const value of [PLAIN, new Uint8Array(), Buffer.from("k8s:en"), Buffer.from("k8s\0abc")]) {
    expect(open([rule("*.*", "aescbc", "k")], value)).toBe(value);
  }
});
