import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { PICTURE, picture } from "../../tools/terminal-picture.ts";

test("the README's terminal shows what the recorded run printed", () => {
  expect(readFileSync(PICTURE, "utf8")).toBe(picture());
  expect(picture()).toContain("kubemend rescue scheduler");
});
