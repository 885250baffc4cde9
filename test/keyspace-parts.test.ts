/** What is read of all keys of a snapshot is the same where they are read in parts. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exportLines, exportTree } from "../src/operations/snapshot/export.ts";
import { readSnapshotStats } from "../src/operations/snapshot/stats.ts";
import { readKeyspaceParts } from "../src/snapshot/keyspace-parts.ts";
import { openSnapshot } from "../src/snapshot/open-snapshot.ts";
import { readKeyspace } from "../src/snapshot/read-keyspace.ts";
import { SNAPSHOTS } from "./fixture-values.ts";
import { madeSnapshot } from "./made-snapshot.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-parts-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

const fixture = (name: string): string => join(import.meta.dirname, "fixtures", name, "snapshot.db.gz");

async function linesOf(path: string, types: readonly string[], mostIndexed?: number): Promise<unknown> {
  const lines: Buffer[] = [];
  const limit = mostIndexed === undefined ? {} : { mostIndexed };
  const counts = await exportLines(path, { types, ...limit }, async (text) => void lines.push(Buffer.from(text)));
  return { ...counts, text: Buffer.concat(lines).toString() };
}

test.each(SNAPSHOTS)("%s: stats, and export as lines, of everything and of some types", async (name) => {
  const path = fixture(name);
  const limit = { mostIndexed: 40 };
  expect(await readSnapshotStats(path, { top: 7, ...limit })).toEqual(await readSnapshotStats(path, { top: 7 }));
  for (const types of [[], ["configmaps", "nodes"]]) {
    const whole = await linesOf(path, types);
    expect(await linesOf(path, types, 40)).toEqual(whole);
  }
});

test("the parts follow one another, and none is empty for long", async () => {
  using snapshot = await openSnapshot(fixture("k120-broad"));
  const whole = await readKeyspace(snapshot, {});
  const sizes: number[] = [];
  const keys: string[] = [];
  for await (const { keyspace: part, isWhole } of readKeyspaceParts(snapshot, { mostIndexed: 100 })) {
    expect(part.revision).toBe(whole.revision);
    expect(isWhole).toBe(false);
    sizes.push(part.size);
    for (const key of part.keys()) keys.push(Buffer.from(key).toString());
  }
  expect(keys).toEqual([...whole.keys()].map((key) => Buffer.from(key).toString()));
  expect(sizes.length).toBeGreaterThan(2);
  expect(Math.max(...sizes)).toBeLessThan(200);
});

test("export as files", async () => {
  const path = fixture("k120-broad");
  const [one, two] = [join(directory, "one"), join(directory, "two")];
  const counts = await exportTree(path, one, { types: ["configmaps"] });
  expect(await exportTree(path, two, { types: ["configmaps"], mostIndexed: 10 })).toEqual(counts);
  const filesOf = (root: string) =>
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [file.slice(root.length), readFileSync(file, "utf8")])
      .sort();
  expect(filesOf(one).length).toBeGreaterThan(3);
  expect(filesOf(two)).toEqual(filesOf(one));
});

test("damage is reported once", async () => {
  const path = join(directory, "damaged.db");
  const bytes = madeSnapshot(Array.from({ length: 60 }, (_, i) => [`/registry/x/${i}`, "{}"] as const));
  const at = Buffer.from(bytes).indexOf("/registry/x/33");
  bytes[at - 2] = 0xff; // the tag of the key
  writeFileSync(path, bytes);
  const { findings } = await readSnapshotStats(path, { top: 1, mostIndexed: 10 });
  expect(findings).toEqual((await readSnapshotStats(path, { top: 1 })).findings);
  expect(findings.filter(({ code }) => code === "key-value-invalid")).toHaveLength(1);
});
