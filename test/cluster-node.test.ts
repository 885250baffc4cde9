/** `kubemend cluster node` as an operation drives it: step after step over one connection, and from an older kubemend. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { callNode, type Reach } from "../src/operations/cluster/nodes.ts";
import { reachBySsh } from "../src/operations/cluster/reach-nodes.ts";

const KUBEMEND = [process.execPath, join(import.meta.dirname, "../src/cli/main.ts")];
const target = { name: "m1", address: "10.0.0.11" };
const { signal } = new AbortController();

let directory: string;
let ssh: Reach["ssh"];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "cluster-node-"));
  const path = join(directory, "ssh");
  const note = `echo >>'${directory}/starts'`;
  writeFileSync(path, `#!/bin/sh\n${note}\nwhile [ "$1" != -- ]; do shift; done; shift; exec sh -c "$*"\n`);
  chmodSync(path, 0o755);
  ssh = { program: [path], user: undefined };
});
afterEach(() => rmSync(directory, { recursive: true }));

const starts = (): number => readFileSync(join(directory, "starts"), "utf8").length;

test("steps that succeed and fail go over one connection", async () => {
  await using ways = reachBySsh({ ssh, command: KUBEMEND, signal });
  const reach = await ways.to(target);
  const files = () => callNode(target, { step: "read-files", paths: [] }, reach, { signal });
  expect(await files()).toEqual([]);
  await expect(callNode(target, { step: "find-data", id: "restore-none" }, reach, { signal })).rejects.toMatchObject({
    code: "not-found",
    message: expect.stringContaining('node "m1": '),
  });
  expect(await files()).toEqual([]);
  expect(starts()).toBe(1);
  // Beside one that is under way there is a connection of its own.
  expect(await Promise.all([files(), files()])).toEqual([[], []]);
  expect(starts()).toBe(2);
}, 60_000);

test("a request that does not say what follows it is the last", () => {
  const head = JSON.stringify({ step: "read-files", paths: [] });
  const [program = "", ...words] = KUBEMEND;
  const input = `${head}\n${head}\n`;
  const { status, stdout } = spawnSync(program, [...words, "cluster", "node"], { input, encoding: "utf8" });
  expect([status, stdout]).toEqual([0, '{"result":[]}\n']);
}, 60_000);

test("no request at all is a mistake of whoever typed it", () => {
  const [program = "", ...words] = KUBEMEND;
  const { status, stdout } = spawnSync(program, [...words, "cluster", "node"], { input: "", encoding: "utf8" });
  expect([status, JSON.parse(stdout).error.code]).toEqual([1, "usage"]);
}, 60_000);
