import { expect, test } from "vitest";
import { tableText } from "./table.ts";

const ROWS = [
  ["CODE", "MEANS"],
  ["a", "the end of the file is missing, and so on"],
  ["bc", "/registry/pods/a-very-long-name-without-any-space"],
];

test("the last column is wrapped at the terminal's width", () => {
  expect(tableText(ROWS, { width: 30 })).toBe(`CODE   MEANS
a      the end of the file is
       missing, and so on
bc     /registry/pods/a-very-l
       ong-name-without-any-sp
       ace
`);
});

test("without a terminal, on a wide one, and on one too narrow to read, rows are lines", () => {
  const plain = tableText(ROWS);
  expect(plain.split("\n")).toHaveLength(4);
  for (const width of [200, 12]) expect(tableText(ROWS, { width })).toBe(plain);
});

test("numbers stay at the right, and rows may be shorter", () => {
  expect(tableText([["N", "KEY"], ["12", "x y z"], ["3"]], { right: [0], width: 80 })).toBe(
    " N   KEY\n12   x y z\n 3\n",
  );
});
