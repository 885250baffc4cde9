/**
 * Makes the picture of the README from what a run on a test bed printed (`test/recorded`): node tools/terminal-picture.ts
 * writes docs/images/diagnose-and-mend.svg, and a test says whether that is the one in the repository.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
export const PICTURE = join(ROOT, "docs/images/diagnose-and-mend.svg");

const COLUMNS = 118;
const CHARACTER = 7.8;
const LINE = 19;
const MARGIN = 18;
const TITLE = 34;

/** The beginnings of lines that are left out of each command, such as steps that only wait. */
const LEFT_OUT = [
  /^ok {7}(?!API|etcd|scheduler|controller)/,
  /^ +\d+ s {2}waiting/,
  /^\d+ pods/,
  /^NAMESPACE/,
  /^(?:default|kube-system) /,
];

/** The command lines of the first disaster in the recording, each with what it printed. */
export function shownLines(recording: string): readonly string[] {
  const parts = recording.split(/^# .*> a scheduler that was scaled away\n/m).slice(1, 4);
  const shown = parts.map((part) => {
    const lines = part.split(/^# /m)[0]!.split("\n");
    const kept = lines.filter((line) => !LEFT_OUT.some((each) => each.test(line)));
    return kept.join("\n").trimEnd().split("\n");
  });
  return shown.flatMap((lines, i) => (i === 0 ? lines : ["", ...lines])).flatMap(wrapped);
}

/** Goes on below the text of its first line, as a terminal's table does. */
function wrapped(line: string): readonly string[] {
  if (line.length <= COLUMNS) return [line];
  const cut = line.lastIndexOf(" ", COLUMNS);
  const indent = /^ +/.exec(line)?.[0].length ?? 0;
  return [line.slice(0, cut), ...wrapped(`${" ".repeat(Math.max(indent, 12))}${line.slice(cut + 1)}`)];
}

const COLOURS: readonly (readonly [RegExp, string])[] = [
  [/^\$ .*/, "#ffffff"],
  [/^BROKEN/, "#ff7b72"],
  [/^broken/, "#ff7b72"],
  [/^ok/, "#7ee787"],
  [/^nothing is broken/, "#7ee787"],
  [/^ {2}mend {6}.*/, "#79c0ff"],
  [/^ {2}(?:evidence|so)/, "#9aa4b2"],
  [/^ +\d+ s/, "#9aa4b2"],
];

function spans(line: string): string {
  const found = COLOURS.flatMap(([pattern, colour]) => {
    const match = pattern.exec(line);
    return match === null ? [] : [{ colour, length: match[0].length }];
  })[0];
  if (found === undefined) return escaped(line);
  const { colour, length } = found;
  return `<tspan fill="${colour}">${escaped(line.slice(0, length))}</tspan>${escaped(line.slice(length))}`;
}

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

export function terminalPicture(lines: readonly string[]): string {
  const width = Math.ceil(COLUMNS * CHARACTER + 2 * MARGIN);
  const height = TITLE + lines.length * LINE + MARGIN;
  const dots = ["#ff5f57", "#febc2e", "#28c840"].map(
    (fill, i) => `<circle cx="${20 + i * 20}" cy="18" r="6" fill="${fill}"/>`,
  );
  const texts = lines.map(
    (line, i) => `<text x="${MARGIN}" y="${TITLE + (i + 1) * LINE}" xml:space="preserve">${spans(line)}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">`,
    "<title>kubemend diagnose finds a lost scheduler, the command that it prints brings it back, and all is well</title>",
    `<rect width="${width}" height="${height}" rx="10" fill="#0d1117"/>`,
    ...dots,
    '<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="13" fill="#c9d1d9">',
    ...texts,
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}

export function picture(): string {
  return terminalPicture(shownLines(readFileSync(join(ROOT, "test/recorded/self-hosted.txt"), "utf8")));
}

if (process.argv[1] === import.meta.filename) writeFileSync(PICTURE, picture());
