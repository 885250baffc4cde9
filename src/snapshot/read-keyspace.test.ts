/** The keyspace at every revision, against a model: puts, deletions and re-creations in random order, several in a transaction. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import { createBoltWriter } from "../bolt/writer.ts";
import { MendError } from "../errors/errors.ts";
import { encodeKeyValue } from "../mvcc/key-value.ts";
import { encodeRevision } from "../mvcc/revision.ts";
import { openSnapshot } from "./open-snapshot.ts";
import { readKeyHistory, readKeyspace, selectKeys } from "./read-keyspace.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-keyspace-"));
afterAll(() => rmSync(directory, { recursive: true }));
const path = join(directory, "member.db");
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array): string => new TextDecoder().decode(value);

/** A change of one key: a put of a value, or a deletion. */
type Change = { readonly key: string; readonly value: string | undefined };
interface Version {
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
}

/** Writes transactions from revision 2 on, as etcd does, and returns the keyspace after each. */
function write(transactions: readonly (readonly Change[])[], compacted = 0): Map<number, Map<string, Version>> {
  const states = new Map<number, Map<string, Version>>();
  let state = new Map<string, Version>();
  const parts: { bytes: Uint8Array; at: number }[] = [];
  const writer = createBoltWriter(
    { write: (part, at) => void parts.push({ bytes: part.slice(), at }) },
    { pageSize: 1024 },
  );
  writer.openBucket(bytes("key"));
  transactions.forEach((changes, i) => {
    const main = i + 2;
    state = new Map(state);
    let sub = 0;
    for (const { key, value } of changes) {
      const before = state.get(key);
      if (value === undefined) {
        if (before === undefined) continue;
        state.delete(key);
        const gone = { key: bytes(key), value: bytes(""), createRevision: 0, modRevision: 0, version: 0, lease: 0n };
        writer.put(encodeRevision({ main, sub: sub++, tombstone: true }), encodeKeyValue(gone));
        continue;
      }
      const next = {
        value,
        createRevision: before?.createRevision ?? main,
        modRevision: main,
        version: (before?.version ?? 0) + 1,
      };
      state.set(key, next);
      writer.put(
        encodeRevision({ main, sub: sub++, tombstone: false }),
        encodeKeyValue({ ...next, key: bytes(key), value: bytes(value), lease: 7n }),
      );
    }
    states.set(main, state);
  });
  writer.closeBucket();
  writer.openBucket(bytes("meta"));
  if (compacted > 0)
    writer.put(bytes("finishedCompactRev"), encodeRevision({ main: compacted, sub: 0, tombstone: false }));
  writer.closeBucket();
  const file = new Uint8Array(writer.finish());
  for (const part of parts) file.set(part.bytes, part.at);
  writeFileSync(path, file);
  return states;
}

async function read(atRevision?: number, prefix = ""): Promise<Map<string, Version>> {
  using snapshot = await openSnapshot(path);
  const keyspace = await readKeyspace(snapshot, {
    select: prefix === "" ? [] : [selectKeys(prefix)],
    ...(atRevision === undefined ? {} : { atRevision }),
  });
  const found = new Map<string, Version>();
  for (const { key, value, createRevision, modRevision, version } of keyspace.entries()) {
    found.set(text(key), { value: text(value), createRevision, modRevision, version });
  }
  expect(snapshot.findings.list()).toEqual([]);
  expect([...keyspace.keys()].map(text)).toEqual([...found.keys()].sort());
  expect(keyspace.size).toBe(found.size);
  return found;
}

const sorted = (state: Map<string, Version>): [string, Version][] => [...state].sort(([a], [b]) => (a < b ? -1 : 1));

const changes = fc.array(
  fc.record({
    key: fc.constantFrom("a", "ab", "b", "b/c", "c"),
    value: fc.option(fc.string({ maxLength: 300 }), { nil: undefined }),
  }),
  { minLength: 1, maxLength: 4 },
);

test("the keyspace at every revision is what the changes up to it made", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(changes, { minLength: 1, maxLength: 25 }), async (transactions) => {
      const states = write([[{ key: "first", value: "1" }], ...transactions, [{ key: "last", value: "2" }]]);
      for (const [revision, state] of states) expect(sorted(await read(revision))).toEqual(sorted(state));
      const newest = [...states.values()].at(-1)!;
      expect(sorted(await read())).toEqual(sorted(newest));
      expect(sorted(await read(undefined, "b"))).toEqual(sorted(newest).filter(([key]) => key.startsWith("b")));
    }),
    { numRuns: 40 },
  );
});

test("a key that is deleted and created again is the new one", async () => {
  write([
    [{ key: "web", value: "old" }],
    [{ key: "web", value: "older" }],
    [{ key: "web", value: undefined }],
    [{ key: "web", value: "new" }],
  ]);
  expect(await read()).toEqual(new Map([["web", { value: "new", createRevision: 5, modRevision: 5, version: 1 }]]));
  expect((await read(4)).size).toBe(0);
  expect((await read(3)).get("web")).toEqual({ value: "older", createRevision: 2, modRevision: 3, version: 2 });
});

test("every revision of a key, and where one life of it ends and the next begins", async () => {
  write([
    [
      { key: "web", value: "a" },
      { key: "other", value: "x" },
    ],
    [{ key: "web", value: "b" }],
    [{ key: "web", value: undefined }],
    [
      { key: "webhook", value: "y" },
      { key: "web", value: "c" },
    ],
  ]);
  using snapshot = await openSnapshot(path);
  const history = await readKeyHistory(snapshot, "web");
  const seen = history.map(({ revision, keyValue }) => [
    `${revision.main}/${revision.sub}`,
    keyValue === undefined ? "deleted" : `${text(keyValue.value)} created at ${keyValue.createRevision}`,
  ]);
  expect(seen).toEqual([
    ["2/0", "a created at 2"],
    ["3/0", "b created at 2"],
    ["4/0", "deleted"],
    ["5/1", "c created at 5"],
  ]);
  expect(await readKeyHistory(snapshot, "we")).toEqual([]);
});

test("within a transaction the last change counts", async () => {
  write([
    [
      { key: "a", value: "1" },
      { key: "b", value: "1" },
      { key: "a", value: "2" },
      { key: "b", value: undefined },
    ],
  ]);
  expect([...(await read())].map(([key, { value }]) => [key, value])).toEqual([["a", "2"]]);
});

test("revisions that were compacted away, or are not there yet, are refused with what there is", async () => {
  write([[{ key: "a", value: "1" }], [{ key: "a", value: "2" }], [{ key: "a", value: "3" }]], 3);
  const refusal = async (revision: number): Promise<string> => {
    const error = await read(revision).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    return error instanceof MendError ? `${error.code}: ${error.hint}` : `no error: ${error}`;
  };
  expect(await refusal(2)).toBe("revision-compacted: the snapshot holds revisions 3 to 4");
  expect(await refusal(5)).toBe("revision-in-future: the snapshot holds revisions 3 to 4");
  expect((await read(3)).get("a")?.value).toBe("2");
});
