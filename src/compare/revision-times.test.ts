import { expect, test } from "vitest";
import { createRevisionTimes } from "./revision-times.ts";

const times = createRevisionTimes([
  { revision: 20, time: 2000 },
  { revision: 10, time: 1000 },
  { revision: 30, time: 1500 }, // a clock that is behind
  { revision: 40, time: 4000 },
]);

test("a revision was written before the renewal behind it", () => {
  expect([5, 10, 11, 20, 25, 30, 31, 99].map((revision) => times.timeOf(revision))).toEqual([
    1000, 1000, 2000, 2000, 2000, 2000, 4000, 4000,
  ]);
});

test("what may have been written since a time counts", () => {
  expect(times.firstSince(500)).toBe(0);
  expect(times.firstSince(1001)).toBe(11);
  expect(times.firstSince(2001)).toBe(31);
  expect(times.firstSince(4001)).toBe(41); // nobody knows how long after the last renewal
  expect(createRevisionTimes([]).firstSince(0)).toBeUndefined();
  expect(createRevisionTimes([]).timeOf(1)).toBeUndefined();
});
