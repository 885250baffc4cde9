import { expect, test } from "vitest";
import { isElement, tagText, tagTexts } from "./xml-text.ts";

test("texts of elements, by their whole names", () => {
  const xml = '<Keys>no</Keys><Key>a&amp;b</Key><Key kind="x">c&#100;&#x65;</Key><Key></Key>';
  expect([...tagTexts(xml, "Key")]).toEqual(["a&b", "cde", ""]);
  expect(tagText(xml, "Size")).toBeUndefined();
});

test.each([
  ["an entity that is no character", "<Key>&#99999999999;&#x110000;&nbsp;</Key>", ["&#99999999999;&#x110000;&nbsp;"]],
  ["one that does not end", "<Key>a</Key><Key>b", ["a"]],
  ["a tag that does not end", "<Key", []],
])("%s", (_, xml, expected) => {
  expect([...tagTexts(xml, "Key")]).toEqual(expected);
});

test("elements that never end are passed over once", () => {
  expect([...tagTexts("<Key>".repeat(2_000_000), "Key")]).toEqual([]);
});

test.each([
  ['<?xml version="1.0" encoding="UTF-8"?>\n<List xmlns="x"><Name>b</Name></List>\n', true],
  ["<List></List>", true],
  ["<List/>", true],
  ["<List><Name>b</Name>", false],
  ["<Lists></Lists>", false],
  ["<html><List></List></html>", false],
  ["", false],
])("%j is a list: %s", (xml, expected) => {
  expect(isElement(xml, "List")).toBe(expected);
});
