/** Live keys counted by fingerprints, against a model of etcd's history and of its compaction. */
import { expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import { makePage } from "../bolt/page.ts";
import { createFingerprint, fingerprintSeeds } from "./key-fingerprint.ts";
import { createKeyValueFields } from "./key-value.ts";
import type { RevisionEntry } from "./leaf-revisions.ts";
import { createLiveKeysTask, type LiveKeysSpec, liveKeysOf, liveKeysSpec, mergeKeyVersions } from "./live-keys-task.ts";

interface Revision {
  readonly key: string;
  readonly main: number;
  readonly create: number;
  readonly version: number;
  readonly tombstone: boolean;
}

/** Puts and deletions of a few keys, each in a revision of its own; a key that is not there is not deleted. */
function historyOf(changes: readonly (readonly [key: number, isPut: boolean])[]): Revision[] {
  const lives = new Map<string, { create: number; version: number }>();
  const history: Revision[] = [];
  for (const [number, isPut] of changes) {
    const key = `/registry/pods/default/web-${number}`;
    const main = history.length + 2;
    const life = lives.get(key);
    if (isPut) {
      const next = { create: life?.create ?? main, version: (life?.version ?? 0) + 1 };
      lives.set(key, next);
      history.push({ key, main, ...next, tombstone: false });
    } else if (lives.delete(key)) history.push({ key, main, create: 0, version: 0, tombstone: true });
  }
  return history;
}

/** What a compaction at `at` leaves: of each key the newest up to there, unless that is a deletion, and all after it. */
function compact(history: readonly Revision[], at: number): Revision[] {
  const newest = new Map<string, Revision>();
  for (const each of history) if (each.main <= at) newest.set(each.key, each);
  return history.filter((each) => each.main > at || (newest.get(each.key) === each && !each.tombstone));
}

function liveOf(revisions: readonly Revision[]): string[] {
  const newest = new Map(revisions.map((each) => [each.key, each]));
  return [...newest.values()].filter((each) => !each.tombstone).map((each) => each.key);
}

/** Found by two threads, not in the order of the revisions. */
function find(revisions: readonly Revision[], spec: LiveKeysSpec = liveKeysSpec()) {
  const tasks = [createLiveKeysTask(spec), createLiveKeysTask(spec)] as const;
  revisions.toReversed().forEach(({ key, main, create, version, tombstone }, i) => {
    const bytes = Buffer.from(`..${key}.`);
    const page = makePage(1, bytes, 0, bytes.length, 1);
    const fields = { ...createKeyValueFields(), keyStart: 2, keyEnd: bytes.length - 1, version };
    const entry: RevisionEntry = {
      page,
      item: 0,
      main,
      sub: 0,
      tombstone,
      fields: { ...fields, createRevision: create },
    };
    tasks[i % 3 === 0 ? 0 : 1].visit(entry);
  });
  return liveKeysOf(mergeKeyVersions(tasks.map((task) => task.finish())), spec);
}

const changes = fc.array(fc.tuple(fc.nat({ max: 5 }), fc.boolean()), { maxLength: 60 });

test("the live keys are those of the newest versions, whatever was compacted", () => {
  fc.assert(
    fc.property(changes, fc.nat({ max: 62 }), (given, at) => {
      const history = historyOf(given);
      const live = liveOf(history);
      const found = find(compact(history, at));
      expect(found?.count).toBe(live.length);
      for (const { key } of history) expect(found?.has(Buffer.from(key))).toBe(live.includes(key));
      expect(found?.has(Buffer.from("/registry/pods/default/other"))).toBe(false);
    }),
  );
});

test("where revisions are missing, the count is right or not there", () => {
  fc.assert(
    fc.property(changes, fc.nat(), (given, which) => {
      const history = historyOf(given);
      const damaged = history.filter((_, i) => i !== which % history.length);
      const found = find(damaged);
      if (found !== undefined) expect(found.count).toBe(liveOf(damaged).length);
    }),
  );
  const [first, , third] = historyOf([[0, true], [0, true], [0, true]]); // biome-ignore format: one line
  expect(find([first!, third!])).toBeUndefined();
});

test("keys with one fingerprint are never counted as one", () => {
  const blind = { seeds: { words: [0, 0, 0, 0, 0, 0] } }; // by the length alone
  fc.assert(
    fc.property(changes, fc.nat({ max: 62 }), (given, at) => {
      const history = historyOf(given);
      const found = find(compact(history, at), blind);
      if (found !== undefined) expect(found.count).toBe(liveOf(history).length);
    }),
  );
  expect(find(historyOf([[0, true], [1, true]]), blind)).toBeUndefined(); // biome-ignore format: one line
});

test("fingerprints of keys that are alike differ, wherever they lie", () => {
  const { found, take } = createFingerprint(fingerprintSeeds());
  const seen = new Set<string>();
  const add = (text: string): void => {
    const before = seen.size;
    for (const pad of ["", "a", "ab", "abc"]) {
      const bytes = Buffer.from(pad + text);
      take(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), pad.length, bytes.length);
      seen.add(`${found.first} ${found.second}`);
    }
    expect(seen.size).toBe(before + 1);
  };
  for (let size = 1; size < 40; size++) add("/".repeat(size));
  for (let i = 0; i < 2000; i++) add(`/registry/configmaps/default/map-${i}`);
  for (let i = 0; i < 256; i++) add(`/registry/${String.fromCharCode(i % 128, 0, i)}`);
});
