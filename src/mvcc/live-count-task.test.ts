/** Live keys counted without an index, against a model of etcd's history and of its compaction. */
import { expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import { createKeyValueFields } from "./key-value.ts";
import type { RevisionEntry } from "./leaf-revisions.ts";
import { createLiveCountTask, mergeLiveCounts } from "./live-count-task.ts";

interface Revision {
  readonly key: number;
  readonly main: number;
  readonly version: number;
  readonly tombstone: boolean;
}

/** Puts and deletions of a few keys, each in a revision of its own; a key that is not there is not deleted. */
function historyOf(changes: readonly (readonly [key: number, isPut: boolean])[]): Revision[] {
  const versions = new Map<number, number>();
  const history: Revision[] = [];
  for (const [key, isPut] of changes) {
    const version = isPut ? (versions.get(key) ?? 0) + 1 : 0;
    if (!isPut && !versions.has(key)) continue;
    if (isPut) versions.set(key, version);
    else versions.delete(key);
    history.push({ key, main: history.length + 2, version, tombstone: !isPut });
  }
  return history;
}

/** What a compaction at `at` leaves: of each key the newest up to there, unless that is a deletion, and all after it. */
function compact(history: readonly Revision[], at: number): Revision[] {
  const newest = new Map<number, Revision>();
  for (const each of history) if (each.main <= at) newest.set(each.key, each);
  return history.filter((each) => each.main > at || (newest.get(each.key) === each && !each.tombstone));
}

function count(revisions: readonly Revision[], compactRevision: number) {
  const tasks = [createLiveCountTask(compactRevision), createLiveCountTask(compactRevision)];
  revisions.forEach(({ main, version, tombstone }, i) => {
    const fields = { ...createKeyValueFields(), keyEnd: 1, version };
    tasks[i % 2]!.visit({ main, tombstone, fields } as RevisionEntry);
  });
  return mergeLiveCounts(tasks.map((task) => task.finish()));
}

test("the count is that of the newest versions, whatever was compacted", () => {
  const change = fc.tuple(fc.nat({ max: 5 }), fc.boolean());
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), fc.nat({ max: 62 }), (changes, at) => {
      const history = historyOf(changes);
      const newest = new Map(history.map((each) => [each.key, each]));
      const live = [...newest.values()].filter((each) => !each.tombstone).length;
      const lastRevision = history.at(-1)?.main ?? 0;
      expect(count(history, 0)).toEqual({ live, lastRevision });
      if (at > 0 && at < lastRevision) expect(count(compact(history, at), at)).toEqual({ live, lastRevision });
    }),
  );
});

test("a deletion that a compaction at its revision left counts for nothing", () => {
  expect(count([{ key: 1, main: 5, version: 0, tombstone: true }], 5)).toEqual({ live: 0, lastRevision: 5 });
});
