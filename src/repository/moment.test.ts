import { expect, test } from "vitest";
import { MendError } from "../errors/errors.ts";
import { agoText, parseMoment, parseTimeOfDay } from "./moment.ts";

const NOW = Date.parse("2026-11-29T12:00:00Z");

test.each([
  [-5_000, "in 5s"],
  [0, "0s ago"],
  [119_000, "119s ago"],
  [120_000, "2m ago"],
  [119 * 60_000, "119m ago"],
  [120 * 60_000, "2h ago"],
  [150 * 60_000, "2h30m ago"],
  [48 * 3_600_000, "2d ago"],
  [50 * 3_600_000, "2d2h ago"],
])("%d ms are %s", (milliseconds, text) => {
  expect(agoText(milliseconds)).toBe(text);
});

test("a time alone is a time, and no revision or word", () => {
  expect(parseTimeOfDay("2026-11-29T10:42:17Z", NOW)).toBe(Date.parse("2026-11-29T10:42:17Z"));
  expect(parseTimeOfDay("90m ago", NOW)).toBe(NOW - 90 * 60_000);
  for (const text of ["latest", "4711"]) expect(() => parseTimeOfDay(text, NOW)).toThrow(MendError);
});

test("what is no moment is refused with what would be one", () => {
  expect(parseMoment("latest", NOW).kind).toBe("latest");
  expect(() => parseMoment("yesterday-ish", NOW)).toThrow('"yesterday-ish" is not a moment');
});
