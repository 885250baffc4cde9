/**
 * `serve` against a real API server: kubectl 1.36 asks our server what `kubectl-get.json.gz` has recorded of kubectl
 * 1.20.2 and a real API server 1.20.2 that held the same objects.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { common, FIXTURES, type Row, readRecorded, tables } from "../kubectl-tables.ts";
import { findProgram } from "../programs.ts";
import { serveFile, type TestServer } from "../serving.ts";

const SUITE = "sid";
/** A conversion webhook that is not there fails kubectl; ours shows what is stored. */
const NEEDS_WEBHOOK = "hooks.conv.fx.example.com";
/** Groups and short forms that this server does not have: what is in them is in a newer group. */
const OTHERWISE = new Set(["ingresses.extensions"]);

describe.skipIf(findProgram(SUITE, "kubectl") === undefined).each([
  ["k120-broad", 95],
  ["kubectl-tables", 10],
])("%s", (fixture, mostlySame) => {
  let server: TestServer;
  let same = 0;
  beforeAll(async () => {
    server = await serveFile(join(FIXTURES, fixture, "snapshot.db.gz"));
  });
  afterAll(() => server.stop());

  const recorded = readRecorded(fixture, "kubectl-get.json.gz").filter(
    ({ args }) => args[1] !== NEEDS_WEBHOOK && !OTHERWISE.has(args[1]!),
  );
  test.each(recorded.map((each) => [each.args.join(" "), each] as const))("%s", async (_, expected) => {
    server.setNow(expected.now);
    const actual = await server.kubectl(SUITE, ...expected.args);
    expect(actual).toMatchObject({ code: expected.code });
    if (expected.stderr !== "") expect(actual.stderr).toBe(expected.stderr);
    if (actual.stdout === expected.stdout) {
      same++;
      return;
    }
    if (expected.args.includes("name")) {
      expect(actual.stdout.split("\n").sort()).toEqual(expected.stdout.split("\n").sort());
      return;
    }
    const [ours, theirs] = [actual.stdout, expected.stdout].map((text) =>
      [...tables(text)].sort((a, b) => ((a[0]?.NAME ?? "") < (b[0]?.NAME ?? "") ? -1 : 1)),
    ) as [Row[][], Row[][]];
    expect(ours.map((table) => table.length)).toEqual(theirs.map((table) => table.length));
    for (const [i, table] of theirs.entries()) {
      for (const [j, row] of table.entries()) expect(common(ours[i]![j]!, row)).toEqual(common(row, ours[i]![j]!));
    }
  });

  test("most of it to the letter", () => expect(same).toBeGreaterThanOrEqual(mostlySame));
});
