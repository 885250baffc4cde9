/**
 * Whether a page shows what a run printed, apart from what each run has of its own: names, places, identifiers, times,
 * numbers. A test that makes such a run says so to itself and to the page, whose block has `<!-- compared: test/FILE -->`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";

const ROOT = join(import.meta.dirname, "..");

const OWN: readonly (readonly [RegExp, string])[] = [
  [/"[^"]*"/g, "QUOTED"],
  [/\bhttps?:\/\/\S+/g, "URL"],
  [/\bed25519:\S+|\bage1\w+/g, "KEY"],
  [/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME"],
  [/(^|[\s(=])~?\/[^\s,;)]+/g, "$1PATH"],
  [/\b(?=[0-9a-f]*\d)[0-9a-f]{8,}(?:…|\b)/g, "ID"],
  [/\b[a-z]+-?\d+\b(?=[\s,;:)]|$)/g, "NAME"],
  [/\d[\d.:]*(?: ?(?:B|kB|MB|GB|ms|s|m|h|d))?\b/g, "NUMBER"],
  [/NUMBER (link|delta|change|gap|full)s?\b/g, "NUMBER $1"],
  [/\s+/g, " "],
];

function shapeOf(line: string): string {
  return OWN.reduce((text, [own, name]) => text.replace(own, name), line.trim()).trim();
}

/** What the page shows below `$ COMMAND…`: the lines until the next command or the end of the block. */
function shownBelow(page: string, command: string): readonly string[] {
  const lines = readFileSync(join(ROOT, page), "utf8").split("\n");
  for (const [i, line] of lines.entries()) {
    if (!line.trim().startsWith("$ ")) continue;
    let first = i + 1;
    let typed = line.trim().replace(/^\$ (?:sudo )?/, "");
    for (; typed.endsWith("\\"); first++) typed = `${typed.replace(/\s*\\$/, "")} ${lines[first]?.trim()}`;
    if (!typed.startsWith(command)) continue;
    const end = lines.findIndex((each, at) => at >= first && /^\s*(\$ |```)/.test(each));
    return lines.slice(first, end).filter((each) => each.trim() !== "");
  }
  expect.fail(`${page} shows no "$ ${command}"`);
}

/** Each line that the page shows has to be among those that were printed, in their order. `...` leaves lines out, or a line's end. */
export function expectShown(page: string, command: string, printed: string): void {
  const made = printed.split("\n").map(shapeOf);
  const shown = shownBelow(page, command);
  expect(shown, `${page} shows nothing below "${command}"`).not.toEqual([]);
  let from = 0;
  for (const line of shown) {
    if (/^\s*(\.\.\.|…)$/.test(line)) continue;
    const isCut = /(\.\.\.|…)$/.test(line);
    const shape = shapeOf(line.replace(/\s*(\.\.\.|…)$/, ""));
    const found = made.findIndex((each, i) => i >= from && (isCut ? each.startsWith(shape) : each === shape));
    if (found < 0)
      expect.fail(`${page}, "${command}": "${line.trim()}" was not printed, as ${shape}, in\n${made.join("\n")}`);
    from = found + 1;
  }
}
