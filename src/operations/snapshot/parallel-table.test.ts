/** The table of a snapshot that is large enough for threads is the table that one thread makes of it, damaged or not. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { generateSnapshot } from "../../../bench/generate-snapshot.ts";
import { objectTable, type TableOptions } from "../../cli/reports/object-table.ts";
import { alignedRows } from "../../cli/terminal/aligned-rows.ts";
import { defined } from "../../errors/defined.ts";
import { fileIdentity } from "../../io/files/file-identity.ts";
import { openFileSource } from "../../io/files/file-source.ts";
import { parseLabelSelector } from "../../kube/label-selector.ts";
import { headerCells, type TableItem, tableOf } from "../../kubeapi/columns/table-rows.ts";
import type { FoundObject } from "../../snapshot/found-objects.ts";
import { type GetOptions, getObjects } from "./get-objects.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-table-"));
const whole = join(directory, "whole.db");
const damaged = join(directory, "damaged.db");
const MAGIC = Buffer.from("k8s\0");

beforeAll(() => {
  generateSnapshot(whole, { pods: 8000, history: 500, seed: 7 });
  const bytes = readFileSync(whole);
  let random = 1;
  const draw = (below: number): number => {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    return Math.floor((random / 2 ** 32) * below);
  };
  // A byte of every tenth value, in names, labels, lengths and numbers; some become characters that are no ASCII.
  for (let at = bytes.indexOf(MAGIC); at >= 0; at = bytes.indexOf(MAGIC, at + 1)) {
    if (draw(10) !== 0) continue;
    const place = at + 4 + draw(400);
    if (draw(2) === 0) bytes[place] = draw(256);
    else bytes.write("é", place, "utf8");
  }
  writeFileSync(damaged, bytes);
});
afterAll(() => rmSync(directory, { recursive: true }));

const TABLE: TableOptions = {
  now: Date.parse("2026-11-29T12:00:00Z"),
  wide: true,
  withNamespace: true,
  withKind: true,
  headers: true,
  showLabels: true,
  labelColumns: ["app"],
};

interface Table {
  readonly text: string;
  readonly unreadable: readonly FoundObject[];
  readonly findings: readonly unknown[];
}

async function tableOfPods(path: string, isThreaded: boolean, options: Partial<GetOptions> = {}): Promise<Table> {
  using found = await getObjects(path, {
    requests: [{ resources: "pods", names: [] }],
    namespace: undefined,
    selector: parseLabelSelector(""),
    ...options,
  });
  const group = defined(found.groups[0]);
  const { resource } = group;
  if (isThreaded) {
    const { rows, widths, unreadable } = defined(await group.rows(TABLE, 1000));
    // A part of bytes is valid until the next one: what is kept is made anew.
    const text = Array.from(alignedRows(headerCells(resource, tableOf(resource), TABLE), rows, widths), (part) =>
      typeof part === "string" ? part : Buffer.from(part).toString("utf8"),
    ).join("");
    return { text, unreadable, findings: found.findings() };
  }
  const unreadable: FoundObject[] = [];
  function* items(): Generator<TableItem> {
    for (const each of group.items(tableOf(resource).fields)) {
      const { namespace, name, found } = each;
      if (found.state === "object") yield { namespace, name, object: found.object };
      else {
        unreadable.push(each);
        yield { namespace, name, state: found.state };
      }
    }
  }
  const text = [...objectTable(resource, items(), TABLE)].join("");
  return { text, unreadable, findings: found.findings() };
}

test.each([
  ["all", {}],
  ["those of labels", { selector: parseLabelSelector("tier=control-plane") }],
  ["those of a field", { fieldSelector: "status.phase=Running" }],
])("threads make the table that one makes: %s", async (_, options) => {
  const one = await tableOfPods(whole, false, options);
  expect(one.text.split("\n").length).toBeGreaterThan(7000);
  expect(one.findings).toEqual([]);
  expect(await tableOfPods(whole, true, options)).toEqual(one);
});

test("threads make the table that one makes of damaged values, and name the same damage", async () => {
  const one = await tableOfPods(damaged, false);
  const several = await tableOfPods(damaged, true);
  expect(one.unreadable.length).toBeGreaterThan(100);
  expect(one.text).toMatch(/é/);
  expect(several).toEqual(one);
});

test("a few objects start no thread, whether a sweep or an index finds them", async (context) => {
  const now = () => Date.now() + 60_000; // the file was changed a moment ago, which proves nothing
  const source = openFileSource(whole);
  const isIdentified = fileIdentity(source.descriptor, source, now()) !== undefined;
  source.close();
  if (!isIdentified) return context.skip();
  let threads = 0;
  const count = (): void => void threads++;
  const keyIndex = { directory: join(directory, "cache", "kubemend"), leastBytes: 0, now };
  const lookUp = async (): Promise<string> => {
    using found = await getObjects(whole, {
      requests: [{ resources: "namespaces", names: [] }],
      namespace: undefined,
      selector: parseLabelSelector(""),
      keyIndex,
    });
    const group = defined(found.groups[0]);
    expect(await group.rows(TABLE)).toBeUndefined();
    return Array.from(group.items(), ({ name }) => name).join(" ");
  };
  process.on("worker", count);
  try {
    const first = await lookUp();
    expect(first).toContain("kube-system");
    expect(await lookUp()).toBe(first);
    await setImmediate(); // the event comes later
    expect(threads).toBe(0);
  } finally {
    process.off("worker", count);
  }
});
