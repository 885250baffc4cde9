import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runRemote } from "./ssh.ts";

let directory: string;
let program: readonly string[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ssh-"));
  // Runs the command here, as sshd would have a shell do it there.
  const path = join(directory, "ssh");
  writeFileSync(path, '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift; exec sh -c "$*"\n');
  chmodSync(path, 0o755);
  program = [path];
});
afterEach(() => rmSync(directory, { recursive: true }));

const signal = AbortSignal.timeout(60_000);

test("words arrive as they are", async () => {
  const lines: string[] = [];
  const words = ["printf", "%s\\n", "a b", "it's", '"$HOME"', "*", ""];
  await runRemote(
    "node",
    words,
    { program, user: undefined },
    { input: [], output: (line) => lines.push(line), signal },
  );
  expect(lines).toEqual(["a b", "it's", '"$HOME"', "*", ""]);
});

test("output that its reader wants no more of is read to the end, and the command comes to its own", async () => {
  const reader = spawn("head", ["-c", "10"], { stdio: ["pipe", "pipe", "inherit"] });
  const closed = once(reader, "close");
  const ended = join(directory, "ended");
  const command = ["sh", "-c", `head -c 5000000 /dev/zero; echo ended >'${ended}'`];
  await runRemote("node", command, { program, user: undefined }, { input: [], output: reader.stdin, signal });
  reader.stdout.resume();
  expect((await closed)[0]).toBe(0);
  await runRemote("node", ["test", "-e", ended], { program, user: undefined }, { input: [], output: () => {}, signal });
});

test("input that the command wants no more of is no failure; what it says is", async () => {
  const input = Array.from({ length: 50 }, () => new Uint8Array(100_000));
  const quick = { input, output: () => {}, signal };
  await runRemote("node", ["head", "-c", "10"], { program, user: undefined }, quick);
  const failing = ["sh", "-c", "echo no space left >&2; exit 3"];
  await expect(runRemote("node", failing, { program, user: undefined }, quick)).rejects.toThrow(
    "the command on node ended with 3: no space left",
  );
});
