import { expect, test } from "vitest";
import { heardVoters } from "./heard-voters.ts";
import type { Survivor } from "./survivor.ts";

const survivor = (nodeId: bigint, kind?: "torn" | "damaged"): Survivor =>
  ({
    dataDir: `m${nodeId}`,
    databases: [],
    snapshots: [],
    log: { metadata: { nodeId }, fragments: [{}], breaks: kind === undefined ? [] : [{ kind }] },
  }) as unknown as Survivor;

test.each([
  [1, 1, true],
  [2, 1, true],
  [2, 0, false],
  [3, 1, false],
  [3, 2, true],
  [4, 1, false],
  [4, 2, true],
  [5, 2, false],
  [5, 3, true],
])("of %i voters %i are enough to know everything that was committed: %s", (voters, heard, isEnough) => {
  const ids = Array.from({ length: voters }, (_, i) => BigInt(i + 1));
  const survivors = ids.slice(0, heard).map((id) => survivor(id));
  expect(heardVoters({ voters: ids }, survivors)).toEqual({ voters, heard, isEnough });
});

test("a damaged log, a learner and a member that was removed do not count; a torn end does", () => {
  const voters = [1n, 2n, 3n];
  expect(heardVoters({ voters }, [survivor(1n), survivor(2n, "damaged"), survivor(7n)])).toMatchObject({ heard: 1 });
  expect(heardVoters({ voters }, [survivor(1n), survivor(2n, "torn")])).toMatchObject({ heard: 2, isEnough: true });
});
