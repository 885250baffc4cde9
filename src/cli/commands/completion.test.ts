/** The scripts in the shells that are there, with a program that prints what it was asked and two candidates. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { shellScript } from "./completion.ts";

const DIRECTORY = mkdtempSync(join(tmpdir(), "completion-"));
afterAll(() => rmSync(DIRECTORY, { recursive: true }));
mkdirSync(join(DIRECTORY, "bin"));
writeFileSync(join(DIRECTORY, "a-file"), "");
writeFileSync(
  join(DIRECTORY, "bin/kubemend"),
  `#!/bin/sh
[ "$*" = "__complete -- node dr" ] && printf 'drain\\ttakes nodes out\\ndrop: it\\t\\n'
exit 0
`,
  { mode: 0o755 },
);
const env = { PATH: `${join(DIRECTORY, "bin")}:${process.env.PATH}`, HOME: DIRECTORY, TERM: "dumb" };
const shell = (program: string, script: string) => {
  const { stdout, stderr } = spawnSync(program, ["-c", script], { cwd: DIRECTORY, env, encoding: "utf8" });
  expect(stderr).toBe("");
  return stdout;
};
const has = (program: string): boolean => spawnSync(program, ["--version"]).status === 0;

test.skipIf(!has("bash"))("bash", () => {
  const ask = (...words: readonly string[]) =>
    shell(
      "bash",
      `${shellScript("bash")}COMP_WORDS=(kubemend ${words.join(" ")}); COMP_CWORD=${words.length}; _kubemend
      printf '%s\\n' "\${COMPREPLY[@]}"; complete -p kubemend`,
    );
  expect(ask("node", "dr")).toBe("drain\ndrop: it\ncomplete -o default -F _kubemend kubemend\n");
});

test.skipIf(!has("fish"))("fish, with files where there are no candidates", () => {
  const ask = (line: string) => shell("fish", `${shellScript("fish")}complete -C '${line}'`);
  expect(ask("kubemend node dr")).toBe("drain\ttakes nodes out\ndrop: it\n");
  expect(ask("kubemend snapshot a-")).toBe("a-file\n");
});

test.skipIf(!has("zsh"))("zsh loads it as a function, and from a script", () => {
  writeFileSync(join(DIRECTORY, "_kubemend"), shellScript("zsh"));
  const describe = "_describe() { print -r -- $1: $found }";
  const begin = `fpath=($PWD $fpath); ${describe}; words=(kubemend node dr); CURRENT=3; `;
  const loaded = `${begin} autoload -Uz _kubemend; _kubemend; _kubemend`;
  const line = "kubemend: drain:takes nodes out drop\\: it:\n";
  expect(shell("zsh", loaded)).toBe(line + line);
  const sourced = `${begin} compdef() { print compdef $@ }; source ./_kubemend; _kubemend`;
  expect(shell("zsh", sourced)).toBe(`compdef _kubemend kubemend\n${line}`);
});
