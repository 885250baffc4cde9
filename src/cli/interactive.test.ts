import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { ProcessHost } from "./host.ts";
import { ownCommand } from "./interactive.ts";
import { run } from "./run.ts";

const DIRECTORY = mkdtempSync(join(tmpdir(), "kubemend-interactive-"));
afterAll(() => rmSync(DIRECTORY, { recursive: true }));
const SNAPSHOT = join(import.meta.dirname, "../../test/fixtures/kubeadm-k120/snapshot.db.gz");

/** What is written to a terminal whose user gives these answers. */
async function session(...answers: readonly string[]): Promise<{ code: number; shown: string; questions: string[] }> {
  let shown = "";
  const questions: string[] = [];
  const left = [...answers];
  const sink = {
    isTTY: true,
    columns: 100,
    write: (text: string) => {
      shown += text;
      return Promise.resolve();
    },
  };
  const host: ProcessHost = {
    stdout: sink,
    stderr: sink,
    env: { KUBECONFIG: join(DIRECTORY, "none") },
    cwd: DIRECTORY,
    now: Date.now,
    signal: new AbortController().signal,
    ask: (question) => {
      questions.push(question);
      return Promise.resolve(left.shift() ?? "");
    },
  };
  const code = await run([], host);
  return { code, shown, questions };
}

test("kubemend alone on a terminal looks, proposes, and ends when the user quits", async () => {
  const { code, shown, questions } = await session("q");
  expect(code).toBe(0);
  expect(shown).toContain("look into a backup file");
  expect(questions).toHaveLength(1);
});

test("a backup file is shown, and then it proposes again", async () => {
  const number = /(\d+) {2}look into a backup file/.exec((await session("q")).shown)?.[1] ?? "";
  const { shown, questions } = await session(number, SNAPSHOT, "q");
  expect(shown).toMatch(/revision: +\d+/);
  expect(questions.map((each) => each.slice(0, 4))).toEqual(["1 to", "the ", "1 to"]);
});

test("what is not on the list is asked again, and no answer quits", async () => {
  const { code, shown } = await session("99", "");
  expect(code).toBe(0);
  expect(shown).toContain("there is no 99");
});

test.each([
  ["kubemend node status w1", ["node", "status", "w1"]],
  ["kubemend certificate renew --to '/root/a b'", ["certificate", "renew", "--to", "/root/a b"]],
  ["systemctl restart kubelet", undefined],
  ["kubemend snapshot save x.db && ls", undefined],
  ["kubemend snapshot restore BACKUP.db --data-dir=/var/lib/etcd", undefined],
  ["kubemend recover --etcd-backup-file=FILE", undefined],
  ["kubemend etcd health $(cat x)", undefined],
])("what can be run: %s", (command, expected) => {
  expect(ownCommand(command)).toEqual(expected);
});

test("sudo is for others than root", () => {
  expect(ownCommand("sudo kubemend certificate renew all", true)).toEqual(["certificate", "renew", "all"]);
  expect(ownCommand("sudo kubemend certificate renew all", false)).toBeUndefined();
});
