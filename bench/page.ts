/**
 * `npm run bench:page`: writes the table of docs/performance.md from bench/results.json, which `npm run bench -- --json
 * bench/results.json` writes. No figure of it is typed by hand; `npm run check` compares the two.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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
const BEGIN = "<!-- from bench/results.json: begin -->";
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
  const table = aligned([head, ...rows]);
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

/** A table as the formatter leaves it: texts to the left, numbers to the right. */
function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(" | ")} |`;
  const rule = widths.map((width, i) => (i < 2 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [line(rows[0]!), `| ${rule.join(" | ")} |`, ...rows.slice(1).map(line)].join("\n");
}

/** The page with the table of the recorded results. */
export function performancePage(page: string, results: Results): string {
  const from = page.indexOf(BEGIN);
  const to = page.indexOf(END, from);
  if (from < 0 || to < 0) throw new Error("docs/performance.md lacks the place of the table");
  return `${page.slice(0, from + BEGIN.length)}\n\n${resultsTable(results)}\n\n${page.slice(to)}`;
}

/** Whether docs/performance.md has the table of bench/results.json. */
export function isPageCurrent(): boolean {
  const page = readFileSync(PAGE, "utf8");
  return page === performancePage(page, JSON.parse(readFileSync(RESULTS, "utf8")) as Results);
}

if (import.meta.main) {
  const page = readFileSync(PAGE, "utf8");
  writeFileSync(PAGE, performancePage(page, JSON.parse(readFileSync(RESULTS, "utf8")) as Results));
}
