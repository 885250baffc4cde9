/**
 * `npm run bench:exe`: what the single executable costs beside the bundle on Node and beside Node that does nothing,
 * which is the floor: its start, a small and a larger snapshot, in turns. Needs `npm run build` and `build:exe` before it.
 *
 * usage: node bench/executable.ts [--runs N] [--json FILE]
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { generateSnapshot } from "./generate-snapshot.ts";
import { measure } from "./measure.ts";
import { recordTable } from "./record.ts";
import { inTurns } from "./turns.ts";

const ROOT = join(import.meta.dirname, "..");
const EXECUTABLE = join(ROOT, "build/kubemend");
const WAYS = { executable: [EXECUTABLE], "node dist": [process.execPath, join(ROOT, "dist/kubemend.js")] };
const MEDIUM = { pods: 22_000, history: 2000, seed: 1 };

const { values } = parseArgs({ options: { runs: { type: "string", default: "20" }, json: { type: "string" } } });
const directory = join(ROOT, ".cache/bench");
mkdirSync(directory, { recursive: true });
const medium = join(directory, "medium.db");
generateSnapshot(medium, MEDIUM);
const small = join(ROOT, "test/fixtures/k120-broad/snapshot.db.gz");
const COMMANDS: Record<string, readonly string[]> = {
  "`--version`": ["--version"],
  "`snapshot get pods -A`, 4 MB in .gz": ["snapshot", "get", small, "pods", "-A"],
  "`snapshot status`, 4 MB in .gz": ["snapshot", "status", small],
  [`\`snapshot status\`, ${(statSync(medium).size / 1e6).toFixed(0)} MB`]: ["snapshot", "status", medium],
  [`\`snapshot verify\`, ${(statSync(medium).size / 1e6).toFixed(0)} MB`]: ["snapshot", "verify", medium],
};

// The second look-up in a large file finds the index that the first one has kept.
const cache = mkdtempSync(join(tmpdir(), "kubemend-bench-"));
process.env.KUBEMEND_CACHE = cache;
const again = ["snapshot", "get", medium, "ns/kube-system", "-o", "yaml"];
COMMANDS["`snapshot get` of one object, again, the same"] = again;

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
const bytes = readFileSync(EXECUTABLE);
const record = recordTable(["what", "way", "CPU ms", "least", "wall ms", "peak MiB"], { file: values.json, texts: 2 });
for (const [what, argv] of Object.entries(COMMANDS)) {
  const own = Object.entries(WAYS).map(([tool, program]) => ({ tool, command: [...program, ...argv] }));
  if (argv === again) measure([EXECUTABLE, ...argv], 1); // the first one
  const floor = { tool: "Node that does nothing", command: [process.execPath, "-e", "0"] };
  for (const measured of inTurns([...own, floor], Number(values.runs), () => {})) {
    if (typeof measured === "string" || measured.cpu === null) throw new Error(`${what}: ${JSON.stringify(measured)}`);
    const { tool, cpu, wall, peakMemory } = measured;
    const ms = (seconds: number): string => (seconds * 1000).toFixed(0);
    record.add(what, tool, ms(cpu.median), ms(cpu.least), ms(wall.median), String(peakMemory));
  }
}
rmSync(cache, { recursive: true });
record.end(
  `${megabytes(bytes.length)}, ${megabytes(gzipSync(bytes).length)} gzipped; the median of ${values.runs} runs in turns`,
);
