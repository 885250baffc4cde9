import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { faultyFileSystem } from "../../../test/faulty-file-system.ts";
import type { RuntimePod } from "../../checkpoint/observe.ts";
import { ManifestProtector, type ManifestProtectorOptions } from "./manifest-protector.ts";

const KEY = Buffer.alloc(32, 3);
let directory: string;
let manifests: string;
let clock: number;
const reported: string[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-protect-"));
  manifests = join(directory, "manifests");
  clock = 0;
  reported.length = 0;
  for (const name of ["manifests", "pki/etcd"]) mkdirSync(join(directory, name), { recursive: true });
  writeFileSync(at("pki/apiserver.key"), "-----BEGIN KEY-----\nsecret\n-----END KEY-----\n", { mode: 0o600 });
  writeFileSync(at("pki/etcd/ca.crt"), "-----BEGIN CERTIFICATE-----\n");
  writeFileSync(at("scheduler.conf"), "kind: Config\n", { mode: 0o640 });
  chmodSync(at("scheduler.conf"), 0o640);
  writeManifest();
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const at = (path: string) => join(directory, path);
const MANIFEST = "manifests/kube-apiserver.yaml";

function writeManifest(image = "good"): void {
  const volumes = [at("pki"), at("scheduler.conf"), "/etc/ssl/certs"].map((path, i) => ({
    name: `v${i}`,
    hostPath: { path },
  }));
  const containers = [{ name: "kube-apiserver", image }];
  const metadata = { name: "kube-apiserver", namespace: "kube-system" };
  writeFileSync(
    at(MANIFEST),
    JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata, spec: { containers, volumes } }),
  );
}

function protectorOf(options: Partial<ManifestProtectorOptions> = {}): ManifestProtector {
  return new ManifestProtector({
    directory,
    manifests,
    nodeName: "Master-1",
    key: undefined,
    mends: true,
    patience: { damaged: 10_000, gone: 300_000 },
    healthyAfterMs: 30_000,
    generations: 3,
    now: () => Date.parse("2026-11-21T12:00:00Z") + clock,
    report: (_, text) => reported.push(text),
    ...options,
  });
}

/** The static pod has run since `since`. */
function running(since: number): RuntimePod[] {
  const annotations = { "kubernetes.io/config.source": "file" };
  const containers = [{ id: "1", name: "kube-apiserver", attempt: 0, running: true }];
  const pod = { namespace: "kube-system", name: "kube-apiserver-master-1", uid: "u", ready: true, labels: {} };
  return since > clock ? [] : [{ ...pod, annotations, containers }];
}

/** Looks at that time, in seconds. */
async function look(protector: ManifestProtector, seconds: number, since = 0): Promise<readonly string[]> {
  clock = seconds * 1000;
  await protector.look({ clock, runtime: running(since), runningFor: () => clock - since });
  return protector.findings.map(({ code, text }) => `${code}: ${text.replaceAll(directory, "")}`);
}

/** A protector that has copied what is there. */
async function copied(options: Partial<ManifestProtectorOptions> = {}): Promise<ManifestProtector> {
  const protector = protectorOf(options);
  expect(await look(protector, 0)).toEqual([]);
  expect(await look(protector, 30)).toEqual([]);
  expect(reported).toEqual(["copied a manifest"]);
  return protector;
}

test("copies a manifest with what it mounts of the directory, when it has run well for a while", async () => {
  const protector = protectorOf();
  await look(protector, 0);
  await look(protector, 6); // before that it may be one that ends at once
  expect(protector.nextAt).toBe(30_000);
  await look(protector, 29);
  expect(existsSync(at("protected-manifests"))).toBe(false);
  await look(protector, 30);
  const folder = at("protected-manifests/kube-apiserver.yaml");
  expect(readdirSync(folder)).toEqual(["000001.copy"]);
  for (const [path, mode] of [
    [folder, 0o700],
    [join(folder, "000001.copy"), 0o600],
  ] as const) {
    expect(statSync(path).mode & 0o777).toBe(mode);
  }
  const text = readFileSync(join(folder, "000001.copy"), "utf8");
  for (const path of [MANIFEST, "pki/apiserver.key", "pki/etcd/ca.crt", "scheduler.conf"])
    expect(text).toContain(at(path));
  expect(text).not.toContain("/etc/ssl/certs/");
  await look(protector, 60); // nothing new
  expect(readdirSync(folder)).toHaveLength(1);
});

test("puts back a manifest that is gone, after a while, and a file that is cut off, soon; with mode and content", async () => {
  const protector = await copied();
  rmSync(at(MANIFEST));
  expect(await look(protector, 100)).toEqual([
    `manifest-missing: "/${MANIFEST}" is gone: it will be put back at 2026-11-21T12:06:40Z`,
  ]);
  expect(protector.nextAt).toBe(400_000);
  await look(protector, 399);
  expect(existsSync(at(MANIFEST))).toBe(false);
  expect(await look(protector, 400)).toEqual([]);
  expect(JSON.parse(readFileSync(at(MANIFEST), "utf8")).spec.containers[0].image).toBe("good");

  truncateSync(at("scheduler.conf"), 4);
  await look(protector, 500);
  await look(protector, 510);
  expect(readFileSync(at("scheduler.conf"), "utf8")).toBe("kind: Config\n");
  expect(statSync(at("scheduler.conf")).mode & 0o777).toBe(0o640);
  expect(readFileSync(at("protected-manifests/kube-apiserver.yaml/scheduler.conf.replaced"), "utf8")).toBe("kind");
  expect(reported).toEqual(["copied a manifest", "put back", "put back"]);
});

test("without being told to mend it says what is missing, and does nothing", async () => {
  const protector = await copied({ mends: false });
  rmSync(at(MANIFEST));
  for (const time of [100, 1000]) {
    expect(await look(protector, time)).toEqual([`manifest-missing: "/${MANIFEST}" is gone`]);
  }
  expect(existsSync(at(MANIFEST))).toBe(false);
});

test("leaves alone what a person moved aside, and a node that was reset", async () => {
  const protector = await copied();
  mkdirSync(at("off"));
  renameSync(at(MANIFEST), at("off/kube-apiserver.yaml"));
  expect(await look(protector, 100)).toEqual([
    `manifest-missing: "/${MANIFEST}" was moved to "/off/kube-apiserver.yaml"`,
  ]);
  await look(protector, 9999);
  expect(existsSync(at(MANIFEST))).toBe(false);
  for (const path of ["off", "pki", "scheduler.conf"]) rmSync(at(path), { recursive: true });
  expect((await look(protector, 20_000))[0]).toContain("the node was reset");
});

test("a new manifest is copied when it runs well, and one that does not never replaces the copy", async () => {
  const protector = await copied();
  writeManifest("bad");
  for (let time = 100; time < 300; time += 10) await look(protector, time, time * 1000 - 3000); // it crashes and starts again
  expect(reported).toHaveLength(1);
  rmSync(at(MANIFEST));
  await look(protector, 300);
  await look(protector, 600);
  expect(readFileSync(at(MANIFEST), "utf8")).toContain("good");
  writeManifest("better");
  for (let time = 700; time <= 740; time += 10) await look(protector, time, 700_000);
  expect(reported).toEqual(["copied a manifest", "put back", "copied a manifest"]);
  expect(await look(protectorOf(), 800)).toEqual([]); // an agent that restarts knows it
});

test("keeps so many generations; a damaged one is set aside and the one before it used", async () => {
  const protector = await copied({ generations: 2 });
  for (const [i, image] of ["b", "c"].entries()) {
    writeManifest(image);
    for (const time of [100, 130]) await look(protector, time + i * 100, (100 + i * 100) * 1000);
  }
  const folder = at("protected-manifests/kube-apiserver.yaml");
  expect(readdirSync(folder)).toEqual(["000002.copy", "000003.copy"]);
  truncateSync(join(folder, "000003.copy"), 1000);
  rmSync(at(MANIFEST));
  const next = protectorOf();
  expect(await look(next, 1000)).toMatchObject([expect.stringContaining("manifest-copy-damaged"), expect.anything()]);
  expect(readdirSync(folder)).toEqual(["000002.copy", "000003.copy.damaged"]);
  await look(next, 1300);
  expect(readFileSync(at(MANIFEST), "utf8")).toContain('"image":"b"');
});

test("copies that are encrypted show nothing, and do nothing without their key", async () => {
  await copied({ key: KEY });
  const text = readFileSync(at("protected-manifests/kube-apiserver.yaml/000001.copy"), "latin1");
  for (const word of ["kube-apiserver", "secret", Buffer.from("secret").toString("base64")])
    expect(text).not.toContain(word);
  rmSync(at(MANIFEST));
  const locked = protectorOf();
  expect(await look(locked, 1000)).toEqual(["manifest-copy-locked: it is encrypted with a key that was not given"]);
  const protector = protectorOf({ key: KEY });
  await look(protector, 1000);
  await look(protector, 1300);
  expect(existsSync(at(MANIFEST))).toBe(true);
});

test("a manifest whose copies a person removed is not put back", async () => {
  const protector = await copied();
  rmSync(at(MANIFEST));
  await look(protector, 100);
  rmSync(at("protected-manifests/kube-apiserver.yaml"), { recursive: true });
  expect(await look(protector, 1000)).toEqual([]);
  expect(existsSync(at(MANIFEST))).toBe(false);
});

test("checkpoints, and manifests that never ran here, are not copied", async () => {
  const checkpoint = { "checkpointer.alpha.coreos.com/checkpoint-of": "web" };
  const pod = JSON.parse(readFileSync(at(MANIFEST), "utf8"));
  writeFileSync(at(MANIFEST), JSON.stringify({ ...pod, metadata: { ...pod.metadata, annotations: checkpoint } }));
  writeFileSync(at("manifests/broken.yaml"), "kind: Po");
  const protector = protectorOf();
  for (const time of [0, 30, 60]) {
    expect(await look(protector, time)).toEqual([
      "manifest-damaged: it is no pod that a kubelet can run, and there is no copy of it",
    ]);
  }
  expect(existsSync(at("protected-manifests"))).toBe(false);
});

test("a crash at any write leaves the old file or the new one, and the next agent continues", async () => {
  await copied();
  for (let step = 1; ; step++) {
    truncateSync(at("scheduler.conf"), 3);
    rmSync(at(MANIFEST), { force: true });
    const fileSystem = faultyFileSystem("crash", step);
    const protector = protectorOf({ fileSystem });
    await look(protector, 1000);
    const crashed = await look(protector, 1300).then(
      () => false,
      () => true,
    );
    for (const [path, most] of [
      [MANIFEST, "good"],
      ["scheduler.conf", "Config"],
    ] as const) {
      if (existsSync(at(path)))
        expect(["kin", most].some((text) => readFileSync(at(path), "utf8").includes(text))).toBe(true);
    }
    const next = protectorOf();
    await look(next, 2000);
    await look(next, 2300);
    expect(readFileSync(at("scheduler.conf"), "utf8")).toBe("kind: Config\n");
    expect(readFileSync(at(MANIFEST), "utf8")).toContain("good");
    if (!crashed) break;
  }
});

test("what is too large to be a certificate is not copied, and reported", async () => {
  writeFileSync(at("pki/data"), Buffer.alloc(9 << 20));
  const protector = protectorOf();
  expect((await look(protector, 30))[0]).toContain("makes more than can be copied");
});
