import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ProcessHost } from "../host.ts";
import { run } from "../run.ts";

async function ask(...argv: string[]): Promise<string> {
  const parts: string[] = [];
  const sink = {
    isTTY: false,
    columns: undefined,
    async write(part: string) {
      parts.push(part);
    },
  };
  const signal = new AbortController().signal;
  const host: ProcessHost = { stdout: sink, stderr: sink, env: {}, cwd: "/", now: () => 0, signal };
  expect(await run(argv, host)).toBe(0);
  return parts.join("");
}

const values = async (...words: string[]): Promise<string[]> => {
  const lines = (await ask("__complete", "--", ...words)).split("\n").slice(0, -1);
  return lines.map((line) => line.split("\t")[0] ?? "");
};

test.each([
  [["snap"], ["snapshot"]],
  [
    ["snapshot", "st"],
    ["stats", "status"],
  ],
  [["snapshot", "status", "file.db", "--sk"], ["--skip-hash-check"]],
  [
    ["snapshot", "status", "-o", ""],
    ["json", "text"],
  ],
  [
    ["completion", ""],
    ["bash", "fish", "zsh"],
  ],
  [["snapshot", "status", "fi"], []],
])("%j is completed", async (words, expected) => {
  expect(await values(...words)).toEqual(expected);
});

const FILE = join(import.meta.dirname, "../../../test/fixtures/kubeadm-k120/snapshot.db.gz");

test("kinds, names and namespaces come from the snapshot", async () => {
  expect(await values("snapshot", "get", FILE, "deploym")).toEqual(["deployments"]);
  expect(await values("snapshot", "get", FILE, "pods,deploym")).toEqual(["pods,deployments"]);
  expect(await values("snapshot", "get", FILE, "-n", "kube-s")).toEqual(["kube-system"]);
  const pods = await values("snapshot", "get", FILE, "pods", "-n", "kube-system", "etcd-");
  expect(pods.length).toBeGreaterThan(0);
  expect(await values("snapshot", "get", FILE, "-n", "kube-system", "pods/etcd-")).toEqual(
    pods.map((name) => `pods/${name}`),
  );
});

test("what cannot be asked completes nothing", async () => {
  expect(await values("snapshot", "get", "/there/is/none", "pods", "")).toEqual([]);
  expect(await values("node", "drain", "--kubeconfig", "/there/is/none", "")).toEqual([]);
});

test("commands and flags come with what they are", async () => {
  expect(await ask("__complete", "--", "snapshot", "describ")).toBe(
    "describe\tobjects field by field, with their events\n",
  );
});

test("the script for bash is one that bash reads, and completes with", async () => {
  const script = await ask("completion", "bash");
  const session = `kubemend() { printf 'snapshot\\ta b\\nsalvage\\tc\\n'; }
${script}
COMP_WORDS=(kubemend sn); COMP_CWORD=1; _kubemend; echo "\${COMPREPLY[@]}"`;
  expect(execFileSync("bash", ["-c", session], { encoding: "utf8" })).toBe("snapshot\n");
});
