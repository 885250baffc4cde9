/** A question at a real terminal: Ctrl-C interrupts, and Ctrl-D answers with nothing. Neither is a bug of kubemend's. */
import { execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const MAIN = join(import.meta.dirname, "../src/cli/main.ts");

const hasScript = (() => {
  try {
    return execFileSync("script", ["--version"], { encoding: "utf8" }).includes("util-linux");
  } catch {
    return false;
  }
})();

/** What a terminal shows when `key` is pressed at the first question, and the exit code. */
async function pressed(key: string): Promise<{ shown: string; code: number | null }> {
  const command = `${JSON.stringify(process.execPath)} ${JSON.stringify(MAIN)}`;
  const child = spawn("script", ["-qec", command, "/dev/null"], {
    env: { ...process.env, KUBECONFIG: "/there/is/none", HOME: "/there/is/none" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let shown = "";
  let isPressed = false;
  child.stdout.on("data", (chunk: Buffer) => {
    shown += chunk.toString();
    if (isPressed || !shown.includes("q to quit")) return;
    isPressed = true;
    child.stdin.write(key);
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { shown, code };
}

test.skipIf(!hasScript).each([
  ["Ctrl-C", "\u0003", 130],
  ["Ctrl-D", "\u0004", 0],
  ["q", "q\n", 0],
])("%s", async (_, key, expected) => {
  const { shown, code } = await pressed(key);
  expect(shown).not.toContain("internal error");
  expect(code).toBe(expected);
});
