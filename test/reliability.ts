/** Puts the figures of a run into docs/reliability.md, between the marks of its section. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const PAGE = join(import.meta.dirname, "../docs/reliability.md");

export function recordFigures(
  section: "fuzz" | "power" | "simulation" | "races" | "backups",
  lines: readonly string[],
): void {
  const text = readFileSync(PAGE, "utf8");
  const [begin, end] = [`<!-- figures: ${section} -->`, `<!-- end of figures: ${section} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/reliability.md has no section of figures "${section}"`);
  const wrapped = lines.flatMap((line) => (line.startsWith("|") ? [line] : wrap(line)));
  writeFileSync(PAGE, `${text.slice(0, from)}${begin}\n\n${wrapped.join("\n")}\n\n${text.slice(to)}`);
  execFileSync(join(import.meta.dirname, "../node_modules/.bin/biome"), ["format", "--write", PAGE]);
}

const HEADS = new Set(["command", "what", "layer"]);

/** The rows of a section's table by their first cell, without its head. */
export function recordedRows(section: string): [name: string, figures: (string | number)[]][] {
  const [, text = ""] = readFileSync(PAGE, "utf8").split(new RegExp(`<!-- (?:end of )?figures: ${section} -->`));
  return text.split("\n").flatMap((line) => {
    const [name, ...figures] = line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
    return name === undefined || HEADS.has(name) || /^-+$/.test(name) ? [] : [[name, figures]];
  });
}

/** Puts one row into the table of what was tried with backups. */
export function recordBackups(what: string, command: string, outcome: string): void {
  const rows = new Map(recordedRows("backups").map(([name, figures]) => [name, figures]));
  rows.set(what, [`\`${command}\``, outcome]);
  const cells = [...rows].map(([name, figures]) => `| ${[name, ...figures].join(" | ")} |`);
  recordFigures("backups", ["| what | command | what was run |", "| --- | --- | --- |", ...cells]);
}

/** At 140 characters, as Markdown is wrapped here. */
function wrap(line: string): string[] {
  const lines = [""];
  for (const word of line.split(" ")) {
    const last = lines.at(-1)!;
    if (last !== "" && last.length + 1 + word.length > 140) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines;
}
