/**
 * `npm run fuzz -- [--seconds 20] [--inputs 1000000] [--target NAME] [--seed N | --from N] [--state FILE] [--record]`:
 * gives damaged inputs to every reader of something from outside, until the time is over or so many were read: by ever
 * new seeds, or by the same ones each time with `--from`, as CI does. `--state` keeps how far a run has come, so that
 * one of hours can be made in pieces; `--record` writes its figures into docs/reliability.md when it is whole. What
 * breaks something is kept in test/fuzz/corpus, which `npm test` reads from then on.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { recordFigures } from "../reliability.ts";
import { type Failure, runSeeds } from "./run-input.ts";
import { FUZZ_TARGETS } from "./targets.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "20" },
    inputs: { type: "string" },
    target: { type: "string" },
    seed: { type: "string" },
    from: { type: "string" },
    state: { type: "string" },
    record: { type: "boolean", default: false },
  },
});

interface State {
  /** The first seed of the run. */
  readonly first: number;
  seconds: number;
  readonly counts: Record<string, { inputs: number; refused: number }>;
  failures: number;
}

const CORPUS = join(import.meta.dirname, "corpus");
const most = values.inputs === undefined ? Number.POSITIVE_INFINITY : Number(values.inputs);
const chosen = FUZZ_TARGETS.filter(({ name }) => values.target === undefined || name === values.target);
if (chosen.length === 0)
  throw new Error(`no target is named "${values.target}": ${FUZZ_TARGETS.map(({ name }) => name).join(", ")}`);

const state: State =
  values.state !== undefined && existsSync(values.state)
    ? (JSON.parse(readFileSync(values.state, "utf8")) as State)
    : {
        first: Number(values.seed ?? values.from ?? Date.now() % 2 ** 31),
        seconds: 0,
        counts: {},
        failures: 0,
      };
const begun = performance.now();
const end = begun + Number(values.seconds) * 1000;
const ROUND = 1000;

const total = (): number => Object.values(state.counts).reduce((sum, { inputs }) => sum + inputs, 0);

function keep(failure: Failure): void {
  const folder = join(CORPUS, failure.target.replace(/\W+/g, "-"));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, String(failure.seed)), failure.input);
  process.stderr.write(
    `fuzz: "${failure.target}" broke; repeat it with --target "${failure.target}" --seed ${failure.seed}\n${failure.broken}\n`,
  );
}

const corpora = new Map<string, readonly Uint8Array[]>();
for (const target of chosen) corpora.set(target.name, await target.corpus());

/** A tenth of a round each, in turn, until the time is over. */
async function fuzz(): Promise<void> {
  for (;;) {
    for (const target of chosen) {
      state.counts[target.name] ??= { inputs: 0, refused: 0 };
      const count = state.counts[target.name]!;
      const batch = values.seed === undefined ? Math.max(1, Math.ceil((target.share ?? ROUND) / 10)) : 1;
      const { refused, failure } = await runSeeds(target, corpora.get(target.name)!, state.first + count.inputs, batch);
      count.inputs += failure === undefined ? batch : failure.seed - state.first - count.inputs + 1;
      count.refused += refused;
      if (failure !== undefined) {
        state.failures++;
        keep(failure);
      }
      if (performance.now() > end || total() >= most || values.seed !== undefined) return;
    }
  }
}

await fuzz();
for (const target of chosen) await target.close?.();
state.seconds += (performance.now() - begun) / 1000;
if (values.state !== undefined) writeFileSync(values.state, JSON.stringify(state, undefined, 1));
process.stdout.write(
  `fuzz: ${total()} damaged inputs of ${chosen.length} readers from seed ${state.first} on, ${state.failures} broke something\n`,
);
if (values.record && total() >= most) {
  const rows = Object.entries(state.counts).map(([name, { inputs, refused }]) => [name, inputs, refused] as const);
  recordFigures("fuzz", [
    `\`npm run fuzz -- --inputs ${most}\`: **${total().toLocaleString("en")} damaged inputs** in ` +
      `${Math.round(state.seconds / 60)} minutes, from seed ${state.first} on; ${state.failures} ` +
      "broke something.",
    "",
    "| reader | inputs | refused |",
    "| --- | ---: | ---: |",
    ...rows.map(
      ([name, inputs, refused]) => `| ${name} | ${inputs.toLocaleString("en")} | ${refused.toLocaleString("en")} |`,
    ),
  ]);
}
process.exit(state.failures === 0 ? 0 : 1);
