/** Lines of a snapshot that is large enough for threads are the lines that one thread makes of it, in the same order. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { generateSnapshot } from "../../bench/generate-snapshot.ts";
import { openSnapshot } from "./open-snapshot.ts";
import { readLines } from "./parallel-lines.ts";
import { readKeyspace } from "./read-keyspace.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-lines-"));
const path = join(directory, "snapshot.db");
beforeAll(() => generateSnapshot(path, { pods: 8000, history: 500, seed: 7 }));
afterAll(() => rmSync(directory, { recursive: true }));

async function linesOf(isThreaded: boolean): Promise<{ text: string; objects: number; threads: number }> {
  using snapshot = await openSnapshot(path);
  const keyspace = await readKeyspace(snapshot);
  const swept = isThreaded ? snapshot : { ...snapshot, threads: { ...snapshot.threads, count: 0 } };
  const parts: string[] = [];
  let objects = 0;
  for await (const lines of readLines(swept, keyspace, {})) {
    parts.push(Buffer.from(lines.text).toString("utf8"));
    objects += lines.counts.object;
  }
  expect(snapshot.findings.list()).toEqual([]);
  return { text: parts.join(""), objects, threads: snapshot.threads.count };
}

test("threads make the lines that one makes", async () => {
  const [one, several] = [await linesOf(false), await linesOf(true)];
  expect(several.threads).toBeGreaterThan(0);
  expect(several.objects).toBeGreaterThan(7900);
  expect(several).toEqual(one);
  const keys = one.text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line).key as string);
  expect(keys).toEqual(keys.toSorted());
  expect(keys.length).toBe(one.objects + 1);
});

test("a reader that stops early, or is interrupted, leaves threads that still work", async () => {
  using snapshot = await openSnapshot(path);
  const keyspace = await readKeyspace(snapshot);
  for await (const lines of readLines(snapshot, keyspace, {})) if (lines.done > 500) break;
  const interruption = new AbortController();
  const interrupted = async () => {
    for await (const lines of readLines(snapshot, keyspace, {}, interruption.signal)) {
      if (lines.done > 500) interruption.abort(new Error("interrupted"));
    }
  };
  await expect(interrupted()).rejects.toThrow("interrupted");
  expect((await readKeyspace(snapshot)).size).toBe(keyspace.size);
});
