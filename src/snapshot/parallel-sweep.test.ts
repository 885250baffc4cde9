/** However many share a sweep, they find the same, and one that fails fails the sweep. */
import { mkdtempSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generateSnapshot } from "../../bench/generate-snapshot.ts";
import { createPageSet } from "../bolt/page-set.ts";
import { createLeafHashes } from "../mvcc/hash-task.ts";
import { sortedEntries } from "../mvcc/key-index.ts";
import { openSnapshot } from "./open-snapshot.ts";
import { sweepInParallel } from "./parallel-sweep.ts";
import { mapKeyLeaves } from "./read-keyspace.ts";
import { createSweepThreads, THREAD_WORTHY_BYTES } from "./sweep-threads.ts";

const GIGABYTE = 1e9;
const LIGHT = { decodes: false, besideHash: false };
const HEAVY = { decodes: true, besideHash: false };

describe("how many threads help", () => {
  const helpers = (size: number, cores: number, load = LIGHT, sparesCaller = false): number =>
    createSweepThreads(size, { cores, sparesCaller }).helpers(load);

  test("none with a file that is read sooner than a thread starts", () => {
    expect(helpers(GIGABYTE, 8)).toBe(0);
    expect(helpers(100e6, 8, HEAVY)).toBe(0);
    expect(createSweepThreads(THREAD_WORTHY_BYTES - 1, { cores: 8, sparesCaller: true })).toMatchObject({
      count: 0,
      callerSweeps: true,
    });
  });

  test("one for each processor that is free, with a large file", () => {
    expect(helpers(8 * GIGABYTE, 4)).toBe(3);
    expect(helpers(8 * GIGABYTE, 2)).toBe(1);
    expect(helpers(8 * GIGABYTE, 1)).toBe(0);
    expect(helpers(1.5 * GIGABYTE, 4, HEAVY)).toBe(3);
    expect(helpers(80 * GIGABYTE, 64)).toBe(4);
  });

  test("one less where the file is hashed meanwhile", () => {
    expect(helpers(8 * GIGABYTE, 4, { ...HEAVY, besideHash: true })).toBe(2);
    expect(helpers(8 * GIGABYTE, 1, { ...HEAVY, besideHash: true })).toBe(0);
  });

  test("at least one where the caller's thread has other work", () => {
    expect(helpers(GIGABYTE, 2, HEAVY, true)).toBe(1);
    expect(helpers(GIGABYTE, 4, LIGHT, true)).toBe(1);
  });

  test("none on one processor, where this thread does both by turns", () => {
    const threads = createSweepThreads(8 * GIGABYTE, { cores: 1, sparesCaller: true });
    expect(threads.helpers(HEAVY)).toBe(0);
    expect(threads.callerSweeps).toBe(true);
  });
});

describe("a sweep", () => {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-sweep-"));
  const path = join(directory, "snapshot.db");
  beforeAll(() => {
    generateSnapshot(path, { pods: 9000, history: 500, seed: 3 });
    expect(statSync(path).size).toBeGreaterThan(THREAD_WORTHY_BYTES);
    const descriptor = openSync(path, "r+");
    for (const page of [2000, 5000, 8000]) writeSync(descriptor, Buffer.alloc(64, 0xff), 0, 64, page * 4096); // leaves
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  async function sweep(helpers: number, callerSweeps: boolean) {
    using snapshot = await openSnapshot(path);
    const threads = { ...snapshot.threads, callerSweeps, helpers: () => helpers };
    const map = mapKeyLeaves(snapshot);
    const hash = createLeafHashes(map.list.count);
    const spec = { index: { select: [], seed: 1 }, labelKinds: true, hash, verify: {} };
    const seen = createPageSet(snapshot.bolt.pageCount);
    const progress: number[] = [];
    const { index, verify } = await sweepInParallel(
      { ...snapshot, threads },
      map,
      spec,
      seen,
      snapshot.findings.report,
      { onProgress: (done) => progress.push(done) },
    );
    if (index === undefined) throw new Error("no index");
    const order = sortedEntries(index.index);
    return {
      keys: order.length,
      places: Array.from(order, (i) => [index.index.page[i], index.index.item[i], index.index.main[i]].join("/")),
      labels: Array.from(order, (i) => index.labels[(index.index.label[i] ?? 0) - 1]),
      lastRevision: index.lastRevision,
      verify: { ...verify, tallies: [...(verify?.tallies.keys() ?? [])].toSorted() },
      crc: Array.from(hash.crc),
      seen,
      findings: snapshot.findings
        .list()
        .map(({ code, where }) => `${code} ${where}`)
        .toSorted(),
    };
  }

  test("finds the same, and the same damage, however many share it", async () => {
    const alone = await sweep(0, true);
    expect(alone.keys).toBeGreaterThan(8000);
    expect(alone.findings.length).toBeGreaterThan(0);
    for (const [helpers, callerSweeps] of [
      [1, true],
      [3, true],
      [1, false],
      [2, false],
    ] as const)
      expect(await sweep(helpers, callerSweeps), `${helpers} helpers`).toEqual(alone);
  });

  test("that is interrupted ends soon, shared or not", async () => {
    for (const helpers of [0, 2]) {
      using snapshot = await openSnapshot(path);
      const threads = { ...snapshot.threads, helpers: () => helpers };
      const map = mapKeyLeaves(snapshot);
      const sweeping = sweepInParallel(
        { ...snapshot, threads },
        map,
        { signs: true },
        createPageSet(snapshot.bolt.pageCount),
        () => {},
        { signal: AbortSignal.abort(new Error("interrupted")) },
      );
      await expect(sweeping).rejects.toThrow("interrupted");
    }
  });
});
