/**
 * Reads the plain YAML that kubeconfigs are written in: nested maps and lists of words. The agent stays small by it:
 * the library for all of YAML is an eighth of its memory. Whatever is not surely read alike comes back as undefined,
 * and is the library's.
 */

import { defined } from "../../errors/defined.ts";

interface Line {
  readonly indent: number;
  readonly text: string;
}

/** As `yaml`'s `parse` reads it, or undefined. */
export function parsePlainYaml(content: string): unknown {
  const lines: Line[] = [];
  for (const [i, raw] of content.split("\n").entries()) {
    const text = raw.trimEnd();
    const trimmed = text.trimStart();
    if (trimmed === "" || trimmed.startsWith("#") || (i === 0 && text === "---")) continue;
    if (/[\t\r]/.test(text) || /^(?:---|\.\.\.|%)/.test(text)) return undefined;
    lines.push({ indent: text.length - trimmed.length, text: trimmed });
  }
  if (lines.length === 0) return undefined;
  const reader = { lines, at: 0 };
  try {
    const value = readBlock(reader, defined(lines[0]).indent, 0);
    return reader.at === lines.length ? value : undefined;
  } catch (error) {
    if (error instanceof NotPlain) return undefined;
    throw error;
  }
}

class NotPlain extends Error {}

interface Reader {
  readonly lines: Line[];
  at: number;
}

const DEEPEST = 20;

function readBlock(reader: Reader, indent: number, depth: number): unknown {
  if (depth > DEEPEST) throw new NotPlain();
  return defined(reader.lines[reader.at]).text.startsWith("- ") || defined(reader.lines[reader.at]).text === "-"
    ? readList(reader, indent, depth)
    : readMap(reader, indent, depth);
}

function readList(reader: Reader, indent: number, depth: number): unknown[] {
  const list: unknown[] = [];
  for (;;) {
    const line = reader.lines[reader.at];
    if (line === undefined || line.indent < indent) return list;
    if (line.indent > indent) throw new NotPlain();
    const [, gap, rest] = /^-( +)(.*)$/.exec(line.text) ?? [];
    if (gap === undefined || rest === undefined) {
      if (list.length > 0 && line.text !== "-") return list; // the next key of the map that the list is in
      throw new NotPlain();
    }
    if (/^- /.test(rest)) throw new NotPlain();
    if (keyOf(rest) === undefined) {
      list.push(scalar(rest));
      reader.at++;
    } else {
      // What follows the dash is the first line of a map of its own.
      reader.lines[reader.at] = { indent: indent + 1 + gap.length, text: rest };
      list.push(readMap(reader, indent + 1 + gap.length, depth + 1));
    }
  }
}

function readMap(reader: Reader, indent: number, depth: number): Record<string, unknown> {
  const map: Record<string, unknown> = {};
  for (;;) {
    const line = reader.lines[reader.at];
    if (line === undefined || line.indent < indent) return map;
    if (line.indent > indent) throw new NotPlain();
    const key = keyOf(line.text);
    if (key === undefined) {
      if (line.text.startsWith("-")) return map;
      throw new NotPlain();
    }
    if (Object.hasOwn(map, key.name)) throw new NotPlain();
    reader.at++;
    map[key.name] = key.rest === "" ? readNested(reader, indent, depth) : scalar(key.rest);
  }
}

/** What a key alone on its line has: what is further in, a list that is not, or nothing. */
function readNested(reader: Reader, indent: number, depth: number): unknown {
  const line = reader.lines[reader.at];
  if (line !== undefined && line.indent > indent) return readBlock(reader, line.indent, depth + 1);
  if (line?.indent === indent && line.text.startsWith("- ")) return readList(reader, indent, depth + 1);
  return null;
}

function keyOf(text: string): { readonly name: string; readonly rest: string } | undefined {
  const [, name, rest] = /^([A-Za-z][\w.-]*):(?: +(.*))?$/.exec(text) ?? [];
  if (name === undefined || isWord(name)) return undefined;
  return name === "__proto__" ? undefined : { name, rest: rest ?? "" };
}

function scalar(text: string): unknown {
  if (text === "{}") return {};
  if (text === "[]") return [];
  if (text === "true") return true;
  if (text === "false") return false;
  if (/^"[^"\\]*"$/.test(text) || /^'[^']*'$/.test(text)) return text.slice(1, -1);
  // No number, no date, no sign of YAML's, no comment, no second key.
  if (!/^[A-Za-z/][^#"'`{}[\],&*!|>%@]*$/.test(text) || /: |:$/.test(text) || isWord(text)) throw new NotPlain();
  return text;
}

function isWord(text: string): boolean {
  return /^(?:true|false|null|yes|no|on|off|y|n|nan|inf)$/i.test(text);
}
