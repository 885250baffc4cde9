/** Objects of two snapshots in parts: each in one of them, and the parts follow one another. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { madeSnapshot } from "../../test/made-snapshot.ts";
import { comparePlaces } from "../storage/object-order.ts";
import { objectParts } from "./object-parts.ts";
import { openSnapshot } from "./open-snapshot.ts";
import { mapKeyLeaves, readKeyspace } from "./read-keyspace.ts";

const scope = { resources: [], namespace: undefined };

test("every object is in one part, in the order of names", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-object-parts-"));
  try {
    const keys = ["a-b", "a", "b"].flatMap((namespace) =>
      ["pods", "configmaps"].flatMap((path) =>
        Array.from({ length: 50 }, (_, i) => `/registry/${path}/${namespace}/${i}`),
      ),
    );
    const path = join(directory, "one.db");
    writeFileSync(path, madeSnapshot([...keys, "/elsewhere/1"].map((key) => [key, "{}"])));
    using snapshot = await openSnapshot(path);
    const map = mapKeyLeaves(snapshot);
    const choice = { prefix: "/registry", scope };
    const parts = objectParts([{ bolt: snapshot.bolt, map, choice }], 40);
    expect(parts).toHaveLength(8);
    const found: string[] = [];
    for (const bounds of parts) {
      if (bounds.from && bounds.to) expect(comparePlaces(bounds.from, bounds.to)).toBeLessThan(0);
      const part = await readKeyspace(snapshot, { objects: { ...choice, bounds } }, map);
      expect(part.size).toBeLessThan(60);
      found.push(...[...part.keys()].map((key) => Buffer.from(key).toString()).sort());
    }
    const namespaces = (path: string) => [
      ...new Set(
        found
          .map((key) => key.split("/"))
          .filter((each) => each[2] === path)
          .map((each) => each[3]),
      ),
    ];
    expect([...new Set(found.map((key) => key.split("/")[2]))]).toEqual(["configmaps", "pods"]);
    expect(found.toSorted()).toEqual(keys.toSorted());
    expect(namespaces("pods").at(-1)).toBe("b");
    expect(objectParts([{ bolt: snapshot.bolt, map, choice }], 1000)).toEqual([{}]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("objects that are not among the chosen ones are counted, and threads are there again after they were ended", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-object-counts-"));
  try {
    const path = join(directory, "large.db");
    const value = Buffer.alloc(1 << 20, 0x20);
    writeFileSync(
      path,
      madeSnapshot(
        Array.from({ length: 40 }, (_, i) => [`/registry/${i % 4 === 0 ? "pods" : "secrets"}/a/${i}`, value]),
      ),
    );
    using snapshot = await openSnapshot(path, { sparesCaller: true });
    expect(snapshot.threads.count).toBeGreaterThan(0);
    const none = { seeds: { words: [1, 3, 5, 7, 9, 11] }, bits: new Uint32Array(new SharedArrayBuffer(4)) };
    for (let round = 0; round < 2; round++) {
      const objects = { prefix: "/registry", scope, among: none, countOthers: { compactRevision: 0 } };
      const { size, others } = await readKeyspace(snapshot, { objects });
      expect(size).toBe(0);
      expect([...others].sort()).toEqual([
        ["pods", 10],
        ["secrets", 30],
      ]);
      await snapshot.threads.release();
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
