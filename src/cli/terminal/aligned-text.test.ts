import { expect, test } from "vitest";
import { firstLine } from "../../kubeapi/columns/table-rows.ts";
import { alignedText } from "./aligned-text.ts";

test("columns are three apart and six wide at least; the last one is left as it is", () => {
  expect(
    alignedText([
      ["A", "LONGER", "LAST"],
      ["1", "x", ""],
      ["2", "Ünicode 🎈", "y"],
    ]),
  ).toBe("A     LONGER      LAST\n1     x           \n2     Ünicode 🎈   y\n");
});

test("rows may be shorter", () => {
  expect(alignedText([["A", "B"], ["a long cell"]])).toBe("A     B\na long cell\n");
  expect(alignedText([])).toBe("");
});

test("a cell is one line and does not steer the terminal", () => {
  expect(firstLine("one\ntwo")).toBe("one...");
  expect(alignedText([["red \u001b[31m bell \u0007", "one\ntwo"]])).toBe("red \\u001b[31m bell \\u0007   one\\ntwo\n");
});
