/**
 * Every block of a page that shows a command with what came back says, in a comment right before it, what made it:
 *
 *     <!-- transcript: objects/diff.txt -->            each command and its output stand in this file of test/transcripts, which
 *                                                      `transcripts.test.ts` runs; `...` stands for lines that are left out
 *     <!-- transcript: FILE ("k120-broad/snapshot.db.gz" as "backup.db") -->   with other names for what is only a test's
 *     <!-- recorded: diagnose.txt -->                  the same with a file of test/recorded, which the end-to-end test that it
 *                                                      names has written
 *     <!-- compared: test/serve.test.ts -->            a run of that test, which compares it by `expectShown` (test/shown-on-page.ts)
 *                                                      but for names, places, times and numbers
 *     <!-- seen in: test/e2e/drain.test.ts -->         a run of that test, or by that script, on a test bed; not compared
 *
 * `UPDATE_TRANSCRIPTS=1` writes the output of transcripts and recordings into the pages, where nothing is left out.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { allPages, type Block, blocksOf, type Page, ROOT } from "./markdown.ts";

interface Shown {
  readonly command: string;
  readonly output: readonly string[];
}

const pages = allPages().filter(({ path }) => path !== "docs/performance.md" && path !== "CHANGELOG.md");

/** Whether it shows what came back, and not only what is typed. */
function showsOutput({ language, lines }: Block): boolean {
  if (language !== "console" && !lines[0]?.startsWith("$ ")) return false;
  return shownIn(lines).some(({ output }) => output.length > 0) || !lines[0]?.startsWith("$ ");
}

/** A command may go on in lines that begin with two spaces, after a `\`. */
function shownIn(lines: readonly string[]): readonly Shown[] {
  const shown: { command: string; output: string[] }[] = [];
  for (const [i, line] of lines.entries()) {
    const last = shown.at(-1);
    if (line.startsWith("$ ")) shown.push({ command: line.slice(2), output: [] });
    else if (last !== undefined && last.output.length === 0 && lines[i - 1]?.endsWith("\\"))
      last.command = `${last.command.replace(/\s*\\$/, "")} ${line.trim()}`;
    else last?.output.push(line);
  }
  return shown.map(({ command, output }) => ({ command: withoutRemark(command), output }));
}

const withoutSudo = (command: string): string => command.replace(/^sudo /, "");
const withoutRemark = (command: string): string => command.replace(/\s+# .*$/, "");

type Renamed = readonly (readonly [string, string])[];

function madeIn(kind: string, file: string, renamed: Renamed): readonly Shown[] {
  const read = readFileSync(join(ROOT, "test", kind === "transcript" ? "transcripts" : "recorded", file), "utf8");
  const lines = renamed
    .reduce((text, [from, to]) => text.replaceAll(from, to), read)
    .replaceAll("$FIXTURES", "/root")
    .replaceAll("$TMP", "/root")
    .replace(/^\$VERSION$/gm, packageJson.version)
    .split("\n");
  if (kind === "recorded") return shownIn(lines.filter((line) => !line.startsWith("# ")));
  let isOutput = false;
  return shownIn(
    lines.filter((line) => {
      if (line.startsWith("--- ")) isOutput = !line.startsWith("--- exit");
      return !line.startsWith("--- ") && (isOutput || line.startsWith("$ "));
    }),
  );
}

const bare = (lines: readonly string[]): readonly string[] => lines.filter((line) => line.trim() !== "");

/** Whether the lines are the expected ones, where `...` stands for any number of them. */
function matches(shown: readonly string[], made: readonly string[]): boolean {
  const [first, ...rest] = shown;
  if (first === undefined) return made.length === 0;
  if (first.trim() === "...") return made.some((_, i) => matches(rest, made.slice(i))) || rest.length === 0;
  return made[0] === first && matches(rest, made.slice(1));
}

function fault(page: Page, block: Block): string | undefined {
  const source = /^(transcript|recorded|compared|seen in): (\S+?)(?: \((.*)\))?$/.exec(block.comment ?? "");
  if (source === null) return "no comment says what made it";
  const [, kind, file, names = ""] = source as unknown as [string, string, string, string?];
  const renamed = [...names.matchAll(/"([^"]*)" as "([^"]*)"/g)].map(([, from, to]) => [from!, to!] as const);
  if (kind === "seen in") return existsSync(join(ROOT, file)) ? undefined : `there is no ${file}`;
  if (kind === "compared") return notCompared(page, block, file);
  const made = madeIn(kind, file, renamed);
  for (const { command, output } of shownIn(block.lines)) {
    if (output.length === 0) continue;
    const found = made.filter((each) => withoutSudo(each.command) === withoutSudo(command));
    if (found.length === 0) return `${file} has no "${command}"`;
    if (!found.some((each) => matches(bare(output), bare(each.output)))) {
      if (process.env.UPDATE_TRANSCRIPTS && !output.some((line) => line.trim() === "..."))
        update(page, block, command, found[0]!);
      else return `"${command}" printed something else in ${file}`;
    }
  }
  return undefined;
}

/** What of the block the test does not compare. */
function notCompared(page: Page, block: Block, file: string): string | undefined {
  if (!existsSync(join(ROOT, file))) return `there is no ${file}`;
  const calls = readFileSync(join(ROOT, file), "utf8").matchAll(/expectShown\(\s*"([^"]*)",\s*"([^"]*)"/g);
  const compared = [...calls].filter(([, path]) => path === page.path).map(([, , command = ""]) => command);
  for (const { command, output } of shownIn(block.lines)) {
    const isCompared = compared.some((each) => withoutSudo(command).startsWith(each));
    if (output.length > 0 && !isCompared) return `${file} does not compare "${command}"`;
  }
  return undefined;
}

/** Only for blocks of one command, or else by hand. */
function update(page: Page, block: Block, command: string, made: Shown): void {
  const typed = block.lines.filter((line, i) => line.startsWith("$ ") || block.lines[i - 1]?.endsWith("\\"));
  if (shownIn(block.lines).length !== 1)
    throw new Error(`${page.path}:${block.line}: "${command}" is to be updated by hand`);
  const lines = [...typed, ...made.output].map((line) => `${line === "" ? "" : block.indent}${line}`);
  const text = page.lines.toSpliced(block.line, block.lines.length, ...lines).join("\n");
  writeFileSync(join(ROOT, page.path), text);
}

test("each says what made it, and what is made anew is what it shows", () => {
  const faults = pages.flatMap((page) =>
    // From the end, so that an update moves none that is still to come.
    blocksOf(page)
      .toReversed()
      .flatMap((block) => {
        const what = showsOutput(block) ? fault(page, block) : undefined;
        return what === undefined ? [] : [`${page.path}:${block.line}: ${what}`];
      }),
  );
  expect(faults).toEqual([]);
});

test("no page shows a path of the test bed or of a developer", () => {
  const found = pages.flatMap((page) =>
    page.lines.flatMap((line, i) =>
      /kubemend-testbed|\/work\/|\/home\/(?!user\b)\w+|\/tmp\/vitest/.test(line) && page.path !== "docs/testbed.md"
        ? [`${page.path}:${i + 1}: ${line.trim()}`]
        : [],
    ),
  );
  expect(found).toEqual([]);
});
