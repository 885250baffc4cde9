import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Probes } from "./probes.ts";

const DEADLINE_MS = 3000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A list of so many pages, each of which takes half of the deadline. */
function pages(count: number, says: boolean) {
  return async (signal: AbortSignal, comesAlong: () => void) => {
    for (let page = 0; page < count; page++) {
      await new Promise((resolve, reject) => {
        setTimeout(resolve, DEADLINE_MS / 2);
        signal.addEventListener("abort", () => reject(signal.reason));
      });
      if (says) comesAlong();
    }
    return count;
  };
}

async function tried(count: number, says: boolean) {
  const probes = new Probes(DEADLINE_MS, new AbortController().signal);
  const found = probes.try("nodes", "nodes", pages(count, says));
  await vi.advanceTimersByTimeAsync(100 * DEADLINE_MS);
  return { found: await found, unknown: probes.unknown };
}

test("a long list that comes along has its time for each page", async () => {
  expect(await tried(6, true)).toEqual({ found: 6, unknown: [] });
});

test("what says nothing in its time is not waited for, nor what has no end", async () => {
  const unknown = [{ area: "nodes", text: "nodes: no answer within 3 s" }];
  expect(await tried(6, false)).toEqual({ found: undefined, unknown });
  expect(await tried(150, true)).toEqual({ found: undefined, unknown });
});
