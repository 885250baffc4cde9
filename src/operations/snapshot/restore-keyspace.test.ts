/** A keyspace that is rewritten in parts is the one that is rewritten as a whole, and holds what it should. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generateSnapshot } from "../../../bench/generate-snapshot.ts";
import { openSnapshot } from "../../snapshot/open-snapshot.ts";
import { readKeyspace } from "../../snapshot/read-keyspace.ts";
import { type RewriteOptions, rewriteDatabase } from "./restore-keyspace.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-rewrite-"));
const path = join(directory, "snapshot.db");
const FIRST = 10_000_001;
const SHAPE = { pods: 800, history: 3000, deletions: 4, seed: 9, configMaps: 300, configMapBytes: 9000 };
beforeAll(() => generateSnapshot(path, { ...SHAPE, configMapChanges: 400 }));
afterAll(() => rmSync(directory, { recursive: true }));

async function rewrite(options: Partial<RewriteOptions>) {
  using snapshot = await openSnapshot(path);
  let bytes = Buffer.alloc(0);
  const write = (part: Uint8Array, position: number): void => {
    const grown = Buffer.alloc(Math.max(bytes.length, position + part.length));
    bytes.copy(grown);
    grown.set(part, position);
    bytes = grown;
  };
  const rewritten = await rewriteDatabase(snapshot, { write }, { exclude: [], compact: false, ...options });
  return { ...rewritten, bytes };
}

/** Keys and values that live, as texts. */
async function content(file: string, atRevision?: number): Promise<Map<string, string>> {
  using snapshot = await openSnapshot(file);
  const keyspace = await readKeyspace(snapshot, atRevision === undefined ? {} : { atRevision });
  return new Map(
    Array.from(keyspace.entries(), ({ key, value, modRevision }) => {
      return [Buffer.from(key).toString(), `${modRevision} ${Buffer.from(value).toString("base64")}`];
    }),
  );
}

describe.each([
  ["without history", { compact: true }],
  ["at a revision", { atRevision: FIRST + 2000 }],
  ["at a revision, without history", { compact: true, atRevision: FIRST + 2000 }],
  ["without some keys", { exclude: ["/registry/configmaps/"] }],
  ["without some keys and history", { compact: true, exclude: ["/registry/pods/"] }],
] satisfies [string, Partial<RewriteOptions>][])("%s", (_, options: Partial<RewriteOptions>) => {
  test("parts make the same bytes as the whole", async () => {
    const whole = await rewrite(options);
    const parts = await rewrite({ ...options, mostIndexed: 300 });
    expect(parts.bytes.equals(whole.bytes)).toBe(true);
    expect({ ...parts, bytes: null }).toEqual({ ...whole, bytes: null });
  });

  test("what lives is there, and, without history, nothing else", async () => {
    const { bytes, kept, revision } = await rewrite({ ...options, mostIndexed: 300 });
    const file = join(directory, "rewritten.db");
    writeFileSync(file, bytes);
    const [prefix] = options.exclude ?? [];
    const expected = await content(path, options.atRevision);
    for (const key of expected.keys()) if (prefix !== undefined && key.startsWith(prefix)) expected.delete(key);
    expect(await content(file)).toEqual(expected);
    expect(expected.size).toBeGreaterThan(200);
    if (options.atRevision !== undefined) expect(revision).toBe(options.atRevision);
    // One more where the newest revision was a deletion, or of a key that was left out.
    if (options.compact === true) expect([expected.size, expected.size + 1]).toContain(kept);
  });
});
