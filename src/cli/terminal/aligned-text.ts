/**
 * Columns as kubectl aligns them: three spaces apart, six characters wide at least, nothing added to the last one.
 * Source: cli-runtime/pkg/printers.
 */

import { defined } from "../../errors/defined.ts";
import { oneLine } from "./escape.ts";
import { textWidth } from "./width.ts";

const PADDING = 3;
const MIN_WIDTH = 6;

/** Between the cells of a row that is kept; no cell has it, as cells are escaped. */
export const BETWEEN = "\0";
const ROWS_IN_PART = 2000;

/** Lines of text. A row may be shorter than others. Cells are escaped, each to a line. */
export function alignedText(rows: Iterable<readonly string[]>): string {
  return [...alignedParts(rows)].join("");
}

/** The same in parts, each of many lines, for tables of any number of rows: until the widths are known, rows are kept as bytes. */
export function* alignedParts(rows: Iterable<readonly string[]>): Generator<string> {
  const widths: number[] = [];
  const parts: Buffer[] = [];
  let lines: string[] = [];
  for (const row of rows) {
    const cells = row.map(oneLine);
    for (let i = 0; i < cells.length - 1; i++) {
      const width = textWidth(defined(cells[i])) + PADDING;
      if (width > (widths[i] ?? MIN_WIDTH)) widths[i] = width;
      else widths[i] ??= MIN_WIDTH;
    }
    lines.push(cells.join(BETWEEN));
    if (lines.length < ROWS_IN_PART) continue;
    parts.push(Buffer.from(lines.join("\n")));
    lines = [];
  }
  for (const part of parts) yield aligned(part.toString("utf8").split("\n"), widths);
  if (lines.length > 0) yield aligned(lines, widths);
}

/** What a column takes whose longest cell, save for the last column's, has this width. */
export function columnWidth(width: number): number {
  return Math.max(width + PADDING, MIN_WIDTH);
}

/** Rows, each as its escaped cells with {@link BETWEEN} between them, as lines. */
export function aligned(lines: readonly string[], widths: readonly number[]): string {
  let text = "";
  for (const line of lines) {
    const cells = line.split(BETWEEN);
    for (let i = 0; i < cells.length - 1; i++)
      text += defined(cells[i]) + " ".repeat(defined(widths[i]) - textWidth(defined(cells[i])));
    text += `${defined(cells.at(-1))}\n`;
  }
  return text;
}
