import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { takeAgentLock } from "./agent-lock.ts";

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-lock-"));
  path = join(directory, "run/agent.lock");
});
afterEach(() => rmSync(directory, { recursive: true }));

const signal = AbortSignal.timeout(30_000);

test("one has it, the next gets it when that one lets go", async () => {
  const first = await takeAgentLock(path, signal, () => {});
  expect(readFileSync(path, "utf8")).toBe(`${process.pid}\n`);
  let waited = 0;
  let hasIt = false;
  const second = takeAgentLock(path, signal, () => waited++).then((lock) => {
    hasIt = true;
    return lock;
  });
  while (waited === 0) await new Promise((done) => setTimeout(done, 5));
  expect(hasIt).toBe(false);
  await first.release();
  await (await second).release();
  expect(waited).toBe(1);
});

test("a process that is killed holds it no more", async () => {
  const holder = `
    const { takeAgentLock } = await import(process.argv[1]);
    await takeAgentLock(process.argv[2], AbortSignal.timeout(60_000), () => {});
    console.log("has it");
    setInterval(() => {}, 1000);`;
  const module = join(import.meta.dirname, "agent-lock.ts");
  const child = spawn(process.execPath, ["--input-type=module", "-e", holder, module, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  let waited = false;
  const next = takeAgentLock(path, signal, () => {
    waited = true;
    child.kill("SIGKILL");
  });
  await (await next).release();
  expect(waited).toBe(true);
});

test("waiting ends with the signal", async () => {
  const held = await takeAgentLock(path, signal, () => {});
  const stop = new AbortController();
  const waiting = takeAgentLock(path, stop.signal, () => stop.abort());
  await expect(waiting).rejects.toThrow();
  await held.release();
});
