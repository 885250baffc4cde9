/**
 * `npm run simulation -- [--layer etcd|agents] [--seeds 200] [--from 1] [--seed N] [--record]`: faults and commands by
 * seed, and what must hold in spite of them. `--seed N` plays one seed again and prints what happened.
 */
import { parseArgs } from "node:util";
import { runEtcdSeeds } from "./etcd/layer.ts";
import type { Outcome } from "./outcome.ts";

const { values } = parseArgs({
  options: {
    layer: { type: "string" },
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    record: { type: "boolean", default: false },
  },
});

const LAYERS: Readonly<Record<string, (from: number, count: number) => AsyncGenerator<Outcome>>> = {
  etcd: runEtcdSeeds,
};

const chosen = Object.keys(LAYERS).filter((name) => values.layer === undefined || values.layer === name);
if (chosen.length === 0) throw new Error(`no layer is named "${values.layer}"`);
const from = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
let failed = 0;
for (const name of chosen) {
  for await (const outcome of LAYERS[name]!(from, count)) {
    const { seed, title, seconds, faults, story } = outcome;
    const verdict = faults.length === 0 ? "ok" : "FAILED";
    process.stdout.write(`${name} ${seed}: ${verdict} (${title}; ${seconds.toFixed(1)} s)\n`);
    if (values.seed !== undefined || faults.length > 0) process.stdout.write(`${story.join("\n")}\n`);
    if (faults.length > 0) failed++;
  }
}
process.exitCode = failed === 0 ? 0 : 1;
