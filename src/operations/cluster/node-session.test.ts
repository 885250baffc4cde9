import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runRemote } from "../../io/ssh/ssh.ts";
import { NodeSession } from "./node-session.ts";

let directory: string;
let ssh: { readonly program: readonly string[]; readonly user: undefined };
let starts: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "session-"));
  const path = join(directory, "ssh");
  starts = join(directory, "starts");
  // Runs the command here, as sshd would have a shell do it there.
  writeFileSync(path, `#!/bin/sh\necho >>'${starts}'\nwhile [ "$1" != -- ]; do shift; done; shift; exec sh -c "$*"\n`);
  chmodSync(path, 0o755);
  ssh = { program: [path], user: undefined };
});
afterEach(() => rmSync(directory, { recursive: true }));

const times = (): number => readFileSync(starts, "utf8").length;
const line = (text: string): Uint8Array => new TextEncoder().encode(`${text}\n`);

/** Its answer, up to the line that says so. */
async function ask(session: NodeSession, head: Uint8Array, payload?: Uint8Array[]): Promise<string[]> {
  const lines: string[] = [];
  const onLine = (text: string): boolean => lines.push(text) > 0 && text.startsWith("done");
  await session.ask({ head, onLine, ...(payload === undefined ? {} : { payload }) });
  return lines;
}

function open(script: string, signal = new AbortController().signal): NodeSession {
  return new NodeSession("node", ["sh", "-c", script], ssh, signal);
}

const ECHO = "while read -r word; do echo heard; echo done $word; done";

test("one command answers request after request, and ends when it is closed", async () => {
  const ended = join(directory, "ended");
  const session = open(`${ECHO}; echo >'${ended}'`);
  expect(await ask(session, line("a"))).toEqual(["heard", "done a"]);
  expect(await ask(session, line("b"))).toEqual(["heard", "done b"]);
  expect([times(), session.isBusy, existsSync(ended)]).toEqual([1, false, false]);
  await session.close();
  expect(existsSync(ended)).toBe(true);
});

test("a payload follows its request, and another request follows that", async () => {
  const session = open("while read -r count; do head -c $count | cksum | sed 's/^/done /'; done");
  const payload = [new Uint8Array(300_000).fill(1), new Uint8Array(5).fill(2)];
  const [first] = await ask(session, line("300005"), payload);
  const [second] = await ask(session, line("0"), []);
  expect([first, second]).toEqual([expect.stringMatching(/ 300005$/), "done 4294967295 0"]);
  await session.close();
});

test("one that has ended meanwhile is started again for the next request", async () => {
  const session = open("read -r word; echo done $word");
  expect(await ask(session, line("a"))).toEqual(["done a"]);
  expect(await ask(session, line("b"))).toEqual(["done b"]);
  expect(times()).toBe(2);
  await session.close();
});

test("one that ends amid a request does not begin it again by itself", async () => {
  const session = open("read -r word; echo done $word; read -r word; echo heard; exit 7");
  expect(await ask(session, line("a"))).toEqual(["done a"]);
  await expect(ask(session, line("b"))).rejects.toThrow("the command on node ended with 7");
  expect(times()).toBe(1);
  await session.close();
});

test("an answer that comes before the whole payload is sent, and the next request, go over connections of their own", async () => {
  const controller = new AbortController();
  const session = open("read -r word; echo done $word; exec sleep 60", controller.signal);
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) yield new Uint8Array(100_000);
  }
  const onLine = (text: string): boolean => text.startsWith("done");
  await session.ask({ head: line("a"), payload: endless(), onLine });
  expect(await ask(session, line("b"))).toEqual(["done b"]);
  expect(times()).toBe(2);
  controller.abort();
});

test("a payload that cannot be read is an error", async () => {
  const session = open(ECHO);
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield line("more");
    throw new Error("no such file");
  }
  await expect(session.ask({ head: line("a"), payload: broken(), onLine: () => false })).rejects.toThrow(
    "no such file",
  );
  await session.close();
});

test("an interruption ends it at once", async () => {
  const controller = new AbortController();
  const session = open("exec sleep 60", controller.signal);
  const asked = ask(session, line("a"));
  controller.abort(new Error("interrupted"));
  await expect(asked).rejects.toThrow("interrupted");
});

test("a command that ends while its input goes on is not waited for", async () => {
  const never = (async function* (): AsyncGenerator<Uint8Array> {
    await new Promise(() => {});
    yield line("");
  })();
  const { signal } = new AbortController();
  await runRemote("node", ["true"], ssh, { input: never, output: () => {}, signal });
});
