/**
 * What a benchmark found, as a table: printed, and, where a file is named (`--json bench/NAME.json`), recorded with the
 * day, the machine and its load, from which `npm run bench:page` writes docs/performance.md.
 */
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { aligned } from "./aligned.ts";

export interface Recorded {
  /** The day of the run, such as `2026-11-29`. */
  readonly day: string;
  readonly processor: string;
  readonly cores: number;
  readonly node: string;
  /** Processes that were running or waiting to, over a minute, before and after. */
  readonly load: readonly [before: number, after: number];
  /** What was measured, as far as the page cannot know: sizes, versions, runs. */
  readonly conditions: string;
  readonly head: readonly string[];
  /** So many columns, from the first, are texts; the others are numbers. */
  readonly texts: number;
  readonly rows: readonly (readonly string[])[];
}

export interface RecordedTable {
  /** A row, which is printed at once: a benchmark can take hours. */
  add(...cells: readonly string[]): void;
  /** Prints the table and writes the file, where there is one. */
  end(conditions: string): void;
}

export function recordTable(
  head: readonly string[],
  { file, texts = 1 }: { readonly file?: string | undefined; readonly texts?: number } = {},
): RecordedTable {
  const before = loadavg()[0]!;
  const rows: (readonly string[])[] = [];
  return {
    add(...cells) {
      rows.push(cells);
      console.error(cells.join(" | "));
    },
    end(conditions) {
      const recorded: Recorded = {
        day: new Date().toISOString().slice(0, 10),
        processor: cpus()[0]?.model ?? "unknown processor",
        cores: cpus().length,
        node: process.versions.node,
        load: [Number(before.toFixed(2)), Number(loadavg()[0]!.toFixed(2))],
        conditions,
        head,
        texts,
        rows,
      };
      console.log(recordedTable(recorded));
      if (file !== undefined) writeFileSync(file, `${JSON.stringify(recorded, undefined, 2)}\n`);
    },
  };
}

/** The table as Markdown, under a sentence that says how it came about. */
export function recordedTable({ day, processor, cores, node, load, conditions, head, texts, rows }: Recorded): string {
  return `${conditions}.
${processor}, ${cores} cores, Node ${node}, ${day}, load ${load[0].toFixed(1)} before and ${load[1].toFixed(1)} after:

${aligned([head, ...rows], texts)}`;
}
