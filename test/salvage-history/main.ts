/**
 * `npm run test:salvage -- [COUNT] [FIRST SEED]`: many seeded histories, each salvaged and checked against an
 * independent model. A seed that fails is printed, and `npm run test:salvage -- 1 SEED` plays it again and says all of
 * it.
 */
import { checkSeed, type HistoryCheck } from "./check.ts";
import { describeHistoryCheck } from "./describe.ts";

const count = Number(process.argv[2] ?? 10_000);
const first = Number(process.argv[3] ?? 1);
const classes = new Map<string, number>();
const failed: HistoryCheck[] = [];
for (let seed = first; seed < first + count; seed++) {
  const verdict = checkSeed(seed);
  for (const each of verdict.classes) classes.set(each, (classes.get(each) ?? 0) + 1);
  if (verdict.faults.length > 0) failed.push(verdict);
  if (count === 1) process.stdout.write(describeHistoryCheck(verdict));
}
for (const [name, found] of [...classes].sort(([a], [b]) => (a < b ? -1 : 1))) {
  process.stdout.write(`${String(found).padStart(7)}  ${name}\n`);
}
for (const { scenario, faults } of failed.slice(0, 20)) process.stdout.write(`seed ${scenario.seed}: ${faults[0]}\n`);
process.stdout.write(`${count} histories, ${failed.length} failed\n`);
process.exitCode = failed.length === 0 ? 0 : 1;
