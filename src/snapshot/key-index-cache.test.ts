/** Look-ups by an index that was kept: the same as by a sweep, or a sweep. */
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeEach, expect, test } from "vitest";
import { SNAPSHOTS } from "../../test/fixture-values.ts";
import { madeSnapshot } from "../../test/made-snapshot.ts";
import { fc } from "../../test/properties.ts";
import { MendError } from "../errors/errors.ts";
import { type FileSystem, realFileSystem } from "../io/files/durable/file-system.ts";
import { openTarget } from "../io/files/durable/target.ts";
import { fileIdentity } from "../io/files/file-identity.ts";
import { openFileSource } from "../io/files/file-source.ts";
import { INDEX_COLUMNS } from "../mvcc/key-index.ts";
import { keyOf } from "../mvcc/key-table.ts";
import type { KeyIndexOptions } from "./key-index-cache.ts";
import { openSnapshot } from "./open-snapshot.ts";
import { type KeyspaceOptions, readKeyspace, selectKeys } from "./read-keyspace.ts";

const work = mkdtempSync(join(tmpdir(), "kubemend-key-index-"));
afterAll(() => rmSync(work, { recursive: true }));
const directory = join(work, "cache", "kubemend");
const file = join(work, "backup", "member.db");
/** The files of these tests were changed a moment ago, which proves nothing. */
const later = () => Date.now() + 60_000;

const isRoot = process.geteuid?.() === 0;
const canIdentify = (() => {
  const probe = join(work, "probe");
  writeFileSync(probe, "x");
  const source = openFileSource(probe);
  const identity = fileIdentity(source.descriptor, source, later());
  source.close();
  return identity !== undefined;
})();

beforeEach(() => {
  rmSync(join(work, "cache"), { recursive: true, force: true });
  rmSync(join(work, "backup"), { recursive: true, force: true });
  mkdirSync(join(work, "backup"));
});

interface Looked {
  /** What the index of the run holds, by key. */
  readonly entries: readonly unknown[];
  readonly revision: number;
  readonly values: readonly string[];
  readonly findings: number;
  /** Whether an index was there when the file was opened. */
  readonly found: boolean;
  readonly unused: readonly string[];
}

async function look(
  path: string,
  options: KeyspaceOptions = {},
  keyIndex: Partial<KeyIndexOptions> | "none" = {},
): Promise<Looked> {
  const unused: string[] = [];
  const kept = { directory, leastBytes: 0, now: later, onUnused: (why: string) => unused.push(why) };
  using snapshot = await openSnapshot(path, keyIndex === "none" ? {} : { keyIndex: { ...kept, ...keyIndex } });
  const found = snapshot.keyIndex?.found === true;
  const keyspace = await readKeyspace(snapshot, options);
  const { index, labels, revision } = keyspace;
  const entries = Array.from({ length: index.count }, (_, i) => {
    const columns = INDEX_COLUMNS.map((name) => (name === "label" ? labels[index.label[i]! - 1] : index[name][i]));
    return [Buffer.from(keyOf(index, i)).toString(), ...columns] as const;
  }).sort(([a], [b]) => (a < b ? -1 : 1));
  const values = [...keyspace.entries()].map((each) => Buffer.from(each.value).toString("latin1"));
  return {
    entries,
    revision,
    values,
    findings: snapshot.findings.list().length,
    found,
    unused,
  };
}

const result = ({ found: _, unused: __, ...rest }: Looked) => rest;
const indexFile = (): string | undefined => {
  const name = existsSync(directory) ? readdirSync(directory).find((each) => each.endsWith(".keys")) : undefined;
  return name === undefined ? undefined : join(directory, name);
};

const small = (values: string): Uint8Array =>
  madeSnapshot(Array.from({ length: 40 }, (_, i) => [`/registry/things/${i % 30}`, `${values}${i}`] as const));

test.skipIf(!canIdentify).each(SNAPSHOTS)("look-ups in %s are the same by an index as by a sweep", async (name) => {
  writeFileSync(
    file,
    gunzipSync(readFileSync(join(import.meta.dirname, `../../test/fixtures/${name}/snapshot.db.gz`))),
  );
  const whole = await look(file, { labelKinds: true });
  expect(whole.found).toBe(false);
  expect(result(await look(file, { labelKinds: true }))).toEqual(
    result(await look(file, { labelKinds: true }, "none")),
  );
  const keys = whole.entries.map((each) => (each as [string])[0]);
  const selection = fc
    .tuple(fc.constantFrom(...keys), fc.nat({ max: 80 }), fc.boolean())
    .map(([key, cut, exact]) => selectKeys(exact ? key : key.slice(0, cut), exact));
  await fc.assert(
    fc.asyncProperty(fc.array(selection, { minLength: 1, maxLength: 4 }), fc.boolean(), async (select, labelKinds) => {
      const byIndex = await look(file, { select, labelKinds });
      expect(byIndex.found).toBe(true);
      expect(result(byIndex)).toEqual(result(await look(file, { select, labelKinds }, "none")));
    }),
    { numRuns: 8 },
  );
});

test.skipIf(!canIdentify)("an earlier revision is not read by an index of the newest", async () => {
  writeFileSync(file, small("a"));
  await look(file);
  for (const atRevision of [2, 20, 40, 41]) {
    expect(result(await look(file, { atRevision }))).toEqual(result(await look(file, { atRevision }, "none")));
  }
  await expect(look(file, { atRevision: 42 })).rejects.toThrow("is not in the snapshot yet");
});

test.skipIf(!canIdentify)("another content is swept, whatever was done to hide it", async () => {
  writeFileSync(file, small("a"));
  await look(file);
  expect((await look(file)).found).toBe(true);
  const { atime, mtime, size } = statSync(file);
  const changes: readonly (() => void)[] = [
    () => {
      writeFileSync(file, small("b")); // the same inode, size and time of change as before
      utimesSync(file, atime, mtime);
    },
    () => {
      writeFileSync(`${file}.new`, small("c"));
      utimesSync(`${file}.new`, atime, mtime);
      renameSync(`${file}.new`, file);
    },
  ];
  for (const change of changes) {
    change();
    expect(statSync(file).size).toBe(size);
    const looked = await look(file);
    expect(looked.found).toBe(false);
    expect(result(looked)).toEqual(result(await look(file, {}, "none")));
    expect((await look(file)).found).toBe(true);
  }
  truncateSync(file, size - 4096);
  const cut = async (keyIndex?: "none") => look(file, {}, keyIndex).then(result, (error: MendError) => error.code);
  expect(await cut()).toEqual(await cut("none"));
});

test.skipIf(!canIdentify)("a file that was changed a moment ago proves nothing", async () => {
  writeFileSync(file, small("a"));
  await look(file, {}, { now: Date.now });
  expect(indexFile()).toBeUndefined();
});

test.skipIf(!canIdentify)(
  "an index that is damaged is not used, and made again",
  async () => {
    writeFileSync(file, small("a"));
    const swept = await look(file);
    const path = indexFile()!;
    const bytes = readFileSync(path);
    for (let at = 0; at < bytes.length; at += 131) {
      const damaged = Uint8Array.from(bytes);
      damaged[at]! ^= 1 << (at % 8);
      writeFileSync(path, damaged);
      expect(result(await look(file)), `byte ${at}`).toEqual(result(swept));
      expect(readFileSync(path).equals(bytes), `byte ${at}`).toBe(true);
    }
    for (const size of [0, 1, 16, 80, bytes.length >> 1, bytes.length - 1]) {
      writeFileSync(path, bytes.subarray(0, size));
      expect(result(await look(file)), `${size} bytes`).toEqual(result(swept));
      expect(readFileSync(path).equals(bytes), `${size} bytes`).toBe(true);
    }
  },
  60_000,
);

test.skipIf(!canIdentify)("an index whose entries are not in the file is thrown away", async () => {
  writeFileSync(file, small("a"));
  await look(file);
  const path = indexFile()!;
  const ours = readFileSync(path);
  // Its own hashes are right: what lies at the places is another key.
  const other = join(work, "backup", "other.db");
  writeFileSync(other, madeSnapshot([...Array(40)].map((_, i) => [`/registry/others/${i % 30}`, `a${i}`] as const)));
  rmSync(directory, { recursive: true });
  await look(other);
  const theirs = indexFile()!;
  const identityOf = (bytes: Buffer): string => /"identity":"([^"]*)"/.exec(bytes.toString("latin1"))![1]!;
  const { encodeStoredIndex } = await import("../mvcc/stored-index.ts");
  using snapshot = await openSnapshot(other);
  const { index, labels, revision } = await readKeyspace(snapshot);
  writeFileSync(
    path,
    Buffer.concat([...encodeStoredIndex({ index, labels, lastRevision: revision }, identityOf(ours))]),
  );
  chmodSync(path, 0o600);
  expect(path).not.toBe(theirs);
  const looked = await look(file);
  expect(looked.found).toBe(true);
  expect(result(looked)).toEqual(result(await look(file, {}, "none")));
  expect(readFileSync(path).equals(ours)).toBe(true);
});

test.skipIf(!canIdentify)("a directory or a file that is not ours alone is not used", async () => {
  writeFileSync(file, small("a"));
  await look(file);
  const path = indexFile()!;
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  chmodSync(path, 0o640);
  expect((await look(file)).found).toBe(false);
  expect(statSync(path).mode & 0o777).toBe(0o600); // replaced, not written through
  for (const mode of [0o770, 0o707, 0o755]) {
    chmodSync(directory, mode);
    const before = readFileSync(path);
    const looked = await look(file);
    expect(looked.found).toBe(false);
    expect(looked.unused).not.toEqual([]);
    expect(readFileSync(path).equals(before)).toBe(true);
  }
  chmodSync(directory, 0o700);
  renameSync(path, join(work, "elsewhere"));
  symlinkSync(join(work, "elsewhere"), path);
  expect((await look(file)).found).toBe(false);
  if (!isRoot) return;
  await look(file);
  chownSync(path, 12345, 12345);
  expect((await look(file)).found).toBe(false);
  expect(statSync(path).uid).toBe(0);
  chownSync(directory, 12345, 12345);
  const looked = await look(file);
  expect(looked.found).toBe(false);
  expect(looked.unused.join()).toMatch(/belongs to user 12345|not ours alone/);
});

test.skipIf(!canIdentify)("nothing is kept beside the snapshot, of small files, or of archives", async () => {
  writeFileSync(file, small("a"));
  await look(file, {}, { directory: join(work, "backup") });
  await look(file, {}, { directory: work });
  await look(file, {}, { leastBytes: 1e9 });
  expect(readdirSync(join(work, "backup"))).toEqual(["member.db"]);
  expect(existsSync(directory)).toBe(false);
  await look(join(import.meta.dirname, "../../test/fixtures/k120-broad/snapshot.db.gz"));
  expect(existsSync(directory)).toBe(false);
});

test.skipIf(!canIdentify)("a cache that cannot be written fails nothing and leaves nothing", async () => {
  writeFileSync(file, small("a"));
  const swept = result(await look(file, {}, "none"));
  const full = (at: number): FileSystem => {
    let left = at;
    const step = <T>(run: () => T): T => {
      if (--left < 0) throw new MendError("no-space", "no space left on the device", { where: "test", hint: "none" });
      return run();
    };
    return {
      ...realFileSystem,
      makeDirectory: (path, mode) => step(() => realFileSystem.makeDirectory(path, mode)),
      rename: (from, to) => step(() => realFileSystem.rename(from, to)),
      create(path, mode) {
        const created = step(() => realFileSystem.create(path, mode));
        return { ...created, write: (bytes, at) => step(() => created.write(bytes, at)) };
      },
    };
  };
  let failures = 0;
  for (let at = 0; indexFile() === undefined; at++) {
    const looked = await look(file, {}, { fileSystem: full(at) });
    expect(result(looked)).toEqual(swept);
    if (indexFile() !== undefined) break;
    failures += looked.unused.length;
    if (existsSync(directory)) expect(readdirSync(directory).filter((name) => !name.endsWith("-lock"))).toEqual([]);
  }
  expect(failures).toBeGreaterThan(4);
  rmSync(directory, { recursive: true });
  const looked = await look(file, {}, { mostBytes: 100 });
  expect(result(looked)).toEqual(swept);
  expect(looked.unused.join()).toContain("larger than 100 bytes");
});

test.skipIf(!canIdentify)("the oldest indexes make space, and what is not an index stays", async () => {
  const paths = ["a", "b", "c"].map((name) => join(work, "backup", `${name}.db`));
  for (const path of paths) writeFileSync(path, small("a"));
  await look(paths[0]!);
  const { size } = statSync(indexFile()!);
  const first = indexFile()!;
  utimesSync(first, 1, 1);
  writeFileSync(join(directory, "notes.txt"), "x".repeat(size * 3), { mode: 0o600 });
  const mostBytes = Math.floor(size * 2.5);
  await look(paths[1]!, {}, { mostBytes });
  expect(existsSync(first)).toBe(true);
  await look(paths[2]!, {}, { mostBytes });
  expect(existsSync(first)).toBe(false);
  expect(readdirSync(directory).filter((name) => name.endsWith(".keys"))).toHaveLength(2);
  expect(existsSync(join(directory, "notes.txt"))).toBe(true);
});

test.skipIf(!canIdentify)("two at once: both are right, and the index is whole", async () => {
  writeFileSync(file, small("a"));
  const swept = result(await look(file, {}, "none"));
  const looked = await Promise.all(Array.from({ length: 4 }, () => look(file)));
  for (const each of looked) expect(result(each)).toEqual(swept);
  expect((await look(file)).found).toBe(true);
  rmSync(indexFile()!);
  const name = readdirSync(directory).find((each) => each.endsWith(".keys")) ?? "x";
  expect(name).toBe("x");
  // Another run writes it: this one does without.
  const probe = openSync(file, "r");
  const source = openFileSource(file);
  const { place } = fileIdentity(source.descriptor, source, later())!;
  source.close();
  closeSync(probe);
  using held = openTarget(join(directory, `${place}.keys`), { command: "test", kind: "file", strict: true });
  expect(held.name).toBe(`${place}.keys`);
  const alone = await look(file);
  expect(result(alone)).toEqual(swept);
});
