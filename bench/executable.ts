/**
 * `npm run bench:exe`: what the single executable costs beside the bundle on Node: its start, a small and a larger
 * snapshot. Needs `npm run build`, and `npm run build:exe` and `build:image` before it.
 *
 * usage: node bench/executable.ts [--runs N]
 */
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { generateSnapshot } from "./generate-snapshot.ts";
import { measure } from "./measure.ts";

const ROOT = join(import.meta.dirname, "..");
const EXECUTABLE = join(ROOT, "build/kubemend");
const WAYS = { executable: [EXECUTABLE], "node dist": [process.execPath, join(ROOT, "dist/kubemend.js")] };
const MEDIUM = { pods: 22_000, history: 2000, seed: 1 };

const { values } = parseArgs({ options: { runs: { type: "string", default: "20" } } });
const directory = join(ROOT, ".cache/bench");
mkdirSync(directory, { recursive: true });
const medium = join(directory, "medium.db");
generateSnapshot(medium, MEDIUM);
const small = join(ROOT, "test/fixtures/k120-broad/snapshot.db.gz");
const COMMANDS = {
  "--version": ["--version"],
  "snapshot status, 4 MB in .gz": ["snapshot", "status", small],
  [`snapshot status, ${(statSync(medium).size / 1e6).toFixed(0)} MB`]: ["snapshot", "status", medium],
  [`snapshot verify, ${(statSync(medium).size / 1e6).toFixed(0)} MB`]: ["snapshot", "verify", medium],
};

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
const bytes = readFileSync(EXECUTABLE);
console.log(`executable ${megabytes(bytes.length)}, ${megabytes(gzipSync(bytes).length)} gzipped`);
console.log(`image ${megabytes(statSync(join(ROOT, "build/kubemend-image.tar")).size)}`);
for (const [what, argv] of Object.entries(COMMANDS)) {
  for (const [way, program] of Object.entries(WAYS)) {
    const cost = measure([...program, ...argv], Number(values.runs));
    if (typeof cost === "string") throw new Error(`${what}: ${cost}`);
    const { wallSeconds, peakMemory } = cost;
    console.log(`${what} | ${way} | ${(wallSeconds * 1000).toFixed(0)} ms | ${peakMemory.toFixed(0)} MiB`);
  }
}
