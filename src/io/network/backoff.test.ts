import { expect, test } from "vitest";
import { fc } from "../../../test/properties.ts";
import { Backoff, WATCH_BACKOFF } from "./backoff.ts";

test("waits double up to the longest, and start again after a success", () => {
  const backoff = new Backoff({ firstMs: 800, longestMs: 5000, random: () => 0 });
  expect([1, 2, 3, 4, 5].map(() => backoff.next())).toEqual([800, 1600, 3200, 5000, 5000]);
  backoff.reset();
  expect(backoff.next()).toBe(800);
});

test("no wait is shorter than its base or longer than twice that, whatever the chance", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 1 }),
      (chances) => {
        let i = 0;
        const backoff = new Backoff({ ...WATCH_BACKOFF, random: () => chances[i++]! });
        let base = WATCH_BACKOFF.firstMs;
        for (const _ of chances) {
          const wait = backoff.next();
          expect(wait).toBeGreaterThanOrEqual(base);
          expect(wait).toBeLessThanOrEqual(2 * base);
          base = Math.min(WATCH_BACKOFF.longestMs, 2 * base);
        }
      },
    ),
  );
});
