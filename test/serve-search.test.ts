/** The page's search in a file that is large enough to be indexed: it finds what reading every value finds, at every moment. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clusterEntries, madeSnapshot } from "./made-snapshot.ts";
import { serveFile, type TestServer } from "./serving.ts";

const OBJECTS = 440;
const FILLER = "abcdefghij ".repeat(8_000);

let directory: string;
let server: TestServer;
let last: number;

interface Answer {
  readonly found: readonly { readonly name: string }[];
  readonly cursor: number;
  readonly done: boolean;
  readonly indexed: number;
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "search-"));
  const map = (i: number, note: string) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: `map-${i}`, namespace: "default", labels: { app: i % 100 === 7 ? "rare" : "web" } },
    data: { note, filler: FILLER },
  });
  const first = Array.from({ length: OBJECTS }, (_, i) => map(i, `address 10.20.${i % 200}.${i}`));
  const entries = clusterEntries([...first, map(3, "moved to 10.99.99.99")] as never);
  const path = join(directory, "large.db");
  writeFileSync(path, madeSnapshot(entries));
  server = await serveFile(path);
  last = server.lastRevision;
});
afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

const ask = async (path: string): Promise<Answer> => (await (await server.fetch(path)).json()) as Answer;
const search = async (words: string, at = ""): Promise<string[]> => {
  const names: string[] = [];
  for (let cursor = 0; ; ) {
    const part = await ask(
      `${at}/ui/data/search-contents?words=${encodeURIComponent(words)}&limit=200&cursor=${cursor}`,
    );
    names.push(...part.found.map(({ name }) => name));
    if (part.done) return names.sort();
    cursor = part.cursor;
  }
};

const WANTED: readonly (readonly [words: string, found: readonly string[]])[] = [
  ["10.20.15.215", ["map-215"]],
  ["10.20.15.15", ["map-15"]],
  ["app=rare", ["map-107", "map-207", "map-307", "map-407", "map-7"]],
  ["app=rar", []],
  ["nothing like it", []],
  ["rar", ["map-107", "map-207", "map-307", "map-407", "map-7"]],
  ["zq", []],
  ["zqz", []],
  ["10.99.99.99", ["map-3"]],
];

test("while there is no index yet, and when there is", async () => {
  for (const [words, found] of WANTED) expect([words, await search(words)]).toEqual([words, found]);
  for (;;) {
    const { indexed } = await ask("/ui/data/search?words=map");
    if (indexed === 1) break;
    await sleep(20);
  }
  for (const [words, found] of WANTED) expect([words, await search(words)]).toEqual([words, found]);
  expect((await search("app=web")).length).toBe(OBJECTS - 5);
});

test("names that are the words come first, then those that begin with them, then kinds and namespaces", async () => {
  const names = async (words: string): Promise<{ found: string[]; matches: number }> => {
    const { found, matches } = (await (
      await server.fetch(`/ui/data/search?limit=3&words=${encodeURIComponent(words)}`)
    ).json()) as Answer & { matches: number };
    return { found: found.map(({ name }) => name), matches };
  };
  expect(await names("map-43")).toEqual({ found: ["map-43", "map-430", "map-431"], matches: 11 });
  expect(await names("AP-43")).toEqual({ found: ["map-43", "map-430", "map-431"], matches: 11 });
  expect(await names("default/map-43")).toEqual({ found: ["map-43", "map-430", "map-431"], matches: 11 });
  expect(await names("kube-system/map-43")).toEqual({ found: [], matches: 0 });
  expect((await names("configm")).matches).toBe(OBJECTS);
  expect((await names("configmaps/def")).matches).toBe(OBJECTS);
  expect((await names("configmaps/default/")).matches).toBe(OBJECTS);
  expect((await names("registry")).matches).toBe(0);
});

test("an earlier moment holds what was written then", async () => {
  const before = `/at/${last - 3}`;
  expect(await search("10.99.99.99", before)).toEqual([]);
  expect(await search("10.20.3.3", before)).toEqual(["map-3"]);
  expect(await search("10.20.3.3")).toEqual([]);
});
