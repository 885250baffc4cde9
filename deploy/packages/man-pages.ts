/** A manual page per command, made from its help: `kubemend.1`, `kubemend-snapshot-get.1` and so on. Source of the format: man(7). */
import type { Command } from "commander";
import { isForPrograms } from "../../src/cli/options/define-command.ts";

export interface ManPage {
  /** Such as `kubemend-snapshot-get.1`. */
  readonly name: string;
  readonly text: string;
}

/** `help` is what a command prints for `--help`. `date` is shown at the foot of each page, such as `2026-11-29`. */
export function manPages(
  program: Command,
  help: (command: Command) => string,
  { version, date }: { readonly version: string; readonly date: string },
): readonly ManPage[] {
  return commandsOf(program, []).map(({ command, words }) => {
    const name = words.join("-");
    const sections = splitHelp(help(command));
    const seeAlso = commandsOf(program, [])
      .filter((each) => each.words.length === words.length + 1 && each.words.join("-").startsWith(`${name}-`))
      .map((each) => `.BR ${escapeText(each.words.join("-"))} (1)`);
    const lines = [
      `.TH ${name.toUpperCase()} 1 "${date}" "kubemend ${version}" "kubemend"`,
      ".SH NAME",
      `${escapeText(name)} \\- ${escapeText(command.description())}`,
      ".SH SYNOPSIS",
      ...preformatted(sections.usage),
      ...sections.named.flatMap(([title, text]) => [`.SH ${title.toUpperCase()}`, ...preformatted(text)]),
      ...(seeAlso.length > 0 ? [".SH SEE ALSO", seeAlso.join(",\n")] : []),
    ];
    return { name: `${name}.1`, text: `${lines.join("\n")}\n` };
  });
}

interface Named {
  readonly command: Command;
  readonly words: readonly string[];
}

function commandsOf(command: Command, before: readonly string[]): readonly Named[] {
  const words = [...before, command.name()];
  const shown = command.commands.filter((each) => !isForPrograms(each));
  return [{ command, words }, ...shown.flatMap((each) => commandsOf(each, words))];
}

/** The usage line, and what follows it by its titles; text without one is the description. */
function splitHelp(help: string): {
  readonly usage: readonly string[];
  readonly named: readonly (readonly [title: string, lines: readonly string[]])[];
} {
  const [usage = "", ...rest] = help.trimEnd().split("\n");
  const named: [string, string[]][] = [["Description", []]];
  for (const line of rest) {
    const title = /^([A-Z][a-z]+):$/.exec(line)?.[1];
    const more = /^More: (.*)$/.exec(line)?.[1];
    if (title !== undefined) named.push([title, []]);
    else if (more !== undefined) named.push(["More", [more]]);
    else named.at(-1)?.[1].push(line);
  }
  return {
    usage: [usage.replace(/^Usage: /, "")],
    named: named.filter(([, lines]) => lines.some((each) => each !== "")),
  };
}

function preformatted(lines: readonly string[]): readonly string[] {
  const text = lines.join("\n").replace(/^\n+|\s+$/g, "");
  return [".nf", ...text.split("\n").map(escapeLine), ".fi"];
}

function escapeText(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("…", "...");
}

/** A line that begins with a dot or an apostrophe would be a request. */
function escapeLine(line: string): string {
  const escaped = escapeText(line);
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}
