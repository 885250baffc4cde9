/**
 * kubectl's `-o jsonpath=TEMPLATE`: text with paths in braces, `{range PATH}...{end}`, and quoted text such as
 * `{"\n"}`. What a path does not find prints nothing. Source: k8s.io/client-go/util/jsonpath (parser.go, jsonpath.go).
 */
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import type { JsonValue } from "../../kube/object.ts";
import { findJsonPath, type JsonPath, type PathMistakes, parseJsonPath } from "../columns/json-path.ts";
import { goJson } from "./go-text.ts";

type Part =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "path"; readonly path: JsonPath }
  | { readonly kind: "range"; readonly path: JsonPath; readonly parts: readonly Part[] };

export type JsonPathTemplate = readonly Part[];

/** Throws `usage` for a template that cannot be read. */
export function parseJsonPathTemplate(template: string): JsonPathTemplate {
  const open: { readonly range?: Omit<Extract<Part, { kind: "range" }>, "parts">; readonly parts: Part[] }[] = [
    { parts: [] },
  ];
  for (const { action, text } of splitActions(template)) {
    const { parts } = defined(open.at(-1));
    if (!action) parts.push({ kind: "text", text });
    else if (text === "end") {
      const ended = defined(open.pop());
      if (ended.range === undefined) throw unreadable(template, "{end} has no {range} before it");
      defined(open.at(-1)).parts.push({ ...ended.range, parts: ended.parts });
    } else if (/^range\s/.test(text)) {
      open.push({ range: { kind: "range", ...readPath(text.slice("range".length), template) }, parts: [] });
    } else if (/^(["']).*\1$/s.test(text)) parts.push({ kind: "text", text: unquoted(text, template) });
    else if (/^-?\d+(\.\d+)?$/.test(text)) parts.push({ kind: "text", text: String(Number(text)) });
    else if (text === "true" || text === "false") parts.push({ kind: "text", text });
    else parts.push({ kind: "path", ...readPath(text, template) });
  }
  // A {range} without its {end} ends with the template, and kubectl then prints what is in it once more, outside of it.
  while (open.length > 1) {
    const { range, parts } = defined(open.pop());
    defined(open.at(-1)).parts.push({ ...defined(range), parts }, ...parts);
  }
  return defined(open[0]).parts;
}

/** The text of what a path finds. */
type FoundText = (found: readonly JsonValue[]) => string;

/**
 * What paths find has spaces between it, objects and lists are JSON. Throws `usage` for a place that a list does not have,
 * for what a filter cannot compare, and unless `allowMissing` for a field that is not there.
 */
export function printJsonPathTemplate(template: JsonPathTemplate, root: JsonValue, allowMissing = true): string {
  return print(template, root, allowMissing ? MISTAKES : STRICT, (found) => found.map(valueText).join(" "));
}

/** kubectl's `jsonpath-as-json`: what each path finds is a list. */
export function printJsonPathAsJson(template: JsonPathTemplate, root: JsonValue, allowMissing = true): string {
  return print(template, root, allowMissing ? MISTAKES : STRICT, (found) => `${goJson(found as JsonValue, 4)}\n`);
}

/** `$` and `@` both stand for what the innermost range is at. */
function print(parts: readonly Part[], current: JsonValue, mistakes: PathMistakes, text: FoundText): string {
  return parts
    .map((part) => {
      if (part.kind === "text") return part.text;
      const found = findJsonPath(part.path, current, mistakes);
      if (part.kind === "range") return found.map((each) => print(part.parts, each, mistakes, text)).join("");
      return text(found);
    })
    .join("");
}

const MISTAKES: PathMistakes = { outside, incomparable };
const STRICT: PathMistakes = { ...MISTAKES, missing };

function incomparable(a: JsonValue, b: JsonValue): never {
  throw new MendError("usage", `the template compares ${goJson(a)} with ${goJson(b)}`, {
    hint: "a filter compares one value with another of the same type: a text is in quotes, a number is not",
  });
}

function missing(name: string): never {
  throw new MendError("usage", `the template asks for the field "${name}", which is not there`);
}

function outside(index: number, length: number): never {
  throw new MendError("usage", `the template asks for place ${index} of a list of ${length}`, {
    hint: "[*] takes all there are, [-1] the last, and [?(...)] those that match",
  });
}

function valueText(value: JsonValue): string {
  if (typeof value === "string") return value;
  return value === null ? "" : goJson(value);
}

function readPath(text: string, template: string): { readonly path: JsonPath } {
  const trimmed = text.trim();
  const [, rest = ""] = /^[$@]?(.*)$/s.exec(trimmed) ?? [];
  const path = rest === "." ? [] : parseJsonPath(/^[.[]/.test(rest) || rest === "" ? rest : `.${rest}`);
  if (path === undefined) throw unreadable(template, `{${trimmed}} is not a path`);
  return { path };
}

/** Text and the contents of braces, in order. */
function* splitActions(template: string): Generator<{ readonly action: boolean; readonly text: string }> {
  let position = 0;
  while (position < template.length) {
    const open = template.indexOf("{", position);
    if (open < 0) return yield { action: false, text: template.slice(position) };
    if (open > position) yield { action: false, text: template.slice(position, open) };
    const close = endOfAction(template, open + 1);
    if (close < 0) throw unreadable(template, "a brace is not closed");
    yield { action: true, text: template.slice(open + 1, close).trim() };
    position = close + 1;
  }
}

/** Where the brace closes, apart from braces in quotes; -1 where it does not. */
function endOfAction(template: string, from: number): number {
  let quote = "";
  for (let i = from; i < template.length; i++) {
    const character = defined(template[i]);
    if (quote !== "") {
      if (character === "\\") i++;
      else if (character === quote) quote = "";
    } else if (character === '"' || character === "'") quote = character;
    else if (character === "}") return i;
  }
  return -1;
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", "\\": "\\", '"': '"', "'": "'" };

function unquoted(text: string, template: string): string {
  return text.slice(1, -1).replace(/\\(x[\da-fA-F]{2}|u[\da-fA-F]{4}|.)/gs, (_, letter: string) => {
    const character = letter.length > 1 ? String.fromCodePoint(Number.parseInt(letter.slice(1), 16)) : ESCAPES[letter];
    if (character === undefined) throw unreadable(template, `\\${letter} is not an escape`);
    return character;
  });
}

function unreadable(template: string, reason: string): MendError {
  return new MendError("usage", `the template ${JSON.stringify(template)} cannot be read: ${reason}`, {
    hint: `a template looks like {.metadata.name} or {range .items[*]}{.metadata.name}{"\\n"}{end}`,
  });
}
