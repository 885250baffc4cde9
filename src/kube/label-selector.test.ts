import { expect, test } from "vitest";
import { MendError } from "../errors/errors.ts";
import { matchesLabels, parseLabelSelector } from "./label-selector.ts";

const labels = { app: "web", tier: "front", n: "5", "example.com/role": "" };

test.each([
  ["", true],
  ["app", true],
  ["!app", false],
  ["!other", true],
  ["app=web", true],
  ["app==web", true],
  ["app=db", false],
  ["app!=db", true],
  ["other!=db", true],
  ["other=db", false],
  ["app = web , tier=front", true],
  ["app=web,tier=back", false],
  ["app in (web,db)", true],
  ["app in (db, cache)", false],
  ["app notin (db)", true],
  ["other notin (db)", true],
  ["app notin (web, db)", false],
  ["app in (web,db),tier notin (back)", true],
  ["example.com/role", true],
  ["example.com/role=", true],
  ["n>4", true],
  ["n>5", false],
  ["n<6", true],
  ["app>1", false],
])("%j", (selector, expected) => {
  expect(matchesLabels(parseLabelSelector(selector), labels)).toBe(expected);
});

test("no labels", () => {
  expect(matchesLabels(parseLabelSelector("app"), undefined)).toBe(false);
  expect(matchesLabels(parseLabelSelector("!app,a!=b"), undefined)).toBe(true);
});

test.each(["=web", "app in web", "app in (a", "a b", "app>x", "app=web=x", "(a)"])("%j is refused", (selector) => {
  expect(() => parseLabelSelector(selector)).toThrow(MendError);
});
