import { expect, test } from "vitest";
import { EndWatch } from "./end-watch.ts";

/** Looks at so many seconds: `r` something runs, `h` the kubelet holds a pod, `-` neither. */
function looks(...seen: readonly (readonly [seconds: number, what: string])[]): string[] {
  const watch = new EndWatch(0);
  return seen.map(([seconds, what]) => watch.next(what === "r", what !== "-", seconds * 1000));
}

test("it is over when nothing runs and nothing is held", () => {
  expect(looks([0, "r"], [2, "r"], [3, "h"], [4, "-"])).toEqual(["wait", "wait", "wait", "over"]);
  expect(looks([0, "-"])).toEqual(["over"]);
});

test("pods that are held with nothing in them are stopped, and watched", () => {
  const seen = looks([1, "h"], [3, "h"], [4.1, "h"], [4.3, "-"], [9, "-"], [9.2, "-"]);
  expect(seen).toEqual(["wait", "wait", "stop held", "wait", "wait", "over"]);
});

test("a kubelet that makes them again is waited for, and they are stopped again", () => {
  const seen = looks([0, "h"], [4, "h"], [5, "h"], [6, "r"], [8, "h"], [10, "h"], [11.5, "h"], [15, "-"], [17, "-"]);
  expect(seen).toEqual(["wait", "stop held", "wait", "wait", "wait", "wait", "stop held", "wait", "over"]);
});

test("at last it is over when nothing runs, whatever is held, and never while something does", () => {
  expect(looks([1, "r"], [44, "h"], [46, "h"])).toEqual(["wait", "wait", "over"]);
  expect(looks([46, "r"], [100, "r"], [101, "h"])).toEqual(["wait", "wait", "over"]);
});
