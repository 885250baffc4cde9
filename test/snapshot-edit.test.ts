/** Snapshots edited object by object, restored, and served by a stock etcd. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openSnapshotSide } from "../src/operations/objects/snapshot-side.ts";
import { type EditOptions, editSnapshot } from "../src/operations/snapshot/edit.ts";
import { restoreSnapshot } from "../src/operations/snapshot/restore.ts";
import type { SurgeryRequest } from "../src/operations/snapshot/surgery-request.ts";
import { decodeValue } from "../src/storage/decode.ts";
import { createTransformer } from "../src/storage/encryption.ts";
import { parseEncryptionConfig } from "../src/storage/encryption-config.ts";
import { sealValue } from "../src/storage/seal.ts";
import { startEtcd } from "./etcd-server.ts";
import { clusterEntries, madeSnapshot } from "./made-snapshot.ts";
import { findProgram } from "./programs.ts";

const FIXTURES = join(import.meta.dirname, "fixtures");
const SELF_HOSTED = join(FIXTURES, "selfhosted-k120/snapshot.db.gz");
const ENCRYPTED = join(FIXTURES, "k136-encrypted/snapshot.db.gz");
const KEYS = join(FIXTURES, "k136-encrypted/encryption.yaml");
const NOTHING: SurgeryRequest = { remove: [], set: [], from: [], namespace: "shop", selector: "" };

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-edit-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function edit(input: string, request: Partial<SurgeryRequest>, more: Partial<EditOptions> = {}) {
  const output = join(directory, "edited.db");
  const options = { request: { ...NOTHING, ...request }, isDryRun: false, now: Date.now, ...more };
  return editSnapshot(input, output, options).then((result) => ({ ...result, output }));
}

function yaml(text: string): string {
  const path = join(directory, "set.yaml");
  writeFileSync(path, text);
  return path;
}

async function objectIn(file: string, path: string, rest: string, encryptionConfig?: string) {
  using side = await openSnapshotSide(
    { file, atRevision: undefined },
    encryptionConfig === undefined ? {} : { encryptionConfig },
  );
  const read = (await side.open(path)).get(rest)?.read();
  return read?.state === "object" ? read.object : read;
}

const SET = `
# a change and something new
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {color: red}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: fresh, namespace: shop}
spec: {selector: {matchLabels: {app: fresh}}, template: {metadata: {labels: {app: fresh}}, spec: {containers: [{name: c, image: i}]}}}
`;

test("objects are removed, set and taken, and the rest stays", async () => {
  const before = await objectIn(SELF_HOSTED, "configmaps", "shop/settings");
  const { output, edits, revision } = await edit(SELF_HOSTED, { remove: ["deployment/web"], set: [yaml(SET)] });
  expect(revision).toBe(2383);
  expect(edits.map(({ action, name, encoding }) => [action, name, encoding])).toEqual([
    ["remove", "deployments/shop/web", ""],
    ["replace", "configmaps/shop/settings", "protobuf"],
    ["add", "deployments/shop/fresh", "protobuf"],
  ]);
  expect(await objectIn(output, "deployments", "shop/web")).toBeUndefined();
  const settings = await objectIn(output, "configmaps", "shop/settings");
  expect(settings).toMatchObject({
    data: { color: "red" },
    metadata: { uid: (before as { metadata: { uid: string } }).metadata.uid, resourceVersion: "2383" },
  });
  expect(await objectIn(output, "deployments", "shop/fresh")).toMatchObject({
    metadata: { uid: expect.stringMatching(/^[0-9a-f-]{36}$/) },
  });
  rmSync(join(directory, "back.db"), { force: true });
  const back = await editSnapshot(output, join(directory, "back.db"), {
    request: { ...NOTHING, from: [SELF_HOSTED, "deployment/web", "configmap/settings"] },
    isDryRun: false,
    now: Date.now,
  });
  expect(back.edits.map(({ action }) => action)).toEqual(["replace", "add"]);
  const { metadata: _old, ...content } = before as { metadata: object };
  expect(await objectIn(join(directory, "back.db"), "configmaps", "shop/settings")).toMatchObject(content);
});

test("nothing is written for a dry run, for what is as it is to be, and over another file", async () => {
  const dry = await edit(SELF_HOSTED, { remove: ["deployment/web"] }, { isDryRun: true });
  expect(dry).toMatchObject({ file: null, edits: [{ action: "remove" }] });
  const same = await edit(SELF_HOSTED, { from: [SELF_HOSTED, "deployment/web"] });
  expect(same).toMatchObject({ file: null, edits: [{ action: "same" }] });
  await edit(SELF_HOSTED, { remove: ["deployment/web"] });
  await expect(edit(SELF_HOSTED, { remove: ["deployment/web"] })).rejects.toMatchObject({ code: "already-exists" });
});

test.each([
  [{ remove: ["deployment/nope"] }, "object-not-found"],
  [{ remove: ["nonsense/x"] }, "kind-unknown"],
  [{ remove: [] }, "usage"],
  [{ from: [SELF_HOSTED] }, "usage"],
] as const)("%j is refused: %s", async (request, code) => {
  await expect(edit(SELF_HOSTED, request)).rejects.toMatchObject({ code });
});

test.each([
  ["kind: ConfigMap\nmetadata: {name: a}\n", "object-invalid"],
  ["apiVersion: v9\nkind: Nothing\nmetadata: {name: a}\n", "kind-unknown"],
  ["apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nsurprise: 1\n", "object-invalid"],
  ["a: [\n", "object-invalid"],
])("%j cannot be set: %s", async (text, code) => {
  await expect(edit(SELF_HOSTED, { set: [yaml(text)] })).rejects.toMatchObject({ code });
});

describe("encrypted at rest", () => {
  const secret = yamlOf({ v: Buffer.from("changed").toString("base64") });

  test("what was encrypted is encrypted again, with the key that the API server writes with", async () => {
    const { output, edits } = await edit(
      ENCRYPTED,
      { set: [yaml(secret)], namespace: "enc" },
      { encryptionConfig: KEYS },
    );
    expect(edits).toMatchObject([{ action: "replace", encryption: "aescbc key2-2026.11" }]);
    expect(await objectIn(output, "secrets", "enc/b-rewrite")).toMatchObject({ state: "encrypted" });
    expect(await objectIn(output, "secrets", "enc/b-rewrite", KEYS)).toMatchObject({ data: { v: "Y2hhbmdlZA==" } });
  });

  test("without the key nothing is written in the clear, but a secret that nobody can open can be removed", async () => {
    await expect(edit(ENCRYPTED, { set: [yaml(secret)], namespace: "enc" })).rejects.toMatchObject({
      code: "encryption-key-missing",
    });
    const { output } = await edit(ENCRYPTED, { remove: ["secret/b-rewrite"], namespace: "enc" });
    expect(await objectIn(output, "secrets", "enc/b-rewrite")).toBeUndefined();
  });

  function yamlOf(data: object): string {
    return `apiVersion: v1\nkind: Secret\nmetadata: {name: b-rewrite, namespace: enc}\ntype: Opaque\ndata: ${JSON.stringify(data)}\n`;
  }

  test.each(["aescbc", "aesgcm", "secretbox"])("%s opens again", (provider) => {
    const keys = `[{name: k, secret: ${Buffer.alloc(32, 7).toString("base64")}}]`;
    const text =
      "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources: [{resources: " +
      `[secrets], providers: [{${provider}: {keys: ${keys}}}]}]\n`;
    const config = parseEncryptionConfig(text, "config");
    const plain = Buffer.from('{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}}\n');
    const key = "/registry/secrets/shop/a";
    const value = sealValue(plain, key, config, "/registry");
    expect(Buffer.from(value.subarray(0, 8)).toString()).toBe("k8s:enc:");
    const decoded = decodeValue({ key, value, modRevision: 1 }, createTransformer(config, "/registry"));
    expect(decoded).toMatchObject({ state: "object", object: { metadata: { name: "a" } } });
    const other = "/registry/configmaps/shop/a";
    expect(sealValue(plain, other, config, "/registry")).toBe(plain);
  });
});

const suite = (["trixie", "bookworm"] as const).find((each) => findProgram(each, "etcd"));

test.skipIf(suite === undefined)(
  "a stock etcd restores the edited file, and one restored with the same flags serves the same",
  async () => {
    const set = yaml(SET);
    const { output } = await edit(SELF_HOSTED, { remove: ["deployment/web"], set: [set] });
    const stored = (await etcdServes(output, {})).toString("latin1");
    expect(stored).toContain("red");
    const surgery = { ...NOTHING, remove: ["deployment/web"], set: [set] };
    expect((await etcdServes(SELF_HOSTED, { surgery })).toString("latin1")).toContain("red");
  },
);

/** The value of the ConfigMap, once a real etcd serves it; the Deployment must be gone. */
async function etcdServes(file: string, more: { readonly surgery?: SurgeryRequest }): Promise<Buffer> {
  const dataDir = join(directory, "etcd");
  rmSync(dataDir, { recursive: true, force: true });
  await restoreSnapshot(file, {
    dataDir,
    name: "default",
    initialCluster: "default=http://localhost:2380",
    initialClusterToken: "t",
    initialAdvertisePeerUrls: "http://localhost:2380",
    skipHashCheck: true,
    ...more,
  });
  const etcd = await startEtcd({ suite: suite!, dataDir });
  try {
    expect(await etcd.etcdctl("get", "/registry/deployments/shop/web", "--print-value-only")).toBe("");
    const answer = JSON.parse(await etcd.etcdctl("get", "/registry/configmaps/shop/settings", "-w", "json"));
    const [found] = answer.kvs as [{ value: string; mod_revision: number; version: number }];
    expect(found.mod_revision).toBe(2383);
    return Buffer.from(found.value, "base64");
  } finally {
    await etcd.stop();
  }
}

test("the file ends with its SHA-256, as etcd's own do", async () => {
  const { output, sha256 } = await edit(SELF_HOSTED, { remove: ["deployment/web"] });
  expect(readFileSync(output).subarray(-32).toString("hex")).toBe(sha256);
});

describe("what an API server could not read or reach is not written", () => {
  const refused = (input: string, text: string, namespace = "shop") => {
    const request = { set: [yaml(text)], namespace };
    return edit(input, request, { isDryRun: true }).then(
      () => expect.unreachable(text),
      ({ code, message, where }: { code: string; message: string; where: string }) => `${code}: ${message} · ${where}`,
    );
  };
  const pod = (cpu: string) =>
    `{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, resources: {limits: {cpu: ${cpu}}}}]}}`;
  const map = (metadata: string, rest = "") => `{apiVersion: v1, kind: ConfigMap, metadata: ${metadata}${rest}}`;

  test.each([
    [pod("lots"), /^object-invalid: field "spec\.containers\[0\]\.resources\.limits\.cpu" .*set\.yaml · Pod p$/],
    [map("{name: a}", ", data: {a: 1}"), /^object-invalid: field "data\["a"\]" .*set\.yaml · ConfigMap a$/],
    [map("{name: ../a}"), /^object-invalid: "\.\.\/a" cannot be the name/],
    [map("{name: a%2Fb}"), /^object-invalid: "a%2Fb" cannot be the name/],
    [map("{name: a, namespace: ..}"), /^object-invalid: "\.\." cannot be the name of a namespace/],
    [
      map("{name: a, namespace: gone}"),
      /^object-invalid: "configmaps\/gone\/a" would be in a namespace that is not there/,
    ],
    ["{apiVersion: v1, kind: Node, metadata: {name: n, namespace: shop}}", /^object-invalid: Node "n" belongs to no/],
  ])("%s", async (text, expected) => {
    expect(await refused(SELF_HOSTED, text)).toMatch(expected);
  });

  test("amounts as numbers, the plain texts of a Secret, and an object with its namespace", async () => {
    const texts = [
      pod("0.5"),
      "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: YQ==, b: YQ==}, stringData: {b: new}}",
      map("{name: a, namespace: made}"),
      "{apiVersion: v1, kind: Namespace, metadata: {name: made}}",
    ];
    const { output } = await edit(SELF_HOSTED, { set: [yaml(texts.join("\n---\n"))] });
    const limits = { spec: { containers: [{ resources: { limits: { cpu: "0.5" } } }] } };
    expect(await objectIn(output, "pods", "shop/p")).toMatchObject(limits);
    const secret = await objectIn(output, "secrets", "shop/s");
    expect(secret).toMatchObject({ data: { a: "YQ==", b: "bmV3" } });
    expect(secret).not.toHaveProperty("stringData");
    expect(await objectIn(output, "configmaps", "made/a")).toBeDefined();
  });

  test("a kind of which some objects are encrypted, and not the first: nothing of it is written without the keys", async () => {
    const text = "{apiVersion: v1, kind: Secret, metadata: {name: new}, stringData: {a: b}}";
    expect(await refused(ENCRYPTED, text, "enc")).toMatch(/^encryption-key-missing: "secrets\/enc\/new"/);
    const config = { encryptionConfig: KEYS };
    const { edits, findings } = await edit(ENCRYPTED, { set: [yaml(text)], namespace: "enc" }, config);
    expect(edits[0]).toMatchObject({ name: "secrets/enc/new", encryption: "aescbc key2-2026.11" });
    expect(findings.map(({ code }) => code)).not.toContain("object-encrypted");
  });
});

describe("what would be left over goes along", () => {
  test("all that is in a namespace, and all objects of a definition", async () => {
    const removed = async (word: string) =>
      (await edit(SELF_HOSTED, { remove: [word] }, { isDryRun: true })).edits.map(({ name }) => name);
    const ofNamespace = await removed("namespace/shop");
    expect(ofNamespace).toEqual(
      expect.arrayContaining(["namespaces/shop", "deployments/shop/web", "example.org/backups/shop/nightly"]),
    );
    expect(ofNamespace.filter((name) => !name.includes("/shop"))).toEqual([]);
    expect(await removed("crd/backups.example.org")).toEqual([
      "apiextensions.k8s.io/customresourcedefinitions/backups.example.org",
      "example.org/backups/shop/nightly",
    ]);
  });

  test("objects of a definition that is gone are chosen by their plural and group", async () => {
    const orphan = {
      apiVersion: "example.org/v1",
      kind: "Backup",
      metadata: { name: "nightly", namespace: "default" },
    };
    const bare = join(directory, "bare.db");
    const entry = ["/registry/example.org/backups/default/nightly", JSON.stringify(orphan)] as const;
    writeFileSync(bare, madeSnapshot([...clusterEntries([]), entry]));
    const namespace = "default";
    const removed = await edit(bare, { remove: ["backups.example.org/nightly"], namespace });
    expect(removed.edits.map(({ name }) => name)).toEqual(["example.org/backups/default/nightly"]);
    // Nor is one put where nobody could reach it.
    writeFileSync(bare, madeSnapshot(clusterEntries([])));
    const from = [SELF_HOSTED, "backup.example.org/nightly"];
    await expect(edit(bare, { from }, { isDryRun: true })).rejects.toMatchObject({ code: "kind-unknown" });
  });
});
