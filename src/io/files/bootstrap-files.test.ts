import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { BootstrapManifest } from "../../bootstrap/start-plan.ts";
import {
  type BootstrapPlaces,
  checkPlaces,
  findLeftover,
  placeFiles,
  removeManifests,
  removeSecrets,
} from "./bootstrap-files.ts";
import { realFileSystem } from "./durable/file-system.ts";

let root: string;
let places: BootstrapPlaces;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "bootstrap-files-"));
  places = { secretsDir: join(root, "bootstrap-secrets"), podManifestPath: join(root, "manifests") };
  mkdirSync(places.podManifestPath);
});
afterEach(() => rmSync(root, { recursive: true }));

const bytes = (text: string) => new TextEncoder().encode(text);
const SECRETS = [{ path: "secrets/a/key", bytes: bytes("secret"), isExecutable: false }];
const pod = (name: string, text: string) =>
  ({
    fileName: `${name}.yaml`,
    bytes: bytes(text),
    component: undefined,
    port: undefined,
  }) as unknown as BootstrapManifest;
const PODS = [pod("one", "1"), pod("two", "2")];
const manifests = () => readdirSync(places.podManifestPath).sort();

test("secrets that were half removed are still known as ours", async () => {
  const { remove } = realFileSystem;
  for (let at = 0; at < 2; at++) {
    await placeFiles(places, SECRETS, PODS);
    await removeManifests(places);
    let left = at;
    vi.spyOn(realFileSystem, "remove").mockImplementation((path) => {
      if (left-- === 0) throw new Error("killed");
      remove(path);
    });
    await expect(removeSecrets(places)).rejects.toThrow("killed");
    vi.restoreAllMocks();
    await placeFiles(places, SECRETS, PODS);
    expect(readFileSync(join(places.secretsDir, "secrets/a/key"), "utf8")).toBe("secret");
  }
});

test("a manifest that has its name already, and its staged name too", async () => {
  await placeFiles(places, SECRETS, PODS);
  linkSync(
    join(places.podManifestPath, "one.yaml"),
    join(places.podManifestPath, ".one.yaml.kubemend-0123456789abcdef"),
  );
  await placeFiles(places, SECRETS, PODS);
  expect(manifests()).toEqual(["one.yaml", "two.yaml"]);
});

test("manifests and secrets that were removed stay removed after a power cut", async () => {
  await placeFiles(places, SECRETS, PODS);
  const seen: string[] = [];
  const { remove, syncDirectory } = realFileSystem;
  vi.spyOn(realFileSystem, "remove").mockImplementation((path) => {
    seen.push(`remove ${path}`);
    remove(path);
  });
  vi.spyOn(realFileSystem, "syncDirectory").mockImplementation((path) => {
    seen.push(`flush ${path}`);
    syncDirectory(path);
  });
  await removeManifests(places);
  expect(seen.at(-1)).toBe(`flush ${places.podManifestPath}`);
  await removeSecrets(places);
  expect(seen.slice(-2)).toEqual([`remove ${places.secretsDir}`, `flush ${root}`]);
  vi.restoreAllMocks();
});

test("secrets are for their owner only, and all goes again", async () => {
  await placeFiles(places, SECRETS, PODS);
  expect(manifests()).toEqual(["one.yaml", "two.yaml"]);
  const mode = (path: string) => statSync(path).mode & 0o777;
  expect(mode(places.secretsDir)).toBe(0o700);
  expect(mode(join(places.secretsDir, "secrets/a"))).toBe(0o700);
  expect(mode(join(places.secretsDir, "secrets/a/key"))).toBe(0o600);
  expect(await removeManifests(places)).toEqual([]);
  await removeSecrets(places);
  expect(manifests()).toEqual([]);
  expect(existsSync(places.secretsDir)).toBe(false);
  expect(await removeManifests(places)).toEqual([]);
  await removeSecrets(places);
});

test("a start that was killed is found, and one from other assets takes its place", async () => {
  await placeFiles(places, SECRETS, PODS);
  expect((await findLeftover(places))?.manifests.map((path) => path.slice(root.length))).toEqual([
    "/manifests/one.yaml",
    "/manifests/two.yaml",
  ]);
  await placeFiles(places, SECRETS, PODS);
  await placeFiles(places, SECRETS, [pod("one", "other"), pod("three", "3")]);
  expect(manifests()).toEqual(["one.yaml", "three.yaml"]);
  expect(readFileSync(join(places.podManifestPath, "one.yaml"), "utf8")).toBe("other");
  await removeManifests(places);
  expect(manifests()).toEqual([]);
});

test("files of others are neither overwritten nor removed", async () => {
  writeFileSync(join(places.podManifestPath, "one.yaml"), "theirs");
  writeFileSync(join(places.podManifestPath, "zero.yaml"), "theirs too");
  await expect(checkPlaces(places, PODS)).rejects.toThrow(/manifests of others are in the way: ".*one.yaml"$/);
  await expect(placeFiles(places, SECRETS, PODS)).rejects.toThrow(/in the way/);
  expect(existsSync(places.secretsDir)).toBe(false);
  expect(manifests()).toEqual(["one.yaml", "zero.yaml"]);
});

test("a manifest that somebody has changed since stays", async () => {
  await placeFiles(places, SECRETS, PODS);
  writeFileSync(join(places.podManifestPath, "one.yaml"), "changed");
  expect(await removeManifests(places)).toEqual([join(places.podManifestPath, "one.yaml")]);
  expect(manifests()).toEqual(["one.yaml"]);
});

test("a secrets directory of somebody else's is left alone", async () => {
  mkdirSync(places.secretsDir);
  writeFileSync(join(places.secretsDir, "ca.crt"), "theirs");
  await expect(findLeftover(places)).rejects.toThrow(/was not made by kubemend/);
  await expect(placeFiles(places, SECRETS, PODS)).rejects.toThrow(/was not made by kubemend/);
  chmodSync(places.secretsDir, 0o700);
  expect(readdirSync(places.secretsDir)).toEqual(["ca.crt"]);
});

test("a manifest directory that is not there is named", async () => {
  rmSync(places.podManifestPath, { recursive: true });
  await expect(checkPlaces(places, PODS)).rejects.toThrow(/no such file or directory/);
});
