/**
 * An operation that an older kubemend has begun on a node is continued and taken back by this one. The journals of
 * `recorded/journals.jsonl` were written by two older versions, after each step on the node of `power/node-jobs.ts`.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { nodeJournalSchema } from "../src/cluster/node-facts.ts";
import { readJournal, readJournals, writeJournal } from "../src/operations/cluster/node/journal.ts";
import {
  canIsolate,
  checkKept,
  checkRestored,
  ID,
  journalOf,
  keepIdentity,
  makeNode,
  restoreSteps,
  SNAPSHOT,
  stateOf,
  take,
  UNDO_STEPS,
} from "./power/node-jobs.ts";

interface Recorded {
  readonly writer: string;
  readonly after: string;
  readonly journal: Record<string, unknown>;
}

const lines = readFileSync(join(import.meta.dirname, "recorded/journals.jsonl"), "utf8")
  .trim()
  .split("\n");
const RECORDED = lines.map((line) => JSON.parse(line) as Recorded);
const FILES = "without files and services";
const RUNTIME = "before static pods were ended by the runtime";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "older-journals-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

test("each is read, and loses nothing when it is written again", async () => {
  expect(RECORDED).toHaveLength(17);
  for (const { journal } of RECORDED) {
    const read = nodeJournalSchema.parse(journal);
    await writeJournal(read, directory);
    expect(readJournal(ID, directory)).toEqual({ made: [], service: null, ...journal });
  }
});

test.each([
  [
    "its data directory without an identity, as the very first had it",
    { dataDir: { path: "/var/lib/etcd", movedAside: null } },
  ],
  ["a state that only a newer version knows", { state: "proving" }],
])("refused with what to do: %s", (_, change) => {
  const journal = { ...RECORDED.at(-1)?.journal, ...change };
  mkdirSync(join(directory, ID));
  writeFileSync(join(directory, ID, "journal.json"), JSON.stringify(journal));
  const refusal = { code: "config-invalid", hint: expect.stringContaining("with the version that began it") };
  expect(() => readJournals(directory)).toThrow(expect.objectContaining(refusal));
});

/** The node after a step of this version, with the journal that the older one wrote after it. */
function nodeAfter(writer: string, after: string): { readonly node: string; readonly inputs: string } {
  const [node, inputs] = [join(directory, "node"), join(directory, "inputs")];
  mkdirSync(node);
  mkdirSync(inputs);
  makeNode(node);
  const steps = [...restoreSteps(SNAPSHOT), ...UNDO_STEPS];
  take(node, inputs, steps.slice(0, steps.findIndex(({ step }) => step === after) + 1));
  const journal = RECORDED.find((each) => each.writer === writer && each.after === after)?.journal;
  writeFileSync(join(node, "var/lib/kubemend/cluster", ID, "journal.json"), JSON.stringify(journal));
  keepIdentity(node);
  return { node, inputs };
}

describe.skipIf(!canIsolate)("on a node", () => {
  test.each([
    [FILES, "restore"],
    [RUNTIME, "start-etcd"],
  ])(
    "written %s, after %s: continued",
    (writer, after) => {
      const { node, inputs } = nodeAfter(writer, after);
      take(node, inputs, restoreSteps(SNAPSHOT));
      expect(journalOf(node)?.state).toBe("done");
      checkKept(node);
      checkRestored(node);
    },
    60_000,
  );

  test.each([
    [FILES, "restore"],
    [RUNTIME, "undo-data"],
  ])(
    "written %s, after %s: taken back",
    (writer, after) => {
      const { node, inputs } = nodeAfter(writer, after);
      take(node, inputs, UNDO_STEPS);
      expect(journalOf(node)?.state).toBe("undone");
      const before = join(directory, "before");
      mkdirSync(before);
      makeNode(before);
      expect(stateOf(node)).toEqual(stateOf(before));
    },
    60_000,
  );
});
