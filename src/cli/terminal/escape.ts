/** Values on a line of their own, and messages of several lines. What no text may do to a terminal is in `errors/unsafe-text.ts`. */
import { escapedCharacter, UNSAFE } from "../../errors/unsafe-text.ts";

const UNSAFE_ON_A_LINE = new RegExp(`${UNSAFE.source}|[\\n\\t]`);
const UNSAFE_ON_A_LINE_ALL = new RegExp(UNSAFE_ON_A_LINE, "g");

/** A value that must stay on its line: line feeds and tabs are escaped too. */
export function oneLine(value: string): string {
  return UNSAFE_ON_A_LINE.test(value) ? value.replace(UNSAFE_ON_A_LINE_ALL, escapedCharacter) : value;
}

/** A template of one line, whose values cannot end it: lineOf`node ${name} is ready` ends with a line feed. */
export function lineOf(texts: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  return `${String.raw({ raw: texts }, ...values.map((value) => oneLine(String(value))))}\n`;
}

/** A message of several lines, of which further ones are indented, so that none looks like a line of its own. */
export function hanging(text: string, indent = "  "): string {
  return text.split("\n").join(`\n${indent}`);
}
