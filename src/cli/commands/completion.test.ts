import { execFileSync } from "node:child_process";
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

test.each([
  [["snap"], "snapshot\n"],
  [["snapshot", "st"], "stats\nstatus\n"],
  [["snapshot", "status", "file.db", "--sk"], "--skip-hash-check\n"],
  [["snapshot", "status", "-o", ""], "json\ntext\n"],
  [["completion", ""], "bash\nfish\nzsh\n"],
  [["snapshot", "status", "fi"], ""],
])("%j is completed", async (words, expected) => {
  expect(await ask("__complete", "--", ...words)).toBe(expected);
});

test("the script for bash is one that bash reads, and completes with", async () => {
  const script = await ask("completion", "bash");
  const session = `kubemend() { printf 'snapshot\\nsalvage\\n'; }
${script}
COMP_WORDS=(kubemend sn); COMP_CWORD=1; _kubemend; echo "\${COMPREPLY[@]}"`;
  expect(execFileSync("bash", ["-c", session], { encoding: "utf8" })).toBe("snapshot\n");
});
