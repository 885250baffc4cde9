/** Columns as kubectl aligns them: three spaces apart, six characters wide at least, nothing added to the last one. Source: cli-runtime/pkg/printers. */

import { oneLine } from "./escape.ts";
import { textWidth } from "./width.ts";

const PADDING = 3;
const MIN_WIDTH = 6;

/** Lines of text. A row may be shorter than others. Cells are escaped, each to a line. */
export function alignedText(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (let i = 0; i < row.length - 1; i++) {
      const width = textWidth(oneLine(row[i]!)) + PADDING;
      if (width > (widths[i] ?? MIN_WIDTH)) widths[i] = width;
      else widths[i] ??= MIN_WIDTH;
    }
  }
  const lines = rows.map((row) => {
    let line = "";
    for (let i = 0; i < row.length - 1; i++) {
      const cell = oneLine(row[i]!);
      line += cell + " ".repeat(widths[i]! - textWidth(cell));
    }
    return `${line}${oneLine(row.at(-1) ?? "")}\n`;
  });
  return lines.join("");
}

/** The first line of a value, as kubectl shows it in a table. */
export function firstLine(value: string): string {
  const end = value.search(/[\n\r\f]/);
  return end < 0 ? value : `${value.slice(0, end)}...`;
}
