import { expect, test } from "vitest";
import { progressText, showProgress } from "./progress.ts";

test("how much, how fast, and how long it will take", () => {
  const restoring = { step: "restoring", unit: "objects" } as const;
  expect(progressText({ ...restoring, done: 4500, total: 10_000 }, 500)).toBe(
    "restoring   45%  4500 of 10000 objects  500 objects/s  11s left",
  );
  expect(progressText({ ...restoring, done: 0, total: 100_000 }, 100)).toMatch(/16m40s left$/);
  expect(progressText({ ...restoring, done: 0, total: 1_000_000 }, 100)).toMatch(/2h46m left$/);
  expect(progressText({ ...restoring, done: 10, total: 10 }, 5)).not.toContain("left");
  expect(progressText({ ...restoring, done: 0, total: 10 }, 0)).toBe("restoring    0%  0 of 10 objects");
  expect(progressText({ step: "reading", unit: "bytes", done: 700e6, total: 1.4e9 }, 350e6)).toBe(
    "reading   50%  700 MB of 1.4 GB  350 MB/s  2s left",
  );
});

test("a step is measured from its own beginning", () => {
  let now = 0;
  const lines: string[] = [];
  const stderr = { isTTY: false, columns: undefined, write: async (text: string) => void lines.push(text) };
  const { sink } = showProgress({ stderr, now: () => now } as never, "plain");
  sink({ step: "reading", done: 0, total: 10, unit: "keys" });
  now = 60_000;
  sink({ step: "restoring", done: 100, total: 1100, unit: "objects" });
  now = 70_000;
  sink({ step: "restoring", done: 600, total: 1100, unit: "objects" });
  expect(lines.at(-1)).toBe("restoring   54%  600 of 1100 objects  50 objects/s  10s left\n");
});
