/** The version is printed before the command line is loaded: the same as the command line prints where it is asked. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import packageJson from "../package.json" with { type: "json" };

const MAIN = join(import.meta.dirname, "../src/cli/main.ts");

test.each([["--version"], ["version"]])("%s prints the version", (...words) => {
  const printed = execFileSync(process.execPath, [MAIN, ...words], { encoding: "utf8" });
  expect(printed).toBe(`${packageJson.version}\n`);
});
