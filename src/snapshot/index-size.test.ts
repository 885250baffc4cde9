/** Whether an index of all keys fits is known before it is made. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { generateSnapshot } from "../../bench/generate-snapshot.ts";
import { MendError } from "../errors/errors.ts";
import { mayIndexAll, refuseTooLargeIndex } from "./index-size.ts";
import { openSnapshot } from "./open-snapshot.ts";
import { mapKeyLeaves, readKeyspace } from "./read-keyspace.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-index-"));
const path = join(directory, "snapshot.db");
beforeAll(() => generateSnapshot(path, { pods: 3000, history: 1000, seed: 5 }));
afterAll(() => rmSync(directory, { recursive: true }));

test("entries are estimated by some leaves", async () => {
  using snapshot = await openSnapshot(path);
  const map = mapKeyLeaves(snapshot);
  const { index } = await readKeyspace(snapshot);
  const entries = index.versions.subarray(0, index.count).reduce((sum, versions) => sum + versions, 0);
  expect(mayIndexAll(snapshot.bolt, map, entries * 1.2)).toBe(true);
  expect(mayIndexAll(snapshot.bolt, map, entries / 1.2)).toBe(false);
});

test("what needs more memory than there is, is refused, and says how much", async () => {
  using snapshot = await openSnapshot(path);
  const map = mapKeyLeaves(snapshot);
  const megabyte = 1e6; // an entry, so that the few here need gigabytes
  const refused = () => refuseTooLargeIndex(snapshot.bolt, map, megabyte, 2e9);
  expect(refused).toThrow(MendError);
  expect(refused).toThrow(/takes [34]\.\d GB of memory, and 2\.0 GB are free/);
  expect(() => refuseTooLargeIndex(snapshot.bolt, map, megabyte, 8e9)).not.toThrow();
});

test("nothing is asked of a small file", async () => {
  using snapshot = await openSnapshot(path);
  expect(() => refuseTooLargeIndex(snapshot.bolt, mapKeyLeaves(snapshot), 200, 0)).not.toThrow();
});
