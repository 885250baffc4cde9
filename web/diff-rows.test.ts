import { expect, test } from "vitest";
import { fc, Premise } from "../test/properties.ts";
import { diffRows } from "./diff-rows.ts";

const lines = fc.array(fc.constantFrom("a", "b", "c", "  d: e", ""), { maxLength: 40 });
const text = (of: readonly string[]) => (of.length === 0 ? "" : `${of.join("\n")}\n`);

test("each side of the rows, with what is folded, is its text", () => {
  const differing = new Premise();
  fc.assert(
    fc.property(lines, lines, (before, after) => {
      const rows = diffRows(text(before), text(after));
      if (!differing.isMet(rows.length > 0)) {
        expect(before).toEqual(after);
        return;
      }
      for (const [side, expected] of [
        ["before", before],
        ["after", after],
      ] as const) {
        const rebuilt: string[] = [];
        for (const row of rows) {
          if (row.kind === "gap") rebuilt.push(...expected.slice(rebuilt.length, rebuilt.length + row.lines));
          else if (row[side] !== undefined) rebuilt.push(row[side]);
        }
        expect(rebuilt).toEqual(expected);
      }
      for (const row of rows) if (row.kind === "same") expect(row.before).toBe(row.after);
    }),
  );
  differing.expectMet(80);
});

test("one changed line is one changed row between three of context", () => {
  const before = Array.from({ length: 20 }, (_, i) => `line ${i}`);
  const rows = diffRows(text(before), text(before.with(10, "other")));
  expect(rows.map(({ kind }) => kind)).toEqual([
    "gap",
    "same",
    "same",
    "same",
    "changed",
    "same",
    "same",
    "same",
    "gap",
  ]);
  expect(rows[4]).toEqual({ kind: "changed", before: "line 10", after: "other" });
});
