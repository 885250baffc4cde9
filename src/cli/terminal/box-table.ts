/** A table in a box, as etcdctl prints it: centred headings in capitals, cells to the left or to the right. */
import { defined } from "../../errors/defined.ts";
import { oneLine } from "./escape.ts";
import { padded, textWidth } from "./width.ts";

/** Lines of text. Cells are escaped, each to a line. */
export function boxTable(heading: readonly string[], cells: readonly (readonly string[])[], alignRight = true): string {
  const titles = heading.map((title) => title.toUpperCase());
  const rows = cells.map((row) => row.map(oneLine));
  const widths = titles.map((title, i) => Math.max(title.length, ...rows.map((row) => textWidth(row[i] ?? ""))));
  const rule = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+\n`;
  const line = (row: readonly string[], pad: (cell: string, width: number) => string): string =>
    `|${row.map((cell, i) => ` ${pad(cell, defined(widths[i]))} `).join("|")}|\n`;
  const head = line(titles, (cell, width) => {
    const left = Math.floor((width - cell.length) / 2);
    return " ".repeat(left) + cell + " ".repeat(width - cell.length - left);
  });
  const body = rows.map((row) => line(row, (cell, width) => padded(cell, width, alignRight ? "start" : "end")));
  return rule + head + rule + body.join("") + rule;
}
