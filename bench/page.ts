/**
 * `npm run bench:page`: writes the tables of docs/performance.md from the files that benchmarks write with `--json
 * bench/NAME.json`. No figure of the page is typed by hand; `npm run check` compares the two.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { aligned } from "./aligned.ts";
import { type Recorded, recordedTable } from "./record.ts";
import { type RestoredObjects, restoredTables } from "./restored-objects.ts";
import { type ScaleResults, scaleTable } from "./scale-table.ts";
import { type Measured, type Spread, spreadText } from "./turns.ts";

export interface Results {
  /** The day of the run, such as `2026-11-29`. */
  readonly day: string;
  readonly processor: string;
  readonly cores: number;
  readonly node: string;
  readonly runs: number;
  /** Processes that were running or waiting to, over a minute, before and after. */
  readonly load: readonly [before: number, after: number];
  /** Bytes. */
  readonly size: number;
  readonly cases: readonly { readonly name: string; readonly measured: readonly Measured[] }[];
}

const PAGE = join(import.meta.dirname, "../docs/performance.md");
/** Where the table of a file goes: what stands between it and the end is replaced. */
const PLACE = /(<!-- from (bench\/[a-z-]+\.json): begin -->\n).*?(<!-- end -->)/gs;

/** What is not a plain table. */
const TABLES: Readonly<Record<string, (recorded: unknown) => string>> = {
  "bench/results.json": (recorded) => resultsTable(recorded as Results),
  "bench/objects-restore.json": (recorded) => restoredTables(recorded as RestoredObjects[]),
  "bench/scale.json": (recorded) => scaleTable(recorded as ScaleResults),
};

/** The table as Markdown: a row for each tool, and the ratio of kubemend to each peer. */
export function resultsTable(results: Results): string {
  const { day, processor, cores, node, runs, load, size } = results;
  const rows = results.cases.flatMap(({ name, measured }) => {
    const own = measured.find(({ tool }) => tool === "kubemend");
    return measured.map((each) => [
      name,
      each.tool,
      each.cpu === null ? "" : spreadText(each.cpu),
      own === undefined || own === each ? "" : ratio(own.cpu, each.cpu),
      spreadText(each.wall),
      own === undefined || own === each ? "" : ratio(own.wall, each.wall),
      each.peakMemory === null ? "" : String(each.peakMemory),
    ]);
  });
  const head = ["what", "tool", "CPU s", "kubemend / it", "wall s", "kubemend / it", "peak MiB"];
  const table = aligned([head, ...rows], 2);
  const conditions = `${(size / 1e9).toFixed(2)} GB, ${processor}, ${cores} cores, Node ${node}, ${day},
load ${load[0].toFixed(1)} before and
${load[1].toFixed(1)} after; the median of ${runs} runs in turns, and the least and the most:`;
  return `${conditions}\n\n${table}`;
}

function ratio(own: Spread | null, peer: Spread | null): string {
  return own === null || peer === null ? "" : (own.median / peer.median).toFixed(2);
}

/** The page with the tables of the recorded results. */
export function performancePage(page: string, recordedIn: (file: string) => unknown): string {
  return page.replace(PLACE, (_, begin: string, file: string, end: string) => {
    const recorded = recordedIn(file);
    const table = TABLES[file] ?? ((found: unknown) => recordedTable(found as Recorded));
    const text = recorded === undefined ? "" : table(recorded);
    return `${begin}\n${text === "" ? "No run is recorded yet." : text}\n\n${end}`;
  });
}

function recordedPage(): string {
  const read = (file: string): unknown => {
    const path = join(import.meta.dirname, "..", file);
    return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
  };
  return performancePage(readFileSync(PAGE, "utf8"), read);
}

/** Whether docs/performance.md has the tables of what is recorded. */
export function isPageCurrent(): boolean {
  return readFileSync(PAGE, "utf8") === recordedPage();
}

if (import.meta.main) writeFileSync(PAGE, recordedPage());
