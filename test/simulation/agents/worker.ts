/** Runs seeds in a process that has no clock but the virtual one, and prints a line of JSON for each. Started by `layer.ts`. */
import { writeSync } from "node:fs";
import { runAgentSeed } from "./simulation.ts";

// Thousands of refused connections a second are made: their stacks would take most of the time.
Error.stackTraceLimit = 3;
const [from = "1", count = "1"] = process.argv.slice(2);
for (let seed = Number(from); seed < Number(from) + Number(count); seed++) {
  writeSync(1, `${JSON.stringify(await runAgentSeed(seed))}\n`);
}
process.exit(0);
