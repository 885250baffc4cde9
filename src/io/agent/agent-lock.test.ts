import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
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
  first.release();
  (await second).release();
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
  (await next).release();
  expect(waited).toBe(true);
});

test.runIf(process.geteuid?.() === 0).each([
  ["a pipe", ["mkfifo", "PATH"]],
  ["a directory", ["mkdir", "PATH"]],
  ["a directory with something in it", ["mkdir", "-p", "PATH/inside"]],
  ["a link", ["ln", "-s", "/etc/passwd", "PATH"]],
  ["a link to nothing", ["ln", "-s", "nowhere", "PATH"]],
])("%s of another user in its place does not keep us from it", async (_, [program = "", ...words]) => {
  mkdirSync(join(directory, "run"));
  chmodSync(join(directory, "run"), 0o1777);
  chmodSync(directory, 0o755);
  const argv = words.map((word) => word.replace("PATH", path));
  expect(spawnSync(program, argv, { uid: 1000, gid: 1000 }).status).toBe(0);
  const lock = await takeAgentLock(path, signal, () => expect.unreachable("nobody holds it"));
  expect(statSync(path)).toMatchObject({ uid: 0, size: `${process.pid}\n`.length });
  expect(lstatSync(path).isFile()).toBe(true);
  lock.release();
});

test.runIf(process.geteuid?.() === 0)("another user cannot keep it, though the directory is everybody's", async () => {
  mkdirSync(join(directory, "run"));
  chmodSync(join(directory, "run"), 0o1777);
  writeFileSync(path, "");
  chownSync(path, 1000, 1000);
  chmodSync(directory, 0o755);
  // The other user holds it, as far as that is theirs.
  const child = spawn("flock", [path, "sh", "-c", "echo held; sleep 60"], {
    uid: 1000,
    gid: 1000,
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  await once(child.stdout, "data");
  try {
    const lock = await takeAgentLock(path, signal, () => expect.unreachable("it is not theirs to hold"));
    expect(statSync(path).uid).toBe(0);
    expect(statSync(path).mode & 0o7777).toBe(0o600);
    lock.release();
  } finally {
    process.kill(-child.pid!, "SIGKILL");
  }
});

test("a link in its place is not written through", async () => {
  mkdirSync(join(directory, "run"));
  writeFileSync(join(directory, "precious"), "precious");
  symlinkSync("../precious", path);
  await expect(takeAgentLock(path, signal, () => {})).rejects.toMatchObject({ code: "already-exists" });
  expect(readFileSync(join(directory, "precious"), "utf8")).toBe("precious");
});

test("waiting ends with the signal", async () => {
  const held = await takeAgentLock(path, signal, () => {});
  const stop = new AbortController();
  const waiting = takeAgentLock(path, stop.signal, () => stop.abort());
  await expect(waiting).rejects.toThrow();
  held.release();
});
