/** Aligned columns as kubectl prints them: three spaces apart, numbers to the right where asked, nothing behind the last column. */
export interface TableOptions {
  /** Columns (by index) that are aligned to the right. */
  readonly right?: readonly number[];
}

export function tableText(rows: readonly (readonly string[])[], options: TableOptions = {}): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  const right = new Set(options.right);
  const lines = rows.map((row) =>
    row
      .map((cell, i) => (right.has(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join("   ")
      .trimEnd(),
  );
  return lines.map((line) => `${line}\n`).join("");
}
