import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { faultyFileSystem } from "../../../test/faulty-file-system.ts";
import type { DataDirectory, Generation } from "../../checkpoint/checkpoint.ts";
import { dataDirectory, placesIn } from "../../checkpoint/data-directory.ts";
import { numbered } from "../../checkpoint/generation.ts";
import { sanitize } from "../../checkpoint/sanitize.ts";
import { MendError } from "../../errors/errors.ts";
import type { DataObject } from "../../kube/data-object.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { FileSystem } from "../files/durable/file-system.ts";
import { CheckpointStore } from "./checkpoint-store.ts";
import { readDataDirectory } from "./data-directory.ts";

const ID = "kube-system/DaemonSet/web";
let directory: string;
const places = () => placesIn(directory);

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-checkpoints-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A copy of a pod whose secret has that text. */
function copyOf(
  number: number,
  secret: string,
  pod = "web-a",
  owner = "web",
  volume: object = { name: "keys", secret: { secretName: "keys" } },
): { generation: Generation; files: readonly DataDirectory[] } {
  const parent = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: pod,
      namespace: "kube-system",
      uid: `uid-${pod}`,
      ownerReferences: [{ apiVersion: "apps/v1", kind: "DaemonSet", name: owner, uid: "ds", controller: true }],
    },
    spec: {
      securityContext: { runAsUser: process.getuid?.() ?? 0, fsGroup: process.getgid?.() ?? 0 },
      containers: [{ name: "web", image: "web" }],
      volumes: [volume],
    },
  } as unknown as KubeObject;
  const data: DataObject = {
    kind: "Secret",
    namespace: "kube-system",
    name: "keys",
    data: new Map([["key", Buffer.from(secret)]]),
  };
  const draft = sanitize({ parent, places: places(), data: () => data, token: () => undefined, note: () => {} });
  const generation = numbered(draft.manifest, { number, saved: "2026-01-01T00:00:00Z", proven: true });
  return { generation, files: draft.directories };
}

async function save(store: CheckpointStore, number: number, secret: string, pod?: string): Promise<Generation> {
  const { generation, files } = copyOf(number, secret, pod);
  await store.save(generation, files);
  return generation;
}

function opened(fileSystem?: FileSystem): CheckpointStore {
  const store = new CheckpointStore(places(), fileSystem);
  store.open();
  return store;
}

const numbersIn = (store: CheckpointStore) => (store.load().generations.get(ID) ?? []).map(({ number }) => number);

/** Everything below the directory, with modes. */
function everything(): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => `${(statSync(path).mode & 0o777).toString(8)} ${path.slice(directory.length + 1)}`)
    .sort();
}

test("the newest copy is where the original had it, its secrets beneath the secret's name, and nobody else may read them", async () => {
  const store = opened();
  const { data } = await save(store, 1, "one");
  const hash = data[0]!.split("/").at(-1);
  expect(everything()).toEqual([
    "600 inactive-manifests/kube-system-web-a.json",
    `640 checkpoint-secrets/kube-system/web-a/keys/${hash}/key`,
    "700 checkpoint-configmaps",
    "700 checkpoint-secrets",
    "700 checkpoint-secrets/kube-system",
    "700 checkpoint-secrets/kube-system/web-a",
    "700 checkpoint-secrets/kube-system/web-a/keys",
    "700 inactive-manifests",
    `750 checkpoint-secrets/kube-system/web-a/keys/${hash}`,
    "755 manifests",
  ]);
});

test("earlier copies are kept with their secrets, under any name of the pod, until they are too many", async () => {
  const store = opened();
  await save(store, 1, "one");
  await save(store, 2, "two");
  await save(store, 3, "three", "web-b");
  expect(numbersIn(store)).toEqual([3, 2, 1]);
  const { generations } = store.load();
  store.keep(ID, generations.get(ID)!.slice(0, 2));
  store.clear();
  expect(numbersIn(store)).toEqual([3, 2]);
  const secrets = everything().filter((line) => line.endsWith("/key"));
  expect(secrets).toHaveLength(2);
});

test("what runs is a file of the kubelet's directory; a removed checkpoint leaves nothing", async () => {
  const store = opened();
  const first = await save(store, 1, "one");
  await save(store, 2, "two", "web-b");
  writeFileSync(join(places().active, "other.yaml"), "kind: Pod\n");
  writeFileSync(join(places().active, "other.json"), '{"kind":"Pod","metadata":{"name":"other"},"spec":{}}\n');
  await store.start(first);
  expect(store.load().active).toMatchObject([{ id: ID, pod: "kube-system/web-a", fingerprint: first.fingerprint }]);
  for (const isSelf of [false, true]) {
    store.remove(ID, isSelf);
    expect(everything()).toEqual(
      [
        "700 checkpoint-configmaps",
        "700 checkpoint-secrets",
        "700 inactive-manifests",
        "700 inactive-manifests/.generations",
        "644 manifests/other.json",
        "644 manifests/other.yaml",
        "755 manifests",
      ].sort(),
    );
    if (!isSelf) await store.start(await save(store, 1, "one"));
  }
});

test("the agent's own checkpoint, which mounts all of the directory, does not keep what a removed one had", async () => {
  const store = opened();
  const own = copyOf(1, "own", "agent-a", "agent", { name: "etc-kubernetes", hostPath: { path: directory } });
  await store.save(own.generation, own.files);
  await save(store, 1, "one");
  expect(everything().filter((line) => line.includes("checkpoint-secrets/"))).not.toEqual([]);
  store.remove(ID, false);
  expect(everything().filter((line) => line.includes("checkpoint-secrets/"))).toEqual([]);
});

describe("a damaged file is set aside, and the generation before it is the newest", () => {
  const manifest = () => join(places().inactive, "kube-system-web-a.json");
  const damages: readonly (readonly [string, () => void])[] = [
    ["truncated", () => truncateSync(manifest(), 100)],
    ["empty", () => truncateSync(manifest(), 0)],
    ["changed", () => writeFileSync(manifest(), readFileSync(manifest(), "utf8").replace('"web"', '"wep"'))],
    ["not text", () => writeFileSync(manifest(), Buffer.from([0xff, 0xfe, 0x00]))],
    ["another kind", () => writeFileSync(manifest(), '{"kind":"Secret"}')],
  ];
  test.each(damages)("%s", async (_, damage) => {
    const store = opened();
    await save(store, 1, "one");
    await save(store, 2, "two");
    damage();
    const { generations, findings } = store.load();
    expect(generations.get(ID)!.map(({ number }) => number)).toEqual([1]);
    expect(findings).toMatchObject([{ level: "error", code: "checkpoint-damaged", where: manifest() }]);
    expect(everything().some((line) => line.includes(".damaged/kube-system-web-a.json."))).toBe(true);
    expect(store.load().findings).toEqual([]); // told once: it is not there any more
  });

  const secret = (generation: Generation) => join(generation.data[0]!, "key");
  const secretDamages: readonly (readonly [string, (generation: Generation) => void])[] = [
    ["a secret changed", (generation) => writeFileSync(secret(generation), "other")],
    ["a secret is gone", (generation) => rmSync(secret(generation))],
    ["a secret's mode changed", (generation) => chmodSync(secret(generation), 0o644)],
    ["all secrets are gone", () => rmSync(places().secrets, { recursive: true })],
  ];
  test.each(secretDamages)("%s", async (_, damage) => {
    const store = opened();
    const generation = await save(store, 1, "one");
    damage(generation);
    const { generations, findings } = store.load();
    expect(generations.get(ID)).toBeUndefined();
    expect(findings).toMatchObject([{ level: "error", code: "checkpoint-incomplete" }]);
    store.clear();
    await save(store, 2, "one");
    expect(numbersIn(store)[0]).toBe(2);
  });
});

test("what the original left is taken as the oldest generation, while its secrets are there", () => {
  const store = opened();
  const secrets = join(places().secrets, "kube-system/kube-apiserver/kube-apiserver");
  const manifest = {
    kind: "Pod",
    apiVersion: "v1",
    metadata: {
      name: "kube-apiserver",
      namespace: "kube-system",
      annotations: { "checkpointer.alpha.coreos.com/checkpoint-of": "kube-apiserver" },
      ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: "kube-apiserver", uid: "u", controller: true }],
    },
    spec: { containers: [{ name: "a", image: "b" }], volumes: [{ name: "s", hostPath: { path: secrets } }] },
  };
  writeFileSync(join(places().inactive, "kube-system-kube-apiserver.json"), JSON.stringify(manifest));
  expect(store.load().findings).toMatchObject([{ code: "checkpoint-incomplete" }]);
  mkdirSync(secrets, { recursive: true, mode: 0o700 });
  writeFileSync(join(secrets, "ca.crt"), "ca");
  store.clear();
  expect(store.load().generations.get("kube-system/Pod/kube-apiserver")).toMatchObject([{ number: 0, proven: true }]);
});

test("directories that somebody removed meanwhile are made again", async () => {
  const store = opened();
  rmSync(directory, { recursive: true });
  const generation = await save(store, 1, "one");
  await store.start(generation);
  expect(store.load()).toMatchObject({ active: [{ id: ID }], findings: [] });
  expect(numbersIn(store)).toEqual([1]);
});

test("a token is brought up to date where it is, and is no other generation", async () => {
  const store = opened();
  const { generation, files } = copyOf(1, "one");
  const [directoryOfKeys] = files;
  const token = (text: string): DataDirectory => ({
    ...directoryOfKeys!,
    path: directoryOfKeys!.path,
    files: [...directoryOfKeys!.files, { path: "token", mode: 0o600, bytes: Buffer.from(text), volatile: true }],
  });
  const parent = directoryOfKeys!.path.slice(0, directoryOfKeys!.path.lastIndexOf("/"));
  const [first, second] = ["a", "bb"].map((text) => dataDirectory(parent, token(text)));
  expect(first!.path).toBe(second!.path);
  await store.save(generation, [directoryOfKeys!, first!]);
  expect(await store.renew([first!])).toBe(false);
  expect(await store.renew([second!])).toBe(true);
  expect(readFileSync(join(first!.path, "token"), "utf8")).toBe("bb");
  expect(readDataDirectory(first!.path)).toBeUndefined();
  expect(store.load().findings).toEqual([]);
});

/** Whatever happened to the writer: what is on disk is whole, and of one of the two states. */
async function expectWhole(allowed: readonly (readonly number[])[]): Promise<void> {
  const store = opened();
  const { findings } = store.load();
  expect(findings).toEqual([]);
  expect(allowed).toContainEqual(numbersIn(store));
  store.clear();
  expect(numbersIn(store)).toEqual(numbersIn(store));
  expect(everything().filter((line) => /partial|damaged/.test(line))).toEqual([]);
  const open = everything().filter((line) => line.includes("secrets") && /^\d\d[1-7] /.test(line));
  expect(open).toEqual([]);
}

describe.each(["crash", "fail"] as const)("a %s at every operation", (kind) => {
  test("of saving another generation leaves the one that was, or both", async () => {
    for (let at = 1; ; at++) {
      rmSync(directory, { recursive: true, force: true });
      await save(opened(), 1, "one");
      const fs = faultyFileSystem(kind, at);
      const { generation, files } = copyOf(2, "two", at % 2 === 0 ? "web-a" : "web-b");
      const failed = await new CheckpointStore(places(), fs).save(generation, files).then(
        () => false,
        () => true,
      );
      if (!failed && fs.operations() < at) break;
      await expectWhole([[1], [2, 1]]);
    }
  });

  test("of starting leaves it running or not", async () => {
    for (let at = 1; ; at++) {
      rmSync(directory, { recursive: true, force: true });
      const generation = await save(opened(), 1, "one");
      const fs = faultyFileSystem(kind, at);
      const failed = await new CheckpointStore(places(), fs).start(generation).then(
        () => false,
        () => true,
      );
      if (!failed && fs.operations() < at) break;
      await expectWhole([[1]]);
      const { active } = opened().load();
      expect(active.length).toBeLessThanOrEqual(1);
      await opened().start(generation);
      expect(opened().load().active).toHaveLength(1);
    }
  });

  test("of removing can be gone on from, and nothing is left in the end", async () => {
    for (const isSelf of [false, true]) {
      for (let at = 1; ; at++) {
        rmSync(directory, { recursive: true, force: true });
        const store = opened();
        await save(store, 1, "one");
        const second = await save(store, 2, "two");
        await store.start(second);
        const fs = faultyFileSystem(kind, at);
        try {
          new CheckpointStore(places(), fs).remove(ID, isSelf);
          if (fs.operations() < at) break;
        } catch {
          // as it was made to
        }
        const next = opened();
        next.load();
        next.remove(ID, isSelf);
        expect(everything().filter((line) => /web-a|\/key/.test(line))).toEqual([]);
      }
    }
  });
});

test("on a full disk a copy gets a second name where the kubelet looks, and a new generation leaves the old ones", async () => {
  const store = opened();
  const generation = await save(store, 1, "one");
  const full = faultyFileSystem("fail", 0);
  const noSpace = (): never => {
    throw new MendError("no-space", "no space left on the device");
  };
  const disk: FileSystem = { ...full, create: noSpace };
  await new CheckpointStore(places(), disk).start(generation);
  expect(opened().load().active).toMatchObject([{ fingerprint: generation.fingerprint }]);
  const { generation: next, files } = copyOf(2, "two");
  await expect(new CheckpointStore(places(), disk).save(next, files)).rejects.toMatchObject({ code: "no-space" });
  await expectWhole([[1]]);
});
