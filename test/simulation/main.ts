/**
 * `npm run simulation -- [--layer agents|etcd] [--seeds 200] [--from 1] [--seed N] [--log FILE] [--record]`: faults and
 * commands by seed, and what must hold in spite of them. `--seed N` plays one seed again and prints what happened.
 * `--log` appends each outcome to a file, so that a long run can be made of several, and `--record` writes the figures of
 * all of them into docs/reliability.md. Without root, or where the test bed cannot be made, only the agents are
 * simulated, and one line says why.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { whyNoBed } from "../../testbed/requirements.ts";
import { recordedRows, recordFigures } from "../reliability.ts";
import { runAgentSeeds } from "./agents/layer.ts";
import { runEtcdSeeds } from "./etcd/layer.ts";
import { figuresOf, type LayerOutcome, summaryOf } from "./figures.ts";
import type { Outcome } from "./outcome.ts";

const { values } = parseArgs({
  options: {
    layer: { type: "string" },
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    log: { type: "string" },
    record: { type: "boolean", default: false },
  },
});

interface Layer {
  readonly name: string;
  readonly run: (from: number, count: number) => AsyncGenerator<Outcome>;
  /** Why it cannot be run here, or undefined. */
  readonly why: () => string | undefined;
}

const LAYERS: readonly Layer[] = [
  { name: "agents", run: runAgentSeeds, why: () => undefined },
  { name: "etcd", run: runEtcdSeeds, why: whyNoBed },
];

const chosen = LAYERS.filter(({ name }) => values.layer === undefined || values.layer === name);
if (chosen.length === 0) throw new Error(`no layer is named "${values.layer}"`);
const from = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const outcomes: LayerOutcome[] = [];
for (const { name, run, why } of chosen) {
  const reason = why();
  if (reason !== undefined && values.layer === undefined) {
    process.stdout.write(`the layer ${name} is left out: ${reason}\n`);
    continue;
  }
  for await (const { story, ...outcome } of count > 0 ? run(from, count) : []) {
    const { seed, title, seconds, faults } = outcome;
    const verdict = faults.length === 0 ? "ok" : "FAILED";
    process.stdout.write(`${name} ${seed}: ${verdict} (${title}; ${seconds.toFixed(1)} s)\n`);
    if (values.seed !== undefined || faults.length > 0) process.stdout.write(`${story.join("\n")}\n`);
    outcomes.push({ layer: name, ...outcome });
    if (values.log !== undefined) appendFileSync(values.log, `${JSON.stringify(outcomes.at(-1))}\n`);
  }
}
process.stdout.write(`${summaryOf(outcomes).join("\n")}\n`);
if (values.record) {
  const earlier = values.log !== undefined && existsSync(values.log) ? readFileSync(values.log, "utf8") : "";
  const logged = earlier.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as LayerOutcome]));
  recordFigures("simulation", figuresOf([...logged, ...outcomes], recordedRows("simulation")));
}
process.exitCode = outcomes.some(({ faults }) => faults.length > 0) ? 1 : 0;
