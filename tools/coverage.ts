/**
 * Runs the unit tests and measures which lines of src/ they reach, by folder; fails where a folder is below its floor.
 * With `--pure` it runs the tests that are in the pure folders, and measures these folders alone: minutes less, and no
 * floors, for much of them is reached by tests elsewhere. Other arguments go to Vitest. Lines that only a thread of a
 * test's own or another program reaches count as not reached.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { PURE_FOLDERS } from "../test/folders.ts";

/** In percent of lines. */
const FLOORS = { pure: 95, operations: 80 };

function floorOf(folder: string): number | undefined {
  if (PURE_FOLDERS.includes(folder)) return FLOORS.pure;
  return folder === "operations" ? FLOORS.operations : undefined;
}

const root = join(import.meta.dirname, "..");
const summary = join(root, ".cache/coverage/coverage-summary.json");
const vitest = join(root, "node_modules/vitest/vitest.mjs");
const given = process.argv.slice(2);
const isPure = given.includes("--pure");
const only = isPure
  ? PURE_FOLDERS.flatMap((folder) => [`src/${folder}/`, `--coverage.include=src/${folder}/**/*.ts`])
  : [];
const rest = given.filter((argument) => argument !== "--pure");
const { status } = spawnSync(process.execPath, [vitest, "run", "--coverage", ...only, ...rest], {
  cwd: root,
  stdio: "inherit",
});
if (status !== 0) process.exit(status ?? 1);

interface Lines {
  readonly total: number;
  readonly covered: number;
}
const files = JSON.parse(readFileSync(summary, "utf8")) as Record<string, { readonly lines: Lines }>;
const folders = new Map<string, Lines>();
for (const [path, { lines }] of Object.entries(files)) {
  if (path === "total") continue;
  const parts = relative(join(root, "src"), path).split("/");
  const names =
    parts[0] === "io" || parts[0] === "operations" ? [parts[0], parts.slice(0, 2).join("/")] : [parts[0] ?? ""];
  for (const name of names) {
    const { total, covered } = folders.get(name) ?? { total: 0, covered: 0 };
    folders.set(name, { total: total + lines.total, covered: covered + lines.covered });
  }
}

const percent = ({ total, covered }: Lines) => (total === 0 ? 100 : (100 * covered) / total);
const low: string[] = [];
console.log("\nlines of src/ that the unit tests reach");
for (const [name, lines] of [...folders].sort(([a], [b]) => (a < b ? -1 : 1))) {
  const floor = isPure ? undefined : floorOf(name);
  const isLow = floor !== undefined && percent(lines) < floor;
  if (isLow) low.push(`src/${name}: ${percent(lines).toFixed(1)} %, and its floor is ${floor} %`);
  const row = [
    name.padEnd(26),
    `${percent(lines).toFixed(1)} %`.padStart(8),
    `${lines.covered}/${lines.total}`.padStart(13),
  ];
  console.log(`${row.join("")}${floor === undefined ? "" : `   floor ${floor} %`}${isLow ? "  TOO LOW" : ""}`);
}
if (low.length > 0) {
  console.error(`\n${low.join("\n")}`);
  process.exit(1);
}
