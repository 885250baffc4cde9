/** Thousands of damaged snapshots: none may crash or hang kubemend, and a change that the hash covers is always noticed. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { mutate } from "./mutate.ts";
import { readEverything } from "./read-everything.ts";
import { sampleSnapshot, withHash } from "./sample-snapshot.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-damage-"));
afterAll(() => rmSync(directory, { recursive: true }));
const path = join(directory, "snapshot.db");
const sample = sampleSnapshot();
const PAGE = 1024;

test("the sample itself is whole", async () => {
  expect(await readEverything(path, sample)).toEqual({ noticed: false });
});

describe("random damage", () => {
  const BATCH = 250;
  test.each(Array.from({ length: 8 }, (_, i) => i * BATCH))("seeds from %i on", async (first) => {
    for (let seed = first; seed < first + BATCH; seed++) {
      const damaged = mutate(sample, seed, PAGE);
      const changed = !Buffer.from(damaged).equals(sample);
      const { noticed } = await readEverything(path, damaged).catch((error) => {
        throw new Error(`seed ${seed}`, { cause: error });
      });
      // A cut to a whole number of pages looks like a raw copy; what it lost is then found by its pages.
      if (changed) expect(noticed, `seed ${seed}`).toBe(true);
    }
  });
});

describe("hostile files whose hash is right", () => {
  const BATCH = 250;
  test.each(Array.from({ length: 4 }, (_, i) => 100_000 + i * BATCH))("seeds from %i on", async (first) => {
    for (let seed = first; seed < first + BATCH; seed++) {
      const damaged = withHash(mutate(sample.subarray(0, sample.length - 32), seed, PAGE));
      await readEverything(path, damaged).catch((error) => {
        throw new Error(`seed ${seed}`, { cause: error });
      });
    }
  });
});

describe("files that are something else", () => {
  test.each([
    ["empty", new Uint8Array()],
    ["one byte", new Uint8Array(1)],
    ["zeros", new Uint8Array(100_000)],
    ["text", new TextEncoder().encode("apiVersion: v1\nkind: Pod\n".repeat(4000))],
    ["a program", new Uint8Array(readFileSync(process.execPath).subarray(0, 1 << 20))],
    ["half", sample.slice(0, sample.length >> 1)],
  ])("%s", async (name, bytes) => {
    const result = await readEverything(path, bytes);
    expect(result.noticed).toBe(true);
    if (name !== "half") expect(result.code).toBe("not-a-snapshot");
  });
});

test("every byte of both metas", async () => {
  for (let at = 0; at < 2 * PAGE; at++) {
    if (at % PAGE >= 80) continue;
    const damaged = sample.slice();
    damaged[at]! ^= 0x41;
    expect((await readEverything(path, damaged)).noticed, `byte ${at}`).toBe(true);
  }
});
