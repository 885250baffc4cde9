import { defined } from "../../errors/defined.ts";
import { oneLine } from "./escape.ts";
import { padded, textWidth } from "./width.ts";

/** Aligned columns as kubectl prints them: three spaces apart, numbers to the right where asked, nothing behind the last column. */
export interface TableOptions {
  /** Columns (by index) that are aligned to the right. */
  readonly right?: readonly number[];
  /** The terminal's columns, `host.stdout.columns`: the last column is wrapped to fit. Undefined where there is no terminal. */
  readonly width?: number | undefined;
}

const GAP = "   ";
/** A last column that is narrower than this is not wrapped: nobody could read it. */
const LEAST_WRAPPED = 20;

/** Lines of text. Cells are escaped, each to a line. */
export function tableText(cells: readonly (readonly string[])[], options: TableOptions = {}): string {
  const rows = cells.map((row) => row.map(oneLine));
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, textWidth(cell));
  }
  const right = new Set(options.right);
  const last = widths.length - 1;
  const start = widths.slice(0, last).reduce((sum, width) => sum + width + GAP.length, 0);
  const space = (options.width ?? Number.POSITIVE_INFINITY) - start;
  const isWrapped = space >= LEAST_WRAPPED && space < (widths[last] ?? 0) && !right.has(last);
  const lines = rows.flatMap((row) => {
    const [first, ...more] = isWrapped && row.length > last ? wrapped(defined(row[last]), space) : [row[last]];
    const whole = first === undefined ? row : [...row.slice(0, last), first];
    const head = whole
      .map((cell, i) => padded(cell, isWrapped && i === last ? 0 : defined(widths[i]), right.has(i) ? "start" : "end"))
      .join(GAP)
      .trimEnd();
    return [head, ...more.map((line) => " ".repeat(start) + line)];
  });
  return lines.map((line) => `${line}\n`).join("");
}

/** Lines of at most `width` columns, broken at spaces where there are any, else anywhere. */
function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (textWidth(longer) <= width) {
      line = longer;
      continue;
    }
    if (line !== "") lines.push(line);
    const characters = [...word];
    for (; characters.length > width; ) lines.push(characters.splice(0, width).join(""));
    line = characters.join("");
  }
  return [...lines, line];
}
