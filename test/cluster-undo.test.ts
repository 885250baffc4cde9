/** `cluster undo` from the machine that leads it, with programs in place of the nodes that answer as kubemend does there. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { NodeJournal } from "../src/cluster/node-facts.ts";
import { reachBySsh } from "../src/operations/cluster/reach-nodes.ts";
import { undoCluster } from "../src/operations/cluster/undo-cluster.ts";

const ID = "restore-1";
const JOURNAL: NodeJournal = {
  ...{ id: ID, state: "done", digest: "d", snapshot: null, manifests: null, made: [], dataDir: null },
  ...{ revision: null, bump: null, leads: false, service: null },
};
/** Notes when each step begins and ends; m2 is slower than a node that would not wait for it. */
const NODE = `
import { appendFileSync } from "node:fs";
import { createInterface } from "node:readline";
const [, , log, journal, ...words] = process.argv;
const host = words[words.indexOf("--") - 1];
for await (const line of createInterface({ input: process.stdin })) {
  const { step } = JSON.parse(line);
  appendFileSync(log, step + " " + host + " begins\\n");
  await new Promise((resolve) => setTimeout(resolve, host === "m2" ? 300 : 20));
  appendFileSync(log, step + " " + host + " ends\\n");
  console.log('{"result":' + journal + "}");
}
`;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "cluster-undo-"));
  writeFileSync(join(directory, "node.mjs"), NODE);
});
afterEach(() => rmSync(directory, { recursive: true }));

async function undo(journal: NodeJournal | null) {
  const { signal } = new AbortController();
  const program = [process.execPath, join(directory, "node.mjs"), join(directory, "log"), JSON.stringify(journal)];
  await using ways = reachBySsh({ ssh: { program, user: undefined }, command: ["kubemend"], signal });
  const targets = ["m2", "m1"].map((name) => ({ name, address: name }));
  return await undoCluster(ID, { targets, reach: ways.to, signal, on: () => {} });
}

test("all nodes have their old data before any starts, and they start one after the other", async () => {
  expect(await undo(JOURNAL)).toEqual({ nodes: ["m2", "m1"], wasServed: true });
  const log = readFileSync(join(directory, "log"), "utf8").trim().split("\n");
  expect(log.slice(0, 4).every((line) => line.startsWith("undo-data"))).toBe(true);
  expect(log.slice(4)).toEqual([
    "undo-finish m2 begins",
    "undo-finish m2 ends",
    "undo-finish m1 begins",
    "undo-finish m1 ends",
  ]);
}, 60_000);

test.each<[state: NodeJournal["state"], revision: number | null, wasServed: boolean]>([
  ["stopped", null, false],
  ["etcd-started", 1000, false],
  ["started", 1000, true],
  ["undoing", 1000, true],
  ["undoing", null, false],
])(
  "of %s, with revision %j: whether clients may have seen what is taken back is %s",
  async (state, revision, wasServed) => {
    expect((await undo({ ...JOURNAL, state, revision })).wasServed).toBe(wasServed);
  },
  60_000,
);

test("an operation that no node knows", async () => {
  await expect(undo(null)).rejects.toMatchObject({ code: "not-found" });
}, 60_000);
