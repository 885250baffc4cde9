/** Bundles of a real backup: what is in them, who may read them, and what is said of a damaged one. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateIdentity, identityToRecipient } from "age-encryption";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bundleCluster } from "./bundle-cluster.ts";
import { openBundle } from "./bundle-file.ts";

const SNAPSHOT = join(import.meta.dirname, "../../../test/fixtures/kubeadm-ha-k136/snapshot.db.gz");
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-bundle-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const options = () => ({
  without: [],
  acceptNewAuthority: false,
  directory: join(directory, "out"),
  recipients: [] as string[],
  now: () => Date.UTC(2026, 10, 29, 10, 42, 17),
  certificateKey: "0123456789abcdef".repeat(4),
});

async function sizeOf(snapshot: AsyncIterable<Uint8Array>): Promise<number> {
  let size = 0;
  for await (const chunk of snapshot) size += chunk.length;
  return size;
}

test("one file a node, with one token and one secret for all, for its owner's eyes alone", async () => {
  const { plan, bundles } = await bundleCluster(SNAPSHOT, options());
  expect(bundles.map(({ node }) => node)).toEqual(["m1", "m2", "m3"]);
  const opened = await Promise.all(bundles.map(({ path }) => openBundle(path, undefined)));
  for (const [at, { head, snapshot }] of opened.entries()) {
    expect(statSync(bundles[at]!.path).mode & 0o777).toBe(0o600);
    expect([head.plan.token, head.secret]).toEqual([plan.token, opened[0]!.head.secret]);
    expect(await sizeOf(snapshot)).toBe(head.size);
    expect(Object.keys(head.spare)).toContain("etcd.yaml");
    expect(head.spare["etcd.yaml"]).toContain(`--name=${head.node}`);
    expect(head.files.map(({ from, file }) => `${from} ${file.path}`)).toContain(
      "kubeadm-certs /etc/kubernetes/pki/etcd/ca.key",
    );
  }
  // Nobody was asked how far clients have seen.
  expect(plan.bumpRevision).toBeGreaterThan(1_000_000_000);
  await expect(bundleCluster(SNAPSHOT, { ...options(), without: ["m9"] })).rejects.toMatchObject({ code: "usage" });
});

test("encrypted for a recipient, nothing of it can be read without the identity", async () => {
  const identity = await generateIdentity();
  const recipients = [await identityToRecipient(identity)];
  const { bundles } = await bundleCluster(SNAPSHOT, { ...options(), recipients });
  const { path } = bundles[0]!;
  expect(readFileSync(path).includes("PRIVATE KEY")).toBe(false);
  expect(readFileSync(path).includes("kubemend-bundle")).toBe(false);
  await expect(openBundle(path, undefined)).rejects.toMatchObject({ code: "identity-missing" });
  const file = join(directory, "identity");
  writeFileSync(file, `${identity}\n`, { mode: 0o600 });
  const { head, snapshot } = await openBundle(path, file);
  expect([head.node, await sizeOf(snapshot)]).toEqual(["m1", head.size]);
});

test.each<[string, (bytes: Buffer) => Buffer, string]>([
  ["another file", () => Buffer.from("hello\nworld\n"), "it is no bundle of kubemend's"],
  ["an empty one", () => Buffer.alloc(0), "it is no bundle of kubemend's"],
  ["one that was changed", (bytes) => changed(bytes), "it was damaged"],
  ["one that is cut off", (bytes) => bytes.subarray(0, 200), "it is no bundle of kubemend's"],
  [
    "one of a later version",
    (bytes) => later(bytes),
    "it is kubemend-bundle 2, and this kubemend reads kubemend-bundle 1",
  ],
])("%s", async (_, change, why) => {
  const { bundles } = await bundleCluster(SNAPSHOT, options());
  const file = join(directory, "changed");
  writeFileSync(file, change(readFileSync(bundles[0]!.path)));
  await expect(openBundle(file, undefined)).rejects.toMatchObject({
    code: "config-invalid",
    message: `"${file}": ${why}`,
  });
});

function changed(bytes: Buffer): Buffer {
  const at = bytes.indexOf("kubemend-restore");
  bytes[at] = 0x4b;
  return bytes;
}

function later(bytes: Buffer): Buffer {
  bytes.write("2", "kubemend-bundle ".length);
  return bytes;
}
