import { expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import { diffLines, type Hunk } from "./line-diff.ts";

function applyHunks(before: readonly string[], hunks: readonly Hunk[]): string[] {
  const result: string[] = [];
  let at = 0;
  for (const { beforeStart, afterStart, lines } of hunks) {
    while (at < beforeStart - 1) result.push(before[at++]!);
    expect(result.length).toBe(afterStart - 1);
    for (const line of lines) {
      if (line[0] === "+") result.push(line.slice(1));
      else {
        expect(before[at]).toBe(line.slice(1));
        if (line[0] === " ") result.push(before[at]!);
        at++;
      }
    }
  }
  return [...result, ...before.slice(at)];
}

const text = fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 40 });

test("hunks make the newer text of the older one, whatever the context", () => {
  fc.assert(
    fc.property(text, text, fc.nat(4), (before, after, context) => {
      expect(applyHunks(before, diffLines(before, after, context))).toEqual(after);
    }),
    { numRuns: 3000 },
  );
});

test("the fewest lines are changed", () => {
  const [hunk, ...more] = diffLines([..."abcabba"], [..."cbabac"]);
  expect(more).toEqual([]);
  expect(hunk!.lines.filter((line) => line[0] !== " ")).toHaveLength(5);
});

test("texts that differ everywhere are shown as replaced", () => {
  const before = Array.from({ length: 3000 }, (_, i) => `a${i}`);
  const after = Array.from({ length: 3000 }, (_, i) => `b${i}`);
  expect(applyHunks(before, diffLines(before, after))).toEqual(after);
});

test("distant changes are hunks of their own", () => {
  const before = Array.from({ length: 100 }, (_, i) => `${i}`);
  const after = before.with(10, "x").with(50, "y");
  expect(diffLines(before, after).map(({ beforeStart, lines }) => [beforeStart, lines.length])).toEqual([
    [8, 8],
    [48, 8],
  ]);
});
