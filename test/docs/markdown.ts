/** Markdown as far as tests of the documentation need it: its files, headings, links, and blocks of code. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "../..");

export interface Page {
  /** From the root of the project. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
}

export interface Block {
  /** Of the fence that opens it, from 1. */
  readonly line: number;
  readonly language: string;
  /** Without the fences, and without their indentation. */
  readonly lines: readonly string[];
  readonly indent: string;
  /** The HTML comment that stands right before it, without its marks; undefined where there is none. */
  readonly comment: string | undefined;
}

export function readPage(path: string): Page {
  const text = readFileSync(join(ROOT, path), "utf8");
  return { path, text, lines: text.split("\n") };
}

/** Every Markdown file of the project, tracked or new. */
export function allPages(): readonly Page[] {
  const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  return [...new Set(listed.split("\n").filter(Boolean))].sort().map(readPage);
}

export function blocksOf({ lines, path }: Page): readonly Block[] {
  const blocks: Block[] = [];
  for (let i = 0; i < lines.length; i++) {
    const fence = /^(\s*)(`{3,})(\w*)/.exec(lines[i]!);
    if (fence === null) continue;
    const [, indent, marks, language] = fence as unknown as [string, string, string, string];
    const end = lines.findIndex((each, at) => at > i && each.trim() === marks);
    if (end < 0) throw new Error(`${path}:${i + 1}: the block does not end`);
    const before = lines.slice(0, i).findLast((each) => each.trim() !== "");
    blocks.push({
      line: i + 1,
      language,
      indent,
      lines: lines.slice(i + 1, end).map((each) => each.slice(Math.min(indent.length, each.search(/\S|$/)))),
      comment: /^\s*<!--\s*(.*?)\s*-->$/.exec(before ?? "")?.[1],
    });
    i = end;
  }
  return blocks;
}

/** Lines outside of blocks of code, without code between backticks; each with its number from 1. */
export function prose(page: Page): readonly { readonly line: number; readonly text: string }[] {
  const inBlock = new Set(blocksOf(page).flatMap(({ line, lines }) => lines.map((_, i) => line + i + 1)));
  const text = page.lines.map((each, i) => (inBlock.has(i + 1) ? "" : each)).join("\n");
  // Code may go over the end of a line, as in a paragraph that was wrapped.
  const bare = text.replace(/(?<!`)`(?!`)[^`]*`(?!`)/g, (code) => code.replace(/[^\n]/g, " "));
  return bare.split("\n").map((each, i) => ({ line: i + 1, text: each }));
}

/** The anchors that GitHub gives to a page's headings. */
export function anchorsOf(page: Page): ReadonlySet<string> {
  const anchors = new Set<string>();
  const fenced = new Set(blocksOf(page).flatMap(({ line, lines }) => lines.map((_, i) => line + i + 1)));
  for (const [i, line] of page.lines.entries()) {
    const heading = fenced.has(i + 1) ? null : /^#{1,6}\s+(.*?)\s*#*$/.exec(line);
    if (heading === null) continue;
    const slug = slugOf(heading[1]!);
    let free = slug;
    for (let n = 1; anchors.has(free); n++) free = `${slug}-${n}`;
    anchors.add(free);
  }
  for (const [, id] of page.text.matchAll(/<a (?:id|name)="([^"]+)"/g)) anchors.add(id!);
  return anchors;
}

export function slugOf(heading: string): string {
  return heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, "")
    .replaceAll(" ", "-");
}
