/**
 * What `cluster restore` and its undo change on a node is in that node's audit log, all of it: the files before and
 * afterwards are compared, and whatever differs is the target of a line, or below one.
 */
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Change } from "../src/io/audit/audit-trail.ts";
import type { StepRequest } from "../src/operations/cluster/node/run-step.ts";
import { expectAudited } from "./audited.ts";
import { canIsolate, makeNode, restoreSteps, SNAPSHOT, take, UNDO_STEPS } from "./power/node-jobs.ts";
import { AUDIT } from "./power/node-steps.ts";

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "audited-node-"));
});
afterEach(() => {
  delete process.env[AUDIT];
  rmSync(base, { recursive: true });
});

/** What kubemend keeps of the operation itself is its own record of it. */
const OWN = /^\/var\/lib\/kubemend(\/|$)/;

/** By path on the node: what it is. Of directories only that they are there: their times change with what is in them. */
function treeOf(node: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const each of readdirSync(node, { recursive: true, withFileTypes: true })) {
    const path = join(each.parentPath, each.name);
    const { mode, uid, gid } = lstatSync(path);
    const content = each.isFile() ? createHash("sha256").update(readFileSync(path)).digest("hex") : "";
    found.set(`/${relative(node, path)}`, `${mode.toString(8)} ${uid}:${gid} ${content}`);
  }
  return found;
}

function changedPaths(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): readonly string[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((path) => before.get(path) !== after.get(path) && !OWN.test(path))
    .sort();
}

describe.skipIf(!canIsolate)("on a node", () => {
  test("everything that a restore and its undo change has a line", { timeout: 120_000 }, () => {
    const [node, inputs] = [join(base, "node"), join(base, "inputs")];
    for (const path of [node, inputs]) mkdirSync(path);
    makeNode(node);
    const runs: readonly (readonly [string, readonly StepRequest[]])[] = [
      ["restore", restoreSteps(SNAPSHOT)],
      ["undo", UNDO_STEPS],
    ];
    for (const [name, steps] of runs) {
      const log = join(base, `${name}.jsonl`);
      writeFileSync(log, "");
      process.env[AUDIT] = log;
      const before = treeOf(node);
      take(node, inputs, steps);
      const changed = changedPaths(before, treeOf(node));
      expect(changed.length, `${name} changes something`).toBeGreaterThan(3);
      const lines = readFileSync(log, "utf8").trimEnd().split("\n");
      const changes = lines.map((line) => JSON.parse(line) as Change);
      expectAudited("cluster node", changes);
      const targets = changes.flatMap(({ target, from }) => [target, ...(from === undefined ? [] : [from])]);
      const silent = changed.filter((path) => !targets.some((each) => path === each || path.startsWith(`${each}/`)));
      expect(silent, `what ${name} changed without a line`).toEqual([]);
    }
  });
});
