/**
 * `objects diff` of two snapshots of about 1.5 GB, of one cluster some thousand changes apart: wall time, CPU time and
 * peak memory. `node bench/objects-diff.ts [DIR] [--json FILE]`; DIR (or KUBEMEND_BENCH_DIR, else .cache/bench) holds the
 * snapshots, which are made when they are missing. Runs the sources.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { generateSnapshot, LARGE } from "./generate-snapshot.ts";
import { measure } from "./measure.ts";
import { recordTable } from "./record.ts";

const { values, positionals } = parseArgs({ options: { json: { type: "string" } }, allowPositionals: true });
const directory = positionals[0] ?? process.env.KUBEMEND_BENCH_DIR ?? ".cache/bench";
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
const record = recordTable(["what", "CPU s", "wall s", "peak MiB"], { file: values.json });
for (const [what, ...words] of [
  ["two snapshots", before, after],
  ["two snapshots, one namespace", before, after, "pods", "-n", "kube-system"],
  ["two revisions of one", `${before}@10370000`, before],
] as const) {
  const cost = measure(diff(...words), 1);
  if (typeof cost === "string") throw new Error(`${what}: ${cost}`);
  const { cpuSeconds, wallSeconds, peakMemory } = cost;
  record.add(what, cpuSeconds.toFixed(1), wallSeconds.toFixed(1), String(Math.round(peakMemory)));
}
record.end("Two snapshots of 1.55 GB, 3,000 changes apart, one run each");
