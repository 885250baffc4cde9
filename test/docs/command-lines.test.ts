/** Every command line of kubemend that a page shows is one: the command exists, and so does each flag that is passed to it. */
import { expect, test } from "vitest";
import { allCommands, type TypedCommand } from "./commands.ts";
import { allPages, blocksOf, type Page } from "./markdown.ts";

/** Decisions and the list of changes speak of what was; formats begin with the program's name too. */
const pages = allPages().filter(({ path }) => !/^docs\/(?:adr|formats)\/|^CHANGELOG|^test\//.test(path));

interface Line {
  readonly at: string;
  readonly text: string;
}

/** In blocks of code, with what continues them, and in code between backticks that begins with the program's name. */
function commandLines(page: Page): readonly Line[] {
  const lines: Line[] = [];
  for (const { line, lines: shown } of blocksOf(page)) {
    for (let i = 0; i < shown.length; i++) {
      const at = `${page.path}:${line + i + 1}`;
      let text = shown[i]!;
      while (text.endsWith("\\") && i + 1 < shown.length) text = `${text.slice(0, -1)} ${shown[++i]!.trim()}`;
      const found = /^\s*(?:\$ )?(?:[A-Z_]+=\S* )*(?:sudo )?(?:npm run kubemend --|kubemend) (.*)$/.exec(text);
      if (found !== null) lines.push({ at, text: found[1]! });
    }
  }
  const inBlock = new Set(blocksOf(page).flatMap(({ line, lines: shown }) => shown.map((_, i) => line + i)));
  const prose = page.lines.map((each, i) => (inBlock.has(i) || /^\s*```/.test(each) ? "" : each)).join("\n");
  for (const match of prose.matchAll(/(?<!`)`(?:sudo )?kubemend ([^`]+)`/g))
    lines.push({
      at: `${page.path}:${prose.slice(0, match.index).split("\n").length}`,
      text: match[1]!.replace(/\s*\n\s*/g, " "),
    });
  return lines;
}

/** As a shell splits it, up to a comment or to what is another command. */
function wordsOf(text: string): readonly string[] {
  const words = [...text.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map(([word]) => word);
  const end = words.findIndex((word) => /^(?:#|[|>;]|&&|2?>|<)/.test(word));
  return end < 0 ? words : words.slice(0, end);
}

function fault(text: string, commands: readonly TypedCommand[]): string | undefined {
  const words = wordsOf(text).map((word) => word.replace(/[.,:;]+$/, ""));
  if (words[0] === undefined || /^(?:--version|--help|-h)$/.test(words[0])) return undefined;
  if (words[0] === "..." || /^[A-Z]+$/.test(words[0])) return undefined; // `kubemend COMMAND`
  const name = words.slice(0, 3);
  const command = commands.find(
    ({ words: typed }) => name.join(" ").startsWith(typed) && typed.split(" ").every((each, i) => each === name[i]),
  );
  if (command === undefined) {
    const isGroup = commands.some(({ words: typed }) => typed.startsWith(`${words[0]} `));
    return isGroup && (words.length === 1 || words[1] === "...") ? undefined : "no such command";
  }
  const known = new Set(
    command.command.options.flatMap(({ short, long }) => [short, long]).concat("--help", "-h", "--audit-log"),
  );
  const unknown = words
    .slice(command.words.split(" ").length)
    .filter((word) => /^--?[a-z]/i.test(word))
    .map((word) => word.split("=")[0]!)
    .filter((word) => !known.has(word));
  return unknown.length === 0 ? undefined : `kubemend ${command.words} has no ${unknown.join(", ")}`;
}

test("commands and flags in pages exist", async () => {
  const commands = await allCommands();
  const lines = pages.flatMap(commandLines);
  const faults = lines.flatMap(({ at, text }) => {
    const what = fault(text, commands);
    return what === undefined ? [] : [`${at}: ${text}: ${what}`];
  });
  expect(faults).toEqual([]);
  expect(lines.length).toBeGreaterThan(200);
});
