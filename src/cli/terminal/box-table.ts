/** A table in a box, as etcdctl prints it: centred headings in capitals, cells to the left or to the right. */

export function boxTable(heading: readonly string[], rows: readonly (readonly string[])[], alignRight = true): string {
  const titles = heading.map((title) => title.toUpperCase());
  const widths = titles.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const rule = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+\n`;
  const line = (cells: readonly string[], pad: (cell: string, width: number) => string): string =>
    `|${cells.map((cell, i) => ` ${pad(cell, widths[i]!)} `).join("|")}|\n`;
  const head = line(titles, (cell, width) => {
    const left = Math.floor((width - cell.length) / 2);
    return " ".repeat(left) + cell + " ".repeat(width - cell.length - left);
  });
  const body = rows.map((row) => line(row, (cell, width) => (alignRight ? cell.padStart(width) : cell.padEnd(width))));
  return rule + head + rule + body.join("") + rule;
}
