/**
 * `npm run fuzz -- --seconds 20 [--seed N]`: damages snapshots by ever new seeds until the time is over. A seed that breaks something is printed, and is
 * repeated with `--seed N`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { mutate } from "./mutate.ts";
import { readEverything } from "./read-everything.ts";
import { sampleSnapshot, withHash } from "./sample-snapshot.ts";

const { values } = parseArgs({ options: { seconds: { type: "string", default: "20" }, seed: { type: "string" } } });
const directory = mkdtempSync(join(tmpdir(), "kubemend-fuzz-"));
const path = join(directory, "snapshot.db");
const sample = sampleSnapshot(6);
const end = Date.now() + Number(values.seconds) * 1000;
let seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);
const first = seed;
try {
  do {
    const body = mutate(sample.subarray(0, sample.length - 32), seed, 1024);
    await readEverything(path, seed % 2 === 0 ? withHash(body) : body);
    seed += 1;
  } while (values.seed === undefined && Date.now() < end);
  process.stdout.write(`fuzz: ${seed - first} damaged snapshots from seed ${first} on, none broke anything\n`);
} catch (error) {
  process.stderr.write(`fuzz: seed ${seed} broke kubemend; repeat it with --seed ${seed}\n`);
  throw error;
} finally {
  rmSync(directory, { recursive: true });
}
