import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeKeyValue } from "../../mvcc/key-value.ts";
import { pruneRepository } from "../../operations/backup/prune.ts";
import { verifyBackups } from "../../operations/backup/verify.ts";
import { missingBundles } from "../../repository/bundle-plan.ts";
import { encodeDelta } from "../../repository/delta.ts";
import { encodeDescription } from "../../repository/description.ts";
import { encodeHead, type Head } from "../../repository/head.ts";
import { bundleName, linkName, linkSequence } from "../../repository/names.ts";
import { generateSigningKey, parseSigningKey } from "../../repository/signing.ts";
import { openDirectoryStore } from "../stores/directory-store.ts";
import { createAppender } from "./append.ts";
import { neighbours, readDeltas } from "./read-deltas.ts";
import { readLinks } from "./read-links.ts";
import { openRepository, type Repository } from "./repository.ts";
import { sealBytes } from "./seal.ts";
import { createBundler } from "./write-bundles.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-bundles-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const pem = generateSigningKey();
const key = parseSigningKey(pem, "key");
const id = "ab".repeat(16);
const iso = (time: number): string => new Date(time).toISOString();
const LEVELS = [8, 64];
const counting = { env: {}, cwd: directory, now: () => 1e12 };

/** A chain of a full and of deltas of one change each, written as the appender does, without its flushes to the disk. */
async function makeChain(name: string, links: number): Promise<{ repository: Repository; root: string }> {
  const root = join(directory, name);
  mkdirSync(join(root, "chain"), { recursive: true });
  writeFileSync(`${root}.pem`, pem);
  const description = { id, created: iso(0), signer: key.publicKey, recipients: null, exclusive: true };
  writeFileSync(join(root, "repository.json"), encodeDescription(description, key));
  const common = { cluster: "1", member: "1", etcdVersion: "3.5", history: 1, compactRevision: 0, hashes: [] };
  let previous: string | null = null;
  for (let sequence = 1; sequence <= links; sequence++) {
    const place = { repository: id, sequence, previous, writer: "a", written: iso(sequence), lastChanges: null };
    const times = { from: iso(sequence), to: iso(sequence) };
    const keyValue = encodeKeyValue({
      key: Buffer.from("/a"),
      value: Buffer.from(`${sequence}`),
      createRevision: 2,
      modRevision: sequence,
      version: 1,
      lease: 0n,
    });
    const delta = { changes: [{ revision: sequence, sub: 0, deletion: false, keyValue }], marks: [], leases: [] };
    const { bytes, content } = await sealBytes(encodeDelta(delta), null);
    const revisions = { from: sequence, to: sequence };
    const head: Head =
      sequence === 1
        ? { kind: "full", ...place, ...common, content, revisions, times, reason: "", source: "" }
        : {
            kind: "delta",
            ...place,
            ...common,
            content,
            revisions,
            times,
            ...{ events: 1, deletions: 0, leases: 0, exact: true },
          };
    const signed = encodeHead(head, key);
    writeFileSync(join(root, linkName(sequence)), Buffer.concat([signed.bytes, bytes]));
    previous = signed.hash;
  }
  return { repository: await openRepository(openDirectoryStore(root)), root };
}

async function bundleAll(repository: Repository, last: number): Promise<string[]> {
  const bundler = createBundler(repository, [], LEVELS);
  const written: string[] = [];
  for (let next = await bundler.writeNext(1, last); next !== undefined; next = await bundler.writeNext(1, last))
    written.push(bundleName(next));
  return written;
}

async function values(repository: Repository): Promise<number[]> {
  const { links } = await readLinks(repository);
  const found: number[] = [];
  for await (const walk of readDeltas(repository, links.slice(1))) walk(({ revision }) => found.push(revision));
  return found;
}

test("which bundles are missing: whole blocks, the small ones first", () => {
  expect(missingBundles(1, 63, () => false)).toEqual([]);
  expect(missingBundles(1, 129, () => false)).toEqual([
    { from: 1, to: 64 },
    { from: 65, to: 128 },
  ]);
  expect(missingBundles(2, 200, ({ from }) => from === 129)).toEqual([{ from: 65, to: 128 }]);
  expect(missingBundles(1, 4096, ({ to, from }) => to - from === 63)).toEqual([{ from: 1, to: 4096 }]);
});

describe("a chain of 100 links, bundles of 8 and of 64", () => {
  let repository: Repository;
  let root: string;
  const last = 100;
  const all = Array.from({ length: last - 1 }, (_, i) => i + 2);

  beforeAll(async () => {
    ({ repository, root } = await makeChain("long", last));
    const written = await bundleAll(repository, last);
    expect(written).toHaveLength(13);
    expect(written.at(-1)).toBe("bundles/0000000001-0000000064");
  });

  test("is read from few objects, with few requests", async () => {
    const { links } = await readLinks(repository);
    expect(links).toHaveLength(last);
    const deltas = links.slice(1);
    expect(neighbours(deltas)).toHaveLength(1 + 4 + last - 96);
    expect(await values(repository)).toEqual(all);
  });

  test("one request brings no more than fits in memory, however well it was compressed", async () => {
    const { links } = await readLinks(repository);
    const swollen = links.slice(1).map((link) => ({
      ...link,
      signed: {
        ...link.signed,
        head: { ...link.signed.head, content: { ...link.signed.head.content, plainSize: 6 << 20 } },
      },
    }));
    expect(Math.max(...neighbours(swollen).map((group) => group.length))).toBe(2);
    expect(neighbours(swollen).flat()).toEqual(swollen);
  });

  test("is whole without the objects that a larger bundle has; prune removes them when they are old", async () => {
    const prune = (now: number) =>
      pruneRepository(root, { ...counting, now: () => now, signingKeyFile: `${root}.pem`, policy: {}, dryRun: false });
    expect(await prune(Date.now())).toMatchObject({ removedObjects: 0, removedLinks: 0 });
    const done = await prune(Date.now() + 49 * 3_600_000);
    expect(done).toMatchObject({ removedObjects: 96 + 8, removedLinks: 0 });
    expect(readdirSync(join(root, "bundles"))).toHaveLength(5);
    expect(await values(repository)).toEqual(all);
    const verdict = await verifyBackups(root, counting);
    expect(verdict.findings.filter(({ code }) => code !== "object-damaged")).toEqual([]);
    expect(verdict.links).toBe(last);
  });

  test("an agent that was cut off meanwhile does not take the number of a link that was pruned", async () => {
    const { links } = await readLinks(repository);
    let now = 0;
    const old = links.slice(0, 50);
    const appender = createAppender(repository, old, { key, writer: "b", now: () => now });
    now = 60_000;
    const found = await appender.catchUp();
    expect(found.map(({ sequence }) => sequence)).toEqual(links.slice(50).map(({ sequence }) => sequence));
    expect(appender.tip.sequence).toBe(last);
    now = 0;
    const other = createAppender(repository, old, { key, writer: "b", now: () => now });
    now = 60_000;
    const { content } = await sealBytes(new Uint8Array(0), null);
    const draft = { kind: "node", node: "b", files: 0, fingerprint: "0".repeat(64), content } as const;
    expect(await other.append(draft, new Uint8Array(0), () => false)).toBeUndefined();
    expect(linkSequence(readdirSync(join(root, "chain")).map((name) => `chain/${name}`)[0]!)).toBe(97);
  });
});

describe("a bundle that is damaged", () => {
  test.each([
    ["its first line", 20],
    ["a head", 2000],
    ["its last payload", -3],
  ])("%s: is named, and its links are read from their own objects", async (what, at) => {
    const { repository, root } = await makeChain(`damaged-${what.replaceAll(" ", "-")}`, 70);
    await bundleAll(repository, 70);
    const path = join(root, "bundles/0000000001-0000000064");
    const bytes = readFileSync(path);
    bytes[at < 0 ? bytes.length + at : at]! ^= 1;
    writeFileSync(path, bytes);
    expect(await values(repository)).toEqual(Array.from({ length: 69 }, (_, i) => i + 2));
    const { findings } = await verifyBackups(root, counting);
    expect(findings.some(({ where }) => where.includes("bundles/0000000001-0000000064"))).toBe(true);
    // Prune refuses, or leaves a copy of everything that is not whole in the bundle.
    for (const name of readdirSync(join(root, "chain"))) utimesSync(join(root, "chain", name), 1, 1);
    const prune = pruneRepository(root, {
      ...counting,
      now: Date.now,
      signingKeyFile: `${root}.pem`,
      policy: {},
      dryRun: false,
    });
    await prune.catch((error) => expect(error.message).toContain("nothing is removed"));
    expect(await values(repository)).toEqual(Array.from({ length: 69 }, (_, i) => i + 2));
  });

  test("a link that is damaged is read from the bundle; swapped or cut links are named", async () => {
    const { repository, root } = await makeChain("own-damaged", 70);
    await bundleAll(repository, 70);
    const path = (sequence: number): string => join(root, linkName(sequence));
    const [a, b] = [readFileSync(path(10)), readFileSync(path(20))];
    writeFileSync(path(10), b);
    writeFileSync(path(20), a);
    writeFileSync(path(30), readFileSync(path(30)).subarray(0, 300));
    rmSync(path(40));
    expect(await values(repository)).toEqual(Array.from({ length: 69 }, (_, i) => i + 2));
    const { findings } = await verifyBackups(root, counting);
    const places = findings.filter(({ level }) => level === "error").map(({ where }) => where);
    for (const sequence of [10, 20, 30]) expect(places.some((place) => place.includes(linkName(sequence)))).toBe(true);
  });
});
