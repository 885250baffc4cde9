import { expect, test } from "vitest";
import { parseQuantity, quantityText } from "./quantity.ts";

test.each([
  ["250m", 0.25],
  ["2", 2],
  [".5", 0.5],
  ["1Gi", 2 ** 30],
  ["1.5Ki", 1536],
  ["3M", 3e6],
  ["1E", 1e18],
  ["1e3", 1000],
  ["2E-1", 0.2],
  [4, 4],
  ["1Zi", 0],
  ["", 0],
  ["cpu", 0],
  [undefined, 0],
])("%j is %d", (text, expected) => expect(parseQuantity(text)).toBeCloseTo(expected, 9));

test.each([
  [4, "2", "4"],
  [6 * 2 ** 30, "1Gi", "6Gi"],
  [0.75, "500m", "750m"],
  [0.1 + 0.2, "300m", "300m"],
  [1.5, "1", "2"],
])("%s in the unit of %s is %s", (value, like, expected) => {
  expect(quantityText(value, like)).toBe(expected);
});
