import { Command } from "commander";
import { expect, expectTypeOf, test } from "vitest";
import type { CommandContext } from "../command.ts";
import { argument, choice, defineCommand } from "./define-command.ts";
import { parseDuration } from "./duration.ts";
import { commaList, duration, oneOf, path, repeated, toggle, wholeNumber, words } from "./flag.ts";

test.each([
  ["90", 90_000],
  ["1.5", 1500],
  ["1.5m", 90_000],
  ["5m", 300_000],
  ["1h30m", 5_400_000],
  ["500ms", 500],
  ["1m0.5s", 60_500],
])("the duration %s", (text, milliseconds) => {
  expect(parseDuration(text)).toBe(milliseconds);
});

test.each([
  "",
  " ",
  "5x",
  "-5s",
  "m",
  "5 s",
  "1h 30m",
  "s5",
  "5sm",
  ".5s",
  "1e3",
  "Infinity",
  "0",
  "0s",
  "0.0001ms",
  "900h",
])("%j is no duration", (text) => expect(() => parseDuration(text)).toThrow("expected a duration"));

test("a duration may be nothing where that is allowed, and may have a least", () => {
  expect(parseDuration("0", "0")).toBe(0);
  expect(() => parseDuration("14s", "15s")).toThrow("expected a duration of 15s or more");
});

const FLAGS = {
  force: toggle("--force", "t"),
  headers: toggle("--no-headers", "t"),
  name: words("--name <name>", "t"),
  named: words("--named <name>", "t", { default: "x" }),
  file: path("--file <file>", "t"),
  output: oneOf("-o, --output <format>", ["text", "json"], "t", { default: "text" }),
  dryRun: oneOf("--dry-run [mode]", ["none", "client"], "t", { default: "none", preset: "client" }),
  top: wholeNumber("--top <n>", "t", { default: 10, most: 100 }),
  revision: wholeNumber("--revision <n>", "t", { least: 1 }),
  timeout: duration("--timeout <duration>", "how long", { default: "1m" }),
  exclude: repeated("--exclude <prefix>", "t"),
  labels: commaList("-L, --labels <labels>", "t"),
};

async function read(...argv: string[]) {
  let got: unknown;
  const make = defineCommand({
    name: "look",
    text: "t",
    args: { file: argument("<file>", "t"), kind: choice("<kind>", ["a", "b"], "t"), rest: argument("[rest...]", "t") },
    flags: FLAGS,
    examples: ["kubemend look"],
    page: "docs/diagnose.md",
    async run(args, flags) {
      expectTypeOf(args).toEqualTypeOf<{
        readonly file: string;
        readonly kind: "a" | "b";
        readonly rest: readonly string[];
      }>();
      expectTypeOf(flags.force).toEqualTypeOf<boolean>();
      expectTypeOf(flags.name).toEqualTypeOf<string | undefined>();
      expectTypeOf(flags.named).toEqualTypeOf<string>();
      expectTypeOf(flags.output).toEqualTypeOf<"text" | "json">();
      expectTypeOf(flags.top).toEqualTypeOf<number>();
      expectTypeOf(flags.revision).toEqualTypeOf<number | undefined>();
      expectTypeOf(flags.timeout).toEqualTypeOf<number>();
      expectTypeOf(flags.exclude).toEqualTypeOf<readonly string[]>();
      got = { args, flags };
    },
  });
  const command = make({ host: { cwd: "/work", env: {} } } as unknown as CommandContext).exitOverride();
  const quiet = { writeOut: () => {}, writeErr: () => {} };
  await new Command()
    .exitOverride()
    .addCommand(command.configureOutput(quiet))
    .parseAsync(["look", ...argv], { from: "user" });
  return got;
}

test("a handler gets what was typed, in the types that its flags declare", async () => {
  const defaults = {
    force: false,
    headers: true,
    name: undefined,
    named: "x",
    file: undefined,
    output: "text",
    dryRun: "none",
  };
  const others = { top: 10, revision: undefined, timeout: 60_000, exclude: [], labels: [] };
  expect(await read("f", "a")).toEqual({ args: { file: "f", kind: "a", rest: [] }, flags: { ...defaults, ...others } });
  const typed =
    "f b c d --force --no-headers --name n --file x/y -o json --dry-run --top 3 --revision 7 --timeout 1.5m " +
    "--exclude /a --exclude /b -L a,b -L c";
  expect(await read(...typed.split(" "))).toEqual({
    args: { file: "f", kind: "b", rest: ["c", "d"] },
    flags: {
      ...{ force: true, headers: false, name: "n", named: "x", file: "/work/x/y", output: "json", dryRun: "client" },
      ...{ top: 3, revision: 7, timeout: 90_000, exclude: ["/a", "/b"], labels: ["a", "b", "c"] },
    },
  });
});

test.each([
  [["f", "c"], "Allowed choices are a, b"],
  [["f", "a", "--top", "101"], "expected a whole number from 0 to 100"],
  [["f", "a", "--top", "1e1"], "expected a whole number"],
  [["f", "a", "--revision", "0"], "expected a whole number of 1 or more"],
  [["f", "a", "--timeout", ""], "expected a duration such as"],
  [["f", "a", "-o", "yaml"], "Allowed choices are text, json"],
])("%j is refused", async (argv, text) => {
  await expect(read(...argv)).rejects.toThrow(text);
});
