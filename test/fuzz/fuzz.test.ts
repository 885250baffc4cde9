/** A little of `npm run fuzz`: every reader of something from outside, by fixed seeds, and whatever once broke one. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { runInput, runSeeds } from "./run-input.ts";
import { FUZZ_TARGETS } from "./targets.ts";

const CORPUS = join(import.meta.dirname, "corpus");

/** Those that start a process for each input are left to `npm run fuzz`. */
const QUICK = FUZZ_TARGETS.filter(({ share = 1000 }) => share > 10);

describe.each(QUICK)("$name", (target) => {
  afterAll(() => target.close?.());

  test("reads what is whole", async () => {
    for (const input of await target.corpus()) {
      const verdict = await runInput(target, input);
      expect(verdict.broken).toBeUndefined();
    }
  });

  test("is broken by no damage", async () => {
    const count = Math.max(2, Math.ceil((target.share ?? 1000) / 20));
    const { failure } = await runSeeds(target, await target.corpus(), 1, count);
    expect(failure).toBeUndefined();
  }, 60_000);

  const folder = join(CORPUS, target.name.replace(/\W+/g, "-"));
  test.runIf(existsSync(folder))("is not broken any more by what once broke it", async () => {
    for (const name of readdirSync(folder)) {
      const verdict = await runInput(target, readFileSync(join(folder, name)));
      expect(verdict.broken, name).toBeUndefined();
    }
  });
});
