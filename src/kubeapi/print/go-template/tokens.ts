/** The parts of a Go template: text, and actions between double braces as tokens. Source: text/template/parse/lex.go. */
import { MendError } from "../../../errors/errors.ts";

export type Token =
  | {
      readonly kind: "field";
      readonly path: readonly string[];
      /** Whether nothing stands between it and what is before it, so that it is a field of that: `(f x).name`. */
      readonly attached: boolean;
    }
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "word"; readonly text: string }
  | { readonly kind: "literal"; readonly value: string | number | boolean | null }
  | { readonly kind: "mark"; readonly text: "(" | ")" | "|" | ":=" | "=" | "," | "." };

export type Chunk =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "action"; readonly tokens: Token[]; readonly source: string };

const ACTION =
  /\{\{(-\s)?\s*(\/\*[\s\S]*?\*\/|(?:"(?:[^"\\\n]|\\.)*"|`[^`]*`|'(?:[^'\\\n]|\\.)*'|(?!\}\})[\s\S])*?)\s*(\s-)?\}\}/g;

/** Throws `usage` for what cannot be read. */
export function readChunks(template: string): Chunk[] {
  const chunks: Chunk[] = [];
  let position = 0;
  let trimNext = false;
  const pushText = (text: string, trimEnd: boolean): void => {
    const left = trimNext ? text.trimStart() : text;
    const trimmed = trimEnd ? left.trimEnd() : left;
    if (trimmed !== "") chunks.push({ kind: "text", text: trimmed });
  };
  for (const match of template.matchAll(ACTION)) {
    const [whole, trimBefore, source = "", trimAfter] = match;
    pushText(template.slice(position, match.index), trimBefore !== undefined);
    trimNext = trimAfter !== undefined;
    position = match.index + whole.length;
    if (!source.startsWith("/*")) chunks.push({ kind: "action", tokens: readTokens(source, template), source });
  }
  const rest = template.slice(position);
  if (rest.includes("{{")) throw unreadable(template, "an action is not closed with }}");
  pushText(rest, false);
  return chunks;
}

const TOKEN =
  /\s+|"((?:[^"\\\n]|\\.)*)"|`([^`]*)`|'((?:[^'\\]|\\.))'|([+-]?(?:0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?))(?![\w.])|((?:\.[\p{L}_][\p{L}\p{N}_]*)+)|\$([\p{L}\p{N}_]*)|([\p{L}_][\p{L}\p{N}_]*)|(:=|[()|=,.])/uy;

function readTokens(source: string, template: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  let position = 0;
  while (position < source.length) {
    TOKEN.lastIndex = position;
    const match = TOKEN.exec(source);
    if (match === null) throw unreadable(template, `"${source.slice(position)}" cannot be read`);
    position = TOKEN.lastIndex;
    const [, quoted, raw, character, number, fields, variable, word, mark] = match;
    if (quoted !== undefined) tokens.push({ kind: "literal", value: unquoted(quoted) });
    else if (raw !== undefined) tokens.push({ kind: "literal", value: raw });
    else if (character !== undefined) tokens.push({ kind: "literal", value: unquoted(character).codePointAt(0) ?? 0 });
    else if (number !== undefined) tokens.push({ kind: "literal", value: numberOf(number) });
    else if (fields !== undefined) {
      const attached = match.index > 0 && !/\s/.test(source[match.index - 1] ?? " ");
      tokens.push({ kind: "field", path: fields.slice(1).split("."), attached });
    } else if (variable !== undefined) tokens.push({ kind: "variable", name: variable });
    else if (word === "true" || word === "false") tokens.push({ kind: "literal", value: word === "true" });
    else if (word === "nil") tokens.push({ kind: "literal", value: null });
    else if (word !== undefined) tokens.push({ kind: "word", text: word });
    else if (mark !== undefined) tokens.push({ kind: "mark", text: mark as "(" });
  }
  return tokens;
}

/** `0x10`, `1_000`, `017` and the like. */
function numberOf(text: string): number {
  const digits = text.replace(/^[+-]|_/g, "");
  const value = /^0\d+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return text.startsWith("-") ? -value : value;
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", a: "\x07", b: "\b", f: "\f", v: "\v" };

function unquoted(text: string): string {
  return text.replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))/gs,
    (_, byte?: string, unit?: string, one?: string) =>
      one === undefined ? String.fromCodePoint(Number.parseInt(byte ?? unit ?? "0", 16)) : (ESCAPES[one] ?? one),
  );
}

export function unreadable(template: string, reason: string): MendError {
  const shown = template.length > 80 ? `${template.slice(0, 77)}...` : template;
  return new MendError("usage", `the template ${JSON.stringify(shown)} cannot be read: ${reason}`, {
    hint: 'a template looks like {{range .items}}{{.metadata.name}}{{"\\n"}}{{end}}',
  });
}
