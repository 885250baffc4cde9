/**
 * `npm run bench:page`: writes the table of docs/performance.md from bench/results.json, which `npm run bench -- --json
 * bench/results.json` writes. No figure of it is typed by hand; `npm run check` compares the two.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { aligned } from "./aligned.ts";
import { type RestoredObjects, restoredTables } from "./restored-objects.ts";
import { type ScaleResults, scaleTable } from "./scale-table.ts";
import type { Measured, Spread } from "./turns.ts";

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
const RESULTS = join(import.meta.dirname, "results.json");
const RESTORED = join(import.meta.dirname, "objects-restore.json");
const BEGIN = "<!-- from bench/results.json: begin -->";
const RESTORED_BEGIN = "<!-- from bench/objects-restore.json: begin -->";
const SCALE = join(import.meta.dirname, "scale.json");
const SCALE_BEGIN = "<!-- from bench/scale.json: begin -->";
const END = "<!-- end -->";

/** The table as Markdown: a row for each tool, and the ratio of kubemend to each peer. */
export function resultsTable(results: Results): string {
  const { day, processor, cores, node, runs, load, size } = results;
  const rows = results.cases.flatMap(({ name, measured }) => {
    const own = measured.find(({ tool }) => tool === "kubemend");
    return measured.map((each) => [
      name,
      each.tool,
      each.cpu === null ? "" : seconds(each.cpu),
      own === undefined || own === each ? "" : ratio(own.cpu, each.cpu),
      seconds(each.wall),
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

function seconds({ median, least, most }: Spread): string {
  return `${median.toFixed(2)} (${least.toFixed(2)}-${most.toFixed(2)})`;
}

function ratio(own: Spread | null, peer: Spread | null): string {
  return own === null || peer === null ? "" : (own.median / peer.median).toFixed(2);
}

/** The page with the tables of the recorded results. */
export function performancePage(page: string, results: Results, restored: readonly RestoredObjects[]): string {
  return between(between(page, BEGIN, resultsTable(results)), RESTORED_BEGIN, restoredTables(restored));
}

function between(page: string, begin: string, text: string): string {
  const from = page.indexOf(begin);
  const to = page.indexOf(END, from);
  if (from < 0 || to < 0) throw new Error(`docs/performance.md lacks the place of a table: ${begin}`);
  return `${page.slice(0, from + begin.length)}\n\n${text === "" ? "" : `${text}\n\n`}${page.slice(to)}`;
}

function recordedPage(): string {
  const read = <T>(path: string) => JSON.parse(readFileSync(path, "utf8")) as T;
  const page = between(readFileSync(PAGE, "utf8"), SCALE_BEGIN, scaleTable(read<ScaleResults>(SCALE)));
  return performancePage(page, read<Results>(RESULTS), read<RestoredObjects[]>(RESTORED));
}

/** Whether docs/performance.md has the tables of bench/results.json and bench/objects-restore.json. */
export function isPageCurrent(): boolean {
  return readFileSync(PAGE, "utf8") === recordedPage();
}

if (import.meta.main) writeFileSync(PAGE, recordedPage());
