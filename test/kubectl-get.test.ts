/**
 * `snapshot get` against kubectl: `kubectl-get.json.gz` in two fixtures holds what kubectl 1.20.2 printed for some
 * commands, from a real API server on an etcd with the objects of the fixture's snapshot, and when. Most answers must
 * be the same text. Kubernetes has changed some tables since: there, every column that both have is compared cell by
 * cell, and the rules below say what else may differ.
 */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { run } from "../src/cli/run.ts";
import { common, FIXTURES, type Row, readRecorded, tables } from "./kubectl-tables.ts";

async function get(fixture: string, args: readonly string[], now: number) {
  const written = { stdout: "", stderr: "" };
  const sink = (name: "stdout" | "stderr") => ({
    isTTY: false,
    columns: undefined,
    write(text: string) {
      written[name] += text;
      return Promise.resolve();
    },
  });
  const code = await run(["snapshot", "get", join(FIXTURES, fixture, "snapshot.db.gz"), ...args], {
    stdout: sink("stdout"),
    stderr: sink("stderr"),
    env: {},
    cwd: FIXTURES,
    now: () => now,
    signal: new AbortController().signal,
  });
  return { code, ...written };
}

/** A conversion webhook that is not there fails kubectl; it does not concern a file. */
const NEEDS_WEBHOOK = "hooks.conv.fx.example.com";

describe.each([
  ["k120-broad", 107],
  ["kubectl-tables", 15],
])("%s", (fixture, mostlySame) => {
  const recorded = readRecorded(fixture, "kubectl-get.json.gz").filter(({ args }) => args[1] !== NEEDS_WEBHOOK);
  let same = 0;

  test.each(recorded.map((each) => [each.args.join(" "), each] as const))("%s", async (_, expected) => {
    const actual = await get(fixture, expected.args.slice(1), expected.now);
    expect(actual.code).toBe(expected.code);
    if (expected.stderr.startsWith("No resources found")) expect(actual.stderr).toBe(expected.stderr);
    if (actual.stdout === expected.stdout) {
      same++;
      return;
    }
    if (expected.args.includes("name")) {
      // Cron jobs come before jobs since they are in batch/v1.
      expect(actual.stdout.split("\n").sort()).toEqual(expected.stdout.split("\n").sort());
      return;
    }
    const [ours, theirs] = [actual.stdout, expected.stdout].map((text) =>
      [...tables(text)].sort((a, b) => ((a[0]?.NAME ?? "") < (b[0]?.NAME ?? "") ? -1 : 1)),
    ) as [Row[][], Row[][]];
    expect(ours.map((table) => table.length)).toEqual(theirs.map((table) => table.length));
    for (const [i, table] of theirs.entries()) {
      for (const [j, row] of table.entries()) expect(common(ours[i]![j]!, row)).toEqual(common(row, ours[i]![j]!));
      expect(Object.keys(common(table[0]!, ours[i]![0]!)).length).toBeGreaterThanOrEqual(2);
    }
  });

  test("most of it to the letter", () => expect(same).toBeGreaterThanOrEqual(mostlySame));
});

describe("documents are kubectl's to the letter", () => {
  const recorded = readRecorded("kubectl-tables", "kubectl-documents.json.gz");

  test.each(recorded.map((each) => [each.args.join(" "), each] as const))("%s", async (_, { args, stdout }) => {
    const actual = await get("kubectl-tables", [...args.slice(1), "--show-managed-fields"], 0);
    // Older API servers write this where the metadata of a template has no time; it is not stored.
    expect(actual.stdout).toBe(stdout.replace(/^ *"?creationTimestamp"?: null,?\n/gm, ""));
  });
});
