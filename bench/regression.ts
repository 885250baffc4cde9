/**
 * `npm run bench:regression`: whether commands take much more CPU time than when bench/baseline.json was recorded, on a
 * small fixed snapshot. Machines differ, so each is compared with a yardstick that runs in turns with it: a fixed
 * amount of hashing, parsing and printing by Node itself. A report and no verdict: the exit code is 0 whatever it
 * finds. Needs `npm run build`.
 *
 * usage: node bench/regression.ts [--record]
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { generateSnapshot } from "./generate-snapshot.ts";
import { inTurns } from "./turns.ts";

const RUNS = 3;
/** What is worth a look: noise of a busy machine is below it. */
const BOUND = 1.5;
const BASELINE = join(import.meta.dirname, "baseline.json");
const PROGRAM = join(import.meta.dirname, "../dist/kubemend.js");

const YARDSTICK = `
  const hash = require("node:crypto").createHash("sha256");
  const block = Buffer.alloc(1 << 20, 7);
  for (let i = 0; i < 256; i++) hash.update(block);
  const object = {
    items: Array.from({ length: 500 }, (_, i) => (
      { name: "pod-" + i, labels: { app: "web", n: String(i) }, ports: [i, i + 1] }
    )),
  };
  let text = JSON.stringify(object);
  for (let i = 0; i < 400; i++) text = JSON.stringify(JSON.parse(text));
`;

/** CPU time of each command, in yardsticks. */
type Baseline = Readonly<Record<string, number>>;

function measureAll(snapshot: string): Baseline {
  const commands: Readonly<Record<string, readonly string[]>> = {
    "--version": ["--version"],
    "snapshot status": ["snapshot", "status", snapshot],
    "snapshot verify": ["snapshot", "verify", snapshot],
    "snapshot export": ["snapshot", "export", snapshot, "-o", "jsonl"],
    "snapshot get pods -A": ["snapshot", "get", snapshot, "pods", "-A"],
  };
  const yardstick = { tool: "yardstick", command: [process.execPath, "-e", YARDSTICK] };
  const own = Object.entries(commands).map(([tool, words]) => ({
    tool,
    command: [process.execPath, PROGRAM, ...words],
  }));
  const least = inTurns([yardstick, ...own], RUNS, () => {}).map((each) => {
    if (typeof each === "string" || each.cpu === null)
      throw new Error(`CPU time needs GNU time: ${JSON.stringify(each)}`);
    return [each.tool, each.cpu.least] as const;
  });
  const [[, unit], ...rest] = least as [readonly [string, number], ...(readonly [string, number])[]];
  return Object.fromEntries(rest.map(([tool, seconds]) => [tool, Number((seconds / unit).toFixed(2))]));
}

const { values } = parseArgs({ options: { record: { type: "boolean", default: false } } });
if (!existsSync("/usr/bin/time")) console.log("not measured: /usr/bin/time is missing");
else {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-regression-"));
  try {
    const snapshot = join(directory, "snapshot.db");
    generateSnapshot(snapshot, { pods: 10_000, history: 1000, seed: 3 });
    const found = measureAll(snapshot);
    if (values.record) writeFileSync(BASELINE, `${JSON.stringify(found, undefined, 2)}\n`);
    const baseline = JSON.parse(readFileSync(BASELINE, "utf8")) as Baseline;
    for (const [tool, units] of Object.entries(found)) {
      const known = baseline[tool];
      const change = known === undefined ? "new" : `${(units / known).toFixed(2)} of the baseline's ${known}`;
      const note = known !== undefined && units > known * BOUND ? "  <- more than noise: look at it" : "";
      console.log(`${tool.padEnd(22)} ${units.toFixed(2).padStart(6)} yardsticks of CPU time, ${change}${note}`);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}
