import { expect, test } from "vitest";
import { parseQuantity } from "./quantity.ts";

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
