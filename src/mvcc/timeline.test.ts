import { expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import { makePage } from "../bolt/page.ts";
import { createKeyValueFields } from "./key-value.ts";
import { createTimeline } from "./timeline.ts";
import { createTimelineTask, mergeTimelines, type TimelineTask } from "./timeline-task.ts";

const SEED = 7;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Written {
  readonly key: string;
  readonly main: number;
  readonly sub: number;
  readonly tombstone: boolean;
}

/** Shows a revision to a task as a sweep does. The page's number stands for the revision. */
function show(task: TimelineTask, { key, main, sub, tombstone }: Written): void {
  const bytes = encoder.encode(key);
  const page = makePage(main, bytes, 0, bytes.length, 1);
  const fields = { ...createKeyValueFields(), keyStart: 0, keyEnd: bytes.length };
  task.visit({ page, item: sub, main, sub, tombstone, fields });
}

const history = fc
  .array(fc.record({ key: fc.constantFrom("/a", "/a/b", "/a/c", "/ab", "/b", "/é"), tombstone: fc.boolean() }), {
    maxLength: 60,
  })
  .map((writes) => writes.map((write, i): Written => ({ ...write, main: 2 + Math.floor(i / 2), sub: i % 2 })));

test("the state at every revision is what a replay gives, whatever order and thread the leaves came in", () => {
  fc.assert(
    fc.property(history, fc.infiniteStream(fc.boolean()), fc.boolean(), (writes, coins, backwards) => {
      const tasks = [createTimelineTask({ seed: SEED }), createTimelineTask({ seed: SEED })] as const;
      for (const write of backwards ? writes.toReversed() : writes) show(tasks[coins.next().value ? 0 : 1], write);
      const timeline = createTimeline(mergeTimelines(tasks.map((task) => task.finish())), 0);
      const last = writes.at(-1)?.main ?? 0;
      expect(timeline.lastRevision).toBe(last);
      for (let revision = 0; revision <= last + 1; revision++) {
        const replayed = new Map<string, number>();
        for (const { key, main, sub, tombstone } of writes.filter((write) => write.main <= revision)) {
          if (tombstone) replayed.delete(key);
          else replayed.set(key, main * 2 + sub);
        }
        const shown = new Map<string, number>();
        for (let key = 0; key < timeline.keyCount; key++) {
          const row = timeline.rowAt(key, revision);
          if (row < 0) continue;
          shown.set(decoder.decode(timeline.keyBytes(key)), timeline.rows.page[row]! * 2 + timeline.rows.item[row]!);
        }
        expect(shown).toEqual(replayed);
        const after = writes.filter((write) => write.main > revision).map(({ key }) => key);
        const logged = [...timeline.byRevision.subarray(timeline.firstAfter(revision))];
        expect(logged.map((row) => decoder.decode(timeline.keyBytes(timeline.keyOfRow(row))))).toEqual(after);
      }
    }),
  );
});

test("ranges hold the keys that begin with a prefix, and no other", () => {
  const keys = ["/a", "/a/b", "/a/c", "/ab", "/b"];
  const task = createTimelineTask({ seed: SEED });
  for (const [i, key] of keys.entries()) show(task, { key, main: i + 2, sub: 0, tombstone: false });
  const timeline = createTimeline(task.finish(), 3);
  const inRange = (prefix: string) => {
    const [from, to] = timeline.range(encoder.encode(prefix));
    return Array.from({ length: to - from }, (_, i) => decoder.decode(timeline.keyBytes(from + i)));
  };
  expect(inRange("/a/")).toEqual(["/a/b", "/a/c"]);
  expect(inRange("/a")).toEqual(["/a", "/a/b", "/a/c", "/ab"]);
  expect(inRange("")).toEqual(keys);
  expect(inRange("/c")).toEqual([]);
  expect(timeline.find(encoder.encode("/ab"))).toBe(3);
  expect(timeline.find(encoder.encode("/abc"))).toBe(-1);
  expect(timeline.firstRevision).toBe(3);
});
