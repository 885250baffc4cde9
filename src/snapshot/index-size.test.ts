/** Whether an index of all keys fits is known before it is made. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { generateSnapshot } from "../../bench/generate-snapshot.ts";
import { MendError } from "../errors/errors.ts";
import { liveKeysSpec } from "../mvcc/live-keys-task.ts";
import { mayIndexAll, refuseTooLarge } from "./index-size.ts";
import type { LeafTaskSpec } from "./leaf-tasks.ts";
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

const KEYS = { index: { select: [], seed: 1 } };
const TIMELINE = { timeline: { seed: 1 } };

/** As if the file were so much larger that its few entries are millions. */
async function refusal(spec: LeafTaskSpec, available: number): Promise<unknown> {
  using snapshot = await openSnapshot(path);
  const { list, ...map } = mapKeyLeaves(snapshot);
  const often = 6000;
  const ids = new Uint32Array(list.count * often);
  for (let i = 0; i < often; i++) ids.set(list.ids.subarray(0, list.count), i * list.count);
  const source = { ...snapshot.bolt.source, name: "backup.db", size: snapshot.bolt.source.size * often };
  const large = { ...map, list: { ...list, ids, count: ids.length } };
  try {
    refuseTooLarge({ ...snapshot.bolt, source }, large, spec, () => available);
  } catch (error) {
    return error;
  }
  return undefined;
}

test("what needs more memory than there is, is refused, and says how much", async () => {
  expect(await refusal(KEYS, 2e9)).toMatchObject({
    code: "no-space",
    where: "backup.db",
    message: expect.stringMatching(
      /^there are about 3\d million entries: .* takes 4\.\d GB of memory, and 2\.0 GB are free$/,
    ),
  });
  expect(await refusal(KEYS, 5e9)).toBeUndefined();
  expect(await refusal(TIMELINE, 5e9)).toBeInstanceOf(MendError);
  expect(await refusal({ liveKeys: liveKeysSpec() }, 1e9)).toBeInstanceOf(MendError);
});

test("what holds only some entries is not", async () => {
  const prefix = new TextEncoder().encode("/registry/pods/");
  expect(await refusal({ index: { select: [{ prefix, exact: false }], seed: 1 } }, 0)).toBeUndefined();
  expect(await refusal({ index: { ...KEYS.index, bounds: { from: prefix } } }, 0)).toBeUndefined();
  expect(await refusal({ signs: true, verify: {} }, 0)).toBeUndefined();
});

test("nothing is asked of a small file", async () => {
  using snapshot = await openSnapshot(path);
  expect(() => refuseTooLarge(snapshot.bolt, mapKeyLeaves(snapshot), TIMELINE, () => 0)).not.toThrow();
});
