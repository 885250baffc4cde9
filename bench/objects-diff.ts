/**
 * `objects diff` of two snapshots of about 1.5 GB, of one cluster some thousand changes apart: wall time, CPU time and
 * peak memory. `node bench/objects-diff.ts [DIR]`; DIR (or KUBEMEND_BENCH_DIR, else .cache/bench) holds the snapshots,
 * which are made when they are missing. Runs the sources.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { generateSnapshot, LARGE } from "./generate-snapshot.ts";
import { measure } from "./measure.ts";

const directory = process.argv[2] ?? process.env.KUBEMEND_BENCH_DIR ?? ".cache/bench";
mkdirSync(directory, { recursive: true });
const before = join(directory, "snapshot-1500mb.db");
const after = join(directory, "snapshot-1500mb-later.db");
if (!existsSync(before)) generateSnapshot(before, LARGE);
if (!existsSync(after)) generateSnapshot(after, { ...LARGE, history: LARGE.history + 3000 });

const main = join(import.meta.dirname, "../src/cli/main.ts");
// Exit code 1 says that they differ, 0 that they do not.
const diff = (...words: string[]) => [
  "sh",
  "-c",
  '"$@"; test $? -le 1',
  "sh",
  process.execPath,
  main,
  "objects",
  "diff",
  ...words,
];
measure(["cat", before, after], 1);
console.log("| what | wall s | CPU s | peak MiB |\n|---|--:|--:|--:|");
for (const [what, ...words] of [
  ["two snapshots", before, after],
  ["two snapshots, one namespace", before, after, "pods", "-n", "kube-system"],
  ["two revisions of one", `${before}@10370000`, before],
] as const) {
  const cost = measure(diff(...words), 1);
  if (typeof cost === "string") console.log(`| ${what} | ${cost} | | |`);
  else
    console.log(
      `| ${what} | ${cost.wallSeconds.toFixed(1)} | ${cost.cpuSeconds.toFixed(1)} | ${Math.round(cost.peakMemory)} |`,
    );
}
