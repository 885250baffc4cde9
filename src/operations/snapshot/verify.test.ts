import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { withHash } from "../../../test/damage/sample-snapshot.ts";
import { madeSnapshot } from "../../../test/made-snapshot.ts";
import { createBoltWriter } from "../../bolt/writer.ts";
import type { ProcessHost } from "../../cli/host.ts";
import { run } from "../../cli/run.ts";
import { encodeKeyValue } from "../../mvcc/key-value.ts";
import { encodeRevision } from "../../mvcc/revision.ts";
import { verifySnapshot } from "./verify.ts";

const FIXTURE = join(import.meta.dirname, "../../../test/fixtures/selfhosted-k120/snapshot.db.gz");
const directory = mkdtempSync(join(tmpdir(), "kubemend-verify-"));
afterAll(() => rmSync(directory, { recursive: true }));

const sink = { isTTY: false, columns: undefined, write: async () => {} };
const host: ProcessHost = {
  stdout: sink,
  stderr: sink,
  env: {},
  cwd: directory,
  now: () => 0,
  signal: new AbortController().signal,
};

test("a restored database is good, also where its revision was raised", async () => {
  for (const flags of [[], ["--bump-revision", "1000000", "--mark-compacted"], ["--compact"]]) {
    const dataDir = join(directory, `data${flags.join("")}`);
    expect(await run(["snapshot", "restore", FIXTURE, "--data-dir", dataDir, ...flags], host)).toBe(0);
    const verdict = await verifySnapshot(join(dataDir, "member/snap/db"));
    expect(verdict.findings.filter((finding) => finding.level === "error")).toEqual([]);
    expect(verdict.revision).toBe(flags.includes("--bump-revision") ? 1_002_382 : 2382);
  }
});

test("what no API server can read where it keeps its own kinds is a warning; what others keep elsewhere is none", async () => {
  const snapshot = join(directory, "sealed.db");
  const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", namespace: "default" } };
  const entries: [string, string][] = [
    ["/registry/configmaps/default/a", JSON.stringify(map)],
    ["/registry/secrets/default/sealed", "no object"],
    ["/registry/services/specs/default/web", "[]"],
    ["/registry/health", "x"],
    ["/other/program", "x"],
  ];
  writeFileSync(snapshot, madeSnapshot(entries));
  const verdict = await verifySnapshot(snapshot);
  expect(verdict).toMatchObject({ ok: true, objects: 1, opaque: 4 });
  const found = verdict.findings.filter(({ code }) => code === "object-unreadable");
  expect(found.map(({ level, where }) => [level, where.split(" · ").at(-1)])).toEqual([
    ["warning", "/registry/secrets/default/sealed"],
    ["warning", "/registry/services/specs/default/web"],
  ]);
  expect(found[0]!.text).toBe("no API server can read it among secrets: not a Kubernetes object (9 bytes)");
});

test("what verify finds stops a restore, unless the flag that names it is given", async () => {
  const snapshot = join(directory, "unreadable.db");
  const bytes = new TextEncoder();
  const parts: { bytes: Uint8Array; at: number }[] = [];
  const writer = createBoltWriter({ write: (part, at) => void parts.push({ bytes: part.slice(), at }) });
  writer.openBucket(bytes.encode("key"));
  const key = bytes.encode("/registry/pods/shop/web");
  // The envelope says that a pod follows; what follows is cut off.
  const value = Buffer.concat([
    Buffer.from("k8s\0"),
    Buffer.from([0x0a, 9, 0x0a, 2]),
    bytes.encode("v1"),
    Buffer.from([0x12, 3]),
    bytes.encode("Pod"),
    Buffer.from([0x12, 2, 0x0a, 99]),
  ]);
  const versions = { createRevision: 2, modRevision: 2, version: 1, lease: 0n };
  writer.put(encodeRevision({ main: 2, sub: 0, tombstone: false }), encodeKeyValue({ ...versions, key, value }));
  writer.closeBucket();
  writer.openBucket(bytes.encode("meta"));
  writer.closeBucket();
  const database = new Uint8Array(writer.finish());
  for (const part of parts) database.set(part.bytes, part.at);
  writeFileSync(snapshot, withHash(database));
  const restore = (name: string, ...flags: string[]): Promise<number> =>
    run(["snapshot", "restore", snapshot, "--data-dir", join(directory, name), ...flags], host);
  expect(await restore("refused")).toBe(1);
  expect(existsSync(join(directory, "refused"))).toBe(false);
  expect(await restore("allowed", "--allow", "object-unreadable")).toBe(0);
  expect(await restore("unchecked", "--skip-object-check")).toBe(0);
});
