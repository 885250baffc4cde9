/** Columns as kubectl aligns them: three spaces apart, six characters wide at least, nothing added to the last one. Source: cli-runtime/pkg/printers. */

const PADDING = 3;
const MIN_WIDTH = 6;

/** Lines of text. A row may be shorter than others. */
export function alignedText(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (let i = 0; i < row.length - 1; i++) {
      widths[i] = Math.max(widths[i] ?? MIN_WIDTH, lengthOf(row[i]!) + PADDING);
    }
  }
  let text = "";
  for (const row of rows) {
    for (let i = 0; i < row.length - 1; i++) text += row[i]! + " ".repeat(widths[i]! - lengthOf(row[i]!));
    text += `${row.at(-1) ?? ""}\n`;
  }
  return text;
}

/** Characters as a terminal counts them, near enough: code points. */
function lengthOf(cell: string): number {
  let length = cell.length;
  for (let i = 0; i < cell.length; i++) if ((cell.charCodeAt(i) & 0xfc00) === 0xd800) length--;
  return length;
}

/** A cell is one line, and what a snapshot holds must not steer the terminal. */
export function cellText(value: string): string {
  const end = value.search(/[\n\r\f]/);
  const line = end < 0 ? value : `${value.slice(0, end)}...`;
  return line.replace(/\p{Cc}/gu, (character) => `^${String.fromCharCode((character.charCodeAt(0) % 32) + 64)}`);
}
