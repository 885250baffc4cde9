/** As `aligned-text.ts`, for rows that are bytes already: tables of hundreds of thousands of rows. */
import { defined } from "../../errors/defined.ts";
import type { TableRow } from "../../snapshot/parallel-rows.ts";
import { aligned, BETWEEN, columnWidth } from "./aligned-text.ts";
import { oneLine } from "./escape.ts";
import { textWidth } from "./width.ts";

const PART_BYTES = 256 << 10;
const SPACE = 0x20;
const LINE_FEED = 0x0a;

/**
 * Lines in parts: as bytes what is printable ASCII, as text the rest. `widths` are those of the rows that are bytes; a
 * part of bytes is not to be looked at any more once the next one is asked for.
 */
export function* alignedRows(
  header: readonly string[] | undefined,
  rows: () => Iterable<TableRow>,
  widths: readonly number[],
): Generator<string | Uint8Array> {
  const all = widths.map(columnWidth);
  const widen = (cells: readonly string[]): void => {
    for (let i = 0; i < cells.length - 1; i++) all[i] = Math.max(all[i] ?? 0, columnWidth(textWidth(cells[i] ?? "")));
  };
  const escaped = (cells: readonly string[]): readonly string[] => cells.map(oneLine);
  if (header !== undefined) widen(escaped(header));
  for (const row of rows()) if (!(row instanceof Uint8Array)) widen(escaped(row));
  const line = (cells: readonly string[]): string => aligned([escaped(cells).join(BETWEEN)], all);
  if (header !== undefined) yield line(header);
  const longest = all.reduce((sum, width) => sum + width, 0);
  let bytes = new Uint8Array(PART_BYTES);
  let size = 0;
  for (const row of rows()) {
    const isBytes = row instanceof Uint8Array;
    if (size > 0 && (!isBytes || size + row.length + longest + 1 > bytes.length)) {
      yield bytes.subarray(0, size);
      size = 0;
    }
    if (!isBytes) {
      yield line(row);
      continue;
    }
    if (row.length + longest + 1 > bytes.length) bytes = new Uint8Array(row.length + longest + 1);
    size = writeRow(row, all, bytes, size);
  }
  if (size > 0) yield bytes.subarray(0, size);
}

/** Writes the row's cells, each but the last filled with spaces to its column's width. Returns the end. */
function writeRow(row: Uint8Array, widths: readonly number[], bytes: Uint8Array, start: number): number {
  let to = start;
  let cell = start;
  let column = 0;
  for (let i = 0; i < row.length; i++) {
    const byte = defined(row[i]);
    if (byte !== 0) {
      bytes[to++] = byte;
      continue;
    }
    for (const end = cell + (widths[column] ?? 0); to < end; ) bytes[to++] = SPACE;
    cell = to;
    column++;
  }
  bytes[to++] = LINE_FEED;
  return to;
}
