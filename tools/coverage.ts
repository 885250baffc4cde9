/**
 * `npm run coverage [-- --suite NAME]... [OPTIONS OF VITEST]`: runs the suites of tests and measures which lines of src/
 * they reach together, by folder; fails where a folder is below its floor. Suites: unit, backup, attack and clients; all
 * unless some are named. Floors count only where all have run, with a real API server (`KUBEMEND_KUBERNETES`). Lines
 * that only a thread or another program reaches count as not reached.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { PURE_FOLDERS } from "../test/folders.ts";
import { KUBERNETES_VARIABLE } from "../testbed/kubernetes.ts";

/** In percent of lines. */
const FLOORS = { pure: 95, operations: 80 };

const SUITES: Readonly<Record<string, string>> = {
  unit: "vitest.config.ts",
  backup: "vitest.backup.config.ts",
  attack: "vitest.attack.config.ts",
  clients: "vitest.clients.config.ts",
};

const root = join(import.meta.dirname, "..");
const { values, tokens } = parseArgs({
  options: { suite: { type: "string", multiple: true } },
  strict: false,
  allowPositionals: true,
  tokens: true,
});
const named = (values.suite ?? []) as string[];
const suites = named.length === 0 ? Object.keys(SUITES) : named;
const given = process.argv.slice(2);
const ours = new Set(
  tokens.flatMap((token) =>
    token.kind === "option" && token.name === "suite"
      ? [token.index, ...(token.inlineValue === true ? [] : [token.index + 1])]
      : [],
  ),
);
const rest = given.filter((_, i) => !ours.has(i));

/** What a suite's report says of a file: where its statements begin, and how often each was reached. */
interface FileReport {
  readonly statementMap: Readonly<Record<string, { readonly start: { readonly line: number } }>>;
  readonly s: Readonly<Record<string, number>>;
}

/** By file: each line on which a statement begins, and whether a suite reached it. */
const reached = new Map<string, Map<number, boolean>>();
let isFailed = false;
for (const suite of suites) {
  const config = SUITES[suite];
  if (config === undefined) throw new Error(`no suite is named "${suite}": ${Object.keys(SUITES).join(", ")}`);
  const directory = join(root, ".cache/coverage", suite);
  const coverage = Object.entries({
    enabled: "true",
    provider: "v8",
    include: "src/**/*.ts",
    exclude: "src/**/*.test.ts",
    reporter: "json",
    reportsDirectory: directory,
    reportOnFailure: "true",
  }).map(([name, value]) => `--coverage.${name}=${value}`);
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const { status } = spawnSync(process.execPath, [vitest, "run", "--config", config, ...coverage, ...rest], {
    cwd: root,
    stdio: "inherit",
  });
  if (status !== 0) isFailed = true;
  const report = JSON.parse(readFileSync(join(directory, "coverage-final.json"), "utf8")) as Record<string, FileReport>;
  for (const [path, { statementMap, s }] of Object.entries(report)) {
    const lines = reached.get(path) ?? new Map<number, boolean>();
    reached.set(path, lines);
    for (const [id, { start }] of Object.entries(statementMap))
      lines.set(start.line, (lines.get(start.line) ?? false) || (s[id] ?? 0) > 0);
  }
}

interface Lines {
  readonly total: number;
  readonly covered: number;
}
const folders = new Map<string, Lines>();
for (const [path, lines] of reached) {
  const parts = relative(join(root, "src"), path).split("/");
  const names =
    parts[0] === "io" || parts[0] === "operations" ? [parts[0], parts.slice(0, 2).join("/")] : [parts[0] ?? ""];
  for (const name of names) {
    const { total, covered } = folders.get(name) ?? { total: 0, covered: 0 };
    const own = [...lines.values()].filter(Boolean).length;
    folders.set(name, { total: total + lines.size, covered: covered + own });
  }
}

const isWhole = named.length === 0 && (process.env[KUBERNETES_VARIABLE] ?? "") !== "";

function floorOf(folder: string): number | undefined {
  if (!isWhole) return undefined;
  if (PURE_FOLDERS.includes(folder)) return FLOORS.pure;
  return folder === "operations" ? FLOORS.operations : undefined;
}

const percent = ({ total, covered }: Lines) => (total === 0 ? 100 : (100 * covered) / total);
const low: string[] = [];
console.log(`\nlines of src/ that the tests reach (${suites.join(", ")})`);
for (const [name, lines] of [...folders].sort(([a], [b]) => (a < b ? -1 : 1))) {
  const floor = floorOf(name);
  const isLow = floor !== undefined && percent(lines) < floor;
  if (isLow) low.push(`src/${name}: ${percent(lines).toFixed(1)} %, and its floor is ${floor} %`);
  const row = [
    name.padEnd(26),
    `${percent(lines).toFixed(1)} %`.padStart(8),
    `${lines.covered}/${lines.total}`.padStart(13),
  ];
  console.log(`${row.join("")}${floor === undefined ? "" : `   floor ${floor} %`}${isLow ? "  TOO LOW" : ""}`);
}
if (low.length > 0) console.error(`\n${low.join("\n")}`);
if (isFailed || low.length > 0) process.exit(1);
