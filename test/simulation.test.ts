/** A seed of the simulation of node agents: what must hold does, and the same seed gives the same story. */
import { expect, test } from "vitest";
import { runAgentSeeds } from "./simulation/agents/layer.ts";
import type { Outcome } from "./simulation/outcome.ts";

async function play(seed: number): Promise<Outcome> {
  for await (const outcome of runAgentSeeds(seed, 1)) return outcome;
  throw new Error("the seed was not played");
}

test("hours of three nodes, twice by one seed", { timeout: 300_000 }, async () => {
  const first = await play(41);
  expect(first.faults).toEqual([]);
  expect(first.story.length).toBeGreaterThan(20);
  expect(first.counts).toMatchObject({ hours: 4 });
  expect((await play(41)).story).toEqual(first.story);
});
