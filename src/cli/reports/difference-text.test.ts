import { expect, test } from "vitest";
import type { ObjectDifference } from "../../operations/objects/diff.ts";
import { DifferenceTable } from "./difference-text.ts";

const difference = (number: number): ObjectDifference => ({
  ...{ change: "added", path: "configmaps", namespace: "default", name: `settings-${number}`, kind: "ConfigMap" },
  ...{ apiVersion: "v1", fields: [], recreated: false, before: undefined, after: undefined },
});

test("very many differences are printed in pieces, under one header", () => {
  const table = new DifferenceTable(false);
  const pieces: string[] = [];
  for (let i = 0; i < 25_000; i++) {
    table.add(difference(i));
    if (table.isFull) pieces.push(table.take());
  }
  pieces.push(table.take());
  expect(pieces.length).toBe(3);
  const lines = pieces.join("").trimEnd().split("\n");
  expect(lines.filter((line) => line.startsWith("CHANGE"))).toHaveLength(1);
  expect(lines[0]).toMatch(/^CHANGE +NAMESPACE +OBJECT/);
  const names = lines.slice(1).map((line) => line.trim().split(/ +/)[2]);
  expect(names).toEqual(Array.from({ length: 25_000 }, (_, i) => `configmap/settings-${i}`));
  expect(table.take()).toBe("");
});

test("no difference, no table", () => {
  expect(new DifferenceTable(false).take()).toBe("");
});
