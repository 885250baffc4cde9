import { expect, test } from "vitest";
import { humanDuration, since } from "./age.ts";

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;

test.each([
  [-2 * S, "<invalid>"],
  [-1 * S, "0s"],
  [-0.5 * S, "0s"],
  [0, "0s"],
  [1.9 * S, "1s"],
  [119 * S, "119s"],
  [2 * M, "2m"],
  [2 * M + 5 * S, "2m5s"],
  [9 * M + 59 * S, "9m59s"],
  [10 * M + 59 * S, "10m"],
  [179 * M, "179m"],
  [3 * H, "3h"],
  [7 * H + 59 * M, "7h59m"],
  [8 * H + 59 * M, "8h"],
  [47 * H, "47h"],
  [48 * H, "2d"],
  [2 * D + 5 * H, "2d5h"],
  [7 * D + 23 * H, "7d23h"],
  [8 * D + 5 * H, "8d"],
  [729 * D, "729d"],
  [730 * D, "2y"],
  [731 * D, "2y1d"],
  [2919 * D, "7y364d"],
  [2920 * D, "8y"],
])("%i ms is %s", (milliseconds, text) => {
  expect(humanDuration(milliseconds)).toBe(text);
});

test("no time, no age", () => {
  const now = Date.parse("2026-11-21T12:00:00Z");
  expect(since(undefined, now)).toBe("<unknown>");
  expect(since(null, now)).toBe("<unknown>");
  expect(since("nonsense", now)).toBe("<invalid>");
  expect(since("2026-13-21T11:58:59Z", now)).toBe("<invalid>");
  expect(since("2026-11-21T11:58:59Z", now)).toBe("61s");
});
