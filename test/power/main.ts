/**
 * `npm run attack:power -- [--job NAME] [--draws 2] [--record]`: kills and power cuts at every change that a command
 * makes. The changes of one run are recorded, with
 * what was flushed when; then every state of the disk that a kill or a cut could have left is made, judged, and the
 * command is run on it again.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { recordedRows, recordFigures } from "../reliability.ts";
import { beginRecording, crashStates, digestOfDirectory, finalDigest } from "./crash-states.ts";
import { POWER_JOBS } from "./jobs.ts";
import type { PowerJob } from "./power-job.ts";
import type { RecordedChange } from "./recorded-change.ts";

const { values } = parseArgs({
  options: {
    job: { type: "string" },
    draws: { type: "string", default: "2" },
    record: { type: "boolean", default: false },
  },
});

interface Outcome {
  readonly name: string;
  readonly changes: number;
  readonly states: number;
  readonly failures: number;
}

async function attack(job: PowerJob, scratch: string): Promise<Outcome> {
  const [directory, inputs, before] = ["disk", "inputs", "before"].map((name) => join(scratch, name)) as [
    string,
    string,
    string,
  ];
  for (const each of [directory, inputs]) mkdirSync(each, { mode: 0o700 });
  await job.prepare(directory, inputs);
  cpSync(directory, before, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  const finish = beginRecording(directory);
  const log = join(scratch, "log");
  const program = [`--import=${join(import.meta.dirname, "record-writes.ts")}`, ...job.argv(directory, inputs)];
  const env = {
    ...process.env,
    ...job.env,
    KUBEMEND_AUDIT_LOG: "off",
    KUBEMEND_RECORD_ROOT: directory,
    KUBEMEND_RECORD_LOG: log,
  };
  const { status, stderr } = spawnSync(process.execPath, program, { env, cwd: scratch, encoding: "utf8" });
  if (!(job.codes ?? [0]).includes(status ?? -1)) throw new Error(`${job.name}: exit code ${status}\n${stderr}`);
  const lines = existsSync(log) ? readFileSync(log, "utf8").trimEnd().split("\n") : [];
  const recording = finish(lines.map((line) => JSON.parse(line) as RecordedChange));
  if (finalDigest(recording) !== digestOfDirectory(directory))
    throw new Error(`${job.name}: not every change was seen`);
  // Paths that a command has written down mean the disk after the crash, as they would.
  const after = join(scratch, "after");
  renameSync(directory, after);

  let states = 0;
  let failures = 0;
  for (const state of crashStates(recording, Number(values.draws))) {
    mkdirSync(directory, { mode: 0o700 });
    try {
      state.write(directory);
      const { said } = state;
      await job.check(directory, { inputs, before, after, hasSpoken: said > 0, said });
      await job.again(directory, inputs);
    } catch (error) {
      failures++;
      process.stderr.write(
        `${job.name}: after change ${state.after} of ${recording.steps.length}, ${state.what}: ${String((error as Error).message)}\n`,
      );
    }
    rmSync(directory, { recursive: true, force: true });
    states++;
  }
  return { name: job.name, changes: recording.steps.length, states, failures };
}

const outcomes: Outcome[] = [];
for (const job of POWER_JOBS.filter(({ name }) => values.job === undefined || name === values.job)) {
  const scratch = realpathSync(mkdtempSync(join(tmpdir(), "kubemend-power-")));
  try {
    const outcome = await attack(job, scratch);
    outcomes.push(outcome);
    process.stdout.write(
      `${outcome.name}: ${outcome.changes} changes, ${outcome.states} states, ${outcome.failures} failures\n`,
    );
  } finally {
    await job.close?.();
    rmSync(scratch, { recursive: true, force: true });
  }
}
if (outcomes.length === 0) throw new Error(`no job is named "${values.job}"`);
if (values.record) {
  // A run of one job leaves the others' figures as they are.
  const rows = new Map(values.job === undefined ? [] : recordedRows("power"));
  for (const { name, changes, states, failures } of outcomes) rows.set(name, [changes, states, failures]);
  recordFigures("power", [
    "| command | changes that it makes | states of the disk | failures |",
    "| --- | ---: | ---: | ---: |",
    ...[...rows].map(([name, figures]) => `| ${name} | ${figures.join(" | ")} |`),
  ]);
}
process.exit(outcomes.some(({ failures }) => failures > 0) ? 1 : 0);
