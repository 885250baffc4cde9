/** Tables that name the fields that they look at: the row of these fields is the row of the whole object. */
import { expect, test } from "vitest";
import { SNAPSHOTS, storedVersions } from "../../../test/fixture-values.ts";
import type { KubeObject } from "../../kube/object.ts";
import { decodeValue } from "../../storage/decode.ts";
import { builtInTable } from "./built-in.ts";
import { shownFields } from "./table-rows.ts";

const now = Date.parse("2026-11-29T12:00:00Z");

test.each(["pods", "events", "leases"])("rows of %s need no other fields", (plural) => {
  const table = builtInTable(plural);
  const values = SNAPSHOTS.flatMap(storedVersions).filter(({ key }) => key.startsWith(`/registry/${plural}/`));
  const usualCells = (object: KubeObject) => table.row(object, { now }).filter((_, i) => !table.columns[i]?.wide);
  let rows = 0;
  for (const value of values) {
    const whole = decodeValue(value);
    const chosen = decodeValue(value, undefined, table.fields);
    if (whole.state !== "object" || chosen.state !== "object") throw new Error(value.key);
    expect(table.row(chosen.object, { now })).toEqual(table.row(whole.object, { now }));
    expect(chosen.object.metadata.labels).toEqual(whole.object.metadata.labels);
    const usual = decodeValue(value, undefined, shownFields(table, { wide: false }));
    if (usual.state !== "object") throw new Error(value.key);
    expect(usualCells(usual.object)).toEqual(usualCells(whole.object));
    expect(usual.object.metadata.labels).toEqual(whole.object.metadata.labels);
    rows += 1;
  }
  expect(table.fields).toBeDefined();
  expect(rows).toBeGreaterThan(50);
});
