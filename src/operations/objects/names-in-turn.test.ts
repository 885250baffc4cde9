import { expect, test } from "vitest";
import { namesInTurn } from "./names-in-turn.ts";

test("a few values are one group, in the order in which they were given", () => {
  expect([...namesInTurn("pods", ["b/x", "a/x"], () => 10, 20)]).toEqual([["b/x", "a/x"]]);
});

test("more are groups that follow one another by namespace and name", () => {
  const names = ["a-b/one", "a/two", "a/one", "b/one", "a/three"];
  const groups = [...namesInTurn("pods", names, () => 10, 20)];
  expect(groups).toEqual([["a/one", "a/three"], ["a/two", "a-b/one"], ["b/one"]]);
});

test("a value that is larger than a group is one", () => {
  expect([...namesInTurn("minions", ["b", "a"], () => 100, 20)]).toEqual([["a"], ["b"]]);
});
