/**
 * How Go's yaml.v2 writes a string: plain, single-quoted, double-quoted or as a literal block (its encode.go,
 * resolve.go and emitterc.go).
 */

/** Keys cannot be blocks. */
type Context = "key" | "value";

/** Behind this column, a line is folded at the next space. */
const BEST_WIDTH = 80;
const WORDS = new Set(
  [
    "",
    "~",
    "null",
    "Null",
    "NULL",
    "y",
    "Y",
    "yes",
    "Yes",
    "YES",
    "on",
    "On",
    "ON",
    "n",
    "N",
    "no",
    "No",
    "NO",
    "off",
    "Off",
    "OFF",
  ].concat(
    [
      "true",
      "True",
      "TRUE",
      "false",
      "False",
      "FALSE",
      ".nan",
      ".NaN",
      ".NAN",
      ".inf",
      ".Inf",
      ".INF",
      "+.inf",
      "+.Inf",
      "+.INF",
    ],
    ["-.inf", "-.Inf", "-.INF"],
  ),
);
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
const INTEGER = /^[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[0-9]+)$/;
const BASE60 = /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/;
const TIMESTAMP =
  /^\d{4}-\d{1,2}-\d{1,2}(?:(?:[Tt]|\s+)\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?\s*(?:[Zz]|[-+]\d{2}:\d{2})?)?$/;

/** Whether the bare text would be read back as something else than a string. */
function meansSomethingElse(text: string): boolean {
  if (WORDS.has(text)) return true;
  const first = text.charCodeAt(0);
  const isNumeric = (first >= 0x30 && first <= 0x39) || first === 0x2b || first === 0x2d || first === 0x2e;
  if (!isNumeric) return false;
  const bare = text.replaceAll("_", "");
  return INTEGER.test(bare) || FLOAT.test(bare) || BASE60.test(text) || TIMESTAMP.test(text);
}

/**
 * What Go's emitter calls printable: tabs and everything beyond U+FFFF are not. Neither is, unlike there, what reorders
 * or hides text on a terminal.
 */
function isPrintable(code: number): boolean {
  if (code >= 0x061c && isHiding(code)) return false;
  return (
    code === 0x0a ||
    (code >= 0x20 && code <= 0x7e) ||
    (code >= 0xa0 && code < 0xd800) ||
    (code >= 0xe000 && code <= 0xfffd && code !== 0xfeff)
  );
}

/** As src/errors/unsafe-text.ts has them, which could not escape them in YAML without changing what it means. */
function isHiding(code: number): boolean {
  return (
    code === 0x061c ||
    code === 0x200b ||
    code === 0x200e ||
    code === 0x200f ||
    (code >= 0x2028 && code <= 0x202e) ||
    (code >= 0x2060 && code <= 0x206f) ||
    (code >= 0xfff9 && code <= 0xfffb)
  );
}

const isBreak = (code: number) => code === 0x0a || code === 0x0d || code === 0x85 || code === 0x2028 || code === 0x2029;
const isBlank = (code: number | undefined) =>
  code === undefined || code === 0x20 || code === 0x09 || code === 0 || isBreak(code);

interface Allowed {
  readonly plain: boolean;
  readonly single: boolean;
  readonly block: boolean;
}

/** Which styles can hold the text: libyaml's analysis of a scalar, in block context. */
function analyze(text: string): Allowed {
  const codes = Array.from(text, (character) => character.codePointAt(0)!);
  let indicators = text.startsWith("---") || text.startsWith("...");
  let lineBreaks = false;
  let special = false;
  let breakThenSpace = false;
  let spaceThenBreak = false;
  let previousSpace = false;
  let previousBreak = false;
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i]!;
    const character = String.fromCodePoint(code);
    const next = codes[i + 1];
    if (i === 0) {
      if ("#,[]{}&*!|>'\"%@`".includes(character)) indicators = true;
      else if ("?:-".includes(character) && isBlank(next)) indicators = true;
    } else if ((character === ":" && isBlank(next)) || (character === "#" && isBlank(codes[i - 1]))) indicators = true;
    if (!isPrintable(code)) special = true;
    if (code === 0x20) {
      if (previousBreak) breakThenSpace = true;
      previousSpace = true;
      previousBreak = false;
    } else if (isBreak(code)) {
      lineBreaks = true;
      if (previousSpace) spaceThenBreak = true;
      previousSpace = false;
      previousBreak = true;
    } else {
      previousSpace = false;
      previousBreak = false;
    }
  }
  const edge = (code: number | undefined) => code === 0x20 || (code !== undefined && isBreak(code));
  const ragged = edge(codes[0]) || edge(codes.at(-1));
  const unquotable = spaceThenBreak || special;
  return {
    plain: !indicators && !ragged && !lineBreaks && !unquotable && !breakThenSpace,
    single: !breakThenSpace && !unquotable,
    block: codes.at(-1) !== 0x20 && !unquotable,
  };
}

/** Where a string begins, and what its further lines are indented by. */
export interface Place {
  readonly context: Context;
  /** Of the collection that the string is in; its own further lines are one level deeper. */
  readonly indent: string;
  /** How many characters precede the string on its line. */
  readonly column: number;
}

/** A string as yaml.v2 writes it at this place: quoted where it must be, folded at spaces behind column 80. */
export function printYamlString(text: string, place: Place): string {
  const allowed = analyze(text);
  if (text.includes("\n")) {
    return allowed.block && place.context === "value" ? literal(text, place.indent) : doubleQuoted(text, place);
  }
  if (meansSomethingElse(text)) return doubleQuoted(text, place);
  if (allowed.plain) return fold(Array.from(text), place, 0);
  if (!allowed.single) return doubleQuoted(text, place);
  return `'${fold(
    Array.from(text, (character) => (character === "'" ? "''" : character)),
    place,
    1,
  )}'`;
}

/** Breaks a line at a single space behind column 80. `pieces` are characters as they are written, `quote` those of an opening quote. */
function fold(pieces: readonly string[], place: Place, quote: number, isEscaped = false): string {
  if (place.context === "key" || place.column + quote + pieces.length <= BEST_WIDTH) return pieces.join("");
  let column = place.column + quote;
  let text = "";
  let inSpaces = false;
  for (let i = 0; i < pieces.length; i++) {
    const piece = pieces[i]!;
    if (piece !== " ") {
      text += piece;
      column += piece.length > 2 ? piece.length : Array.from(piece).length;
      inSpaces = false;
      continue;
    }
    const inside = quote === 0 || (i > 0 && i < pieces.length - 1);
    const nextIsSpace = pieces[i + 1] === " ";
    if (!inSpaces && column > BEST_WIDTH && inside && (isEscaped || !nextIsSpace)) {
      text += `\n${place.indent}  ${isEscaped && nextIsSpace ? "\\" : ""}`;
      column = place.indent.length + 2 + (isEscaped && nextIsSpace ? 1 : 0);
    } else {
      text += " ";
      column++;
    }
    inSpaces = true;
  }
  return text;
}

function literal(text: string, indent: string): string {
  const hint = text.startsWith(" ") || text.startsWith("\n") ? "2" : "";
  const chomp = !text.endsWith("\n") ? "-" : text === "\n" || text.endsWith("\n\n") ? "+" : "";
  const lines = (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
  return [`|${hint}${chomp}`, ...lines.map((line) => (line === "" ? "" : `${indent}  ${line}`))].join("\n");
}

const ESCAPES: Readonly<Record<number, string>> = {
  0: "\\0",
  7: "\\a",
  8: "\\b",
  9: "\\t",
  10: "\\n",
  11: "\\v",
  12: "\\f",
  13: "\\r",
  27: "\\e",
  34: '\\"',
  92: "\\\\",
  133: "\\N",
  160: "\\_",
  8232: "\\L",
  8233: "\\P",
};

function doubleQuoted(text: string, place: Place): string {
  const pieces = Array.from(text, (character) => {
    const code = character.codePointAt(0)!;
    const needed = !isPrintable(code) || isBreak(code) || code === 0x22 || code === 0x5c;
    return needed ? (ESCAPES[code] ?? hexEscape(code)) : character;
  });
  return `"${fold(pieces, place, 1, true)}"`;
}

function hexEscape(code: number): string {
  const digits = code.toString(16).toUpperCase();
  if (code <= 0xff) return `\\x${digits.padStart(2, "0")}`;
  return code <= 0xffff ? `\\u${digits.padStart(4, "0")}` : `\\U${digits.padStart(8, "0")}`;
}
