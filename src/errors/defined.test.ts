import { expect, test } from "vitest";
import { defined } from "./defined.ts";

test("what is there is returned, with its falsy values", () => {
  expect([0, "", false, null].map((value) => defined(value))).toEqual([0, "", false, null]);
});

test("what is missing is a mistake of our own", () => {
  expect(() => defined(undefined)).toThrow(expect.objectContaining({ code: "internal" }));
});
