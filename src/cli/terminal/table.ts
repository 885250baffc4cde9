import { oneLine } from "./escape.ts";
import { padded, textWidth } from "./width.ts";

/** Aligned columns as kubectl prints them: three spaces apart, numbers to the right where asked, nothing behind the last column. */
export interface TableOptions {
  /** Columns (by index) that are aligned to the right. */
  readonly right?: readonly number[];
}

/** Lines of text. Cells are escaped, each to a line. */
export function tableText(cells: readonly (readonly string[])[], options: TableOptions = {}): string {
  const rows = cells.map((row) => row.map(oneLine));
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, textWidth(cell));
  }
  const right = new Set(options.right);
  const lines = rows.map((row) =>
    row
      .map((cell, i) => padded(cell, widths[i]!, right.has(i) ? "start" : "end"))
      .join("   ")
      .trimEnd(),
  );
  return lines.map((line) => `${line}\n`).join("");
}
