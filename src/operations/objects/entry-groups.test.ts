import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { madeSnapshot } from "../../../test/made-snapshot.ts";
import { defined } from "../../errors/defined.ts";
import { entryGroups } from "./entry-groups.ts";
import { openSnapshotSide, type SnapshotSide } from "./snapshot-side.ts";

const NAMESPACES = ["default", "kube-system"].map((name) => [`/registry/namespaces/${name}`, "{}"] as const);

test("groups follow one another by namespace and name, and both entries of an object are in one", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-groups-"));
  try {
    using stack = new DisposableStack();
    const open = async (name: string, rests: readonly string[]): Promise<SnapshotSide> => {
      const file = join(directory, name);
      writeFileSync(
        file,
        madeSnapshot([...NAMESPACES, ...rests.map((rest) => [`/registry/pods/${rest}`, "x".repeat(10)] as const)]),
      );
      return stack.use(await openSnapshotSide({ file, atRevision: undefined }));
    };
    const one = await open("one.db", ["a-b/one", "a/two", "a/one", "b/one"]);
    const two = await open("two.db", ["a/three", "a/two", "b/one", "b/two"]);
    const groupsOf = (left: SnapshotSide | undefined, right: SnapshotSide, most: number) => {
      const ranges = [left?.range?.("pods"), right.range?.("pods")] as const;
      const paired = { one: ranges[0]?.entries ?? [], two: ranges[1]?.entries ?? [] };
      return [...entryGroups("pods", ...ranges, paired, most)].map((group) => [
        left === undefined ? [] : [...defined(left.openEntries)("pods", group.one).keys()],
        [...defined(right.openEntries)("pods", group.two).keys()],
      ]);
    };
    expect(groupsOf(one, two, 30)).toEqual([
      [
        ["a/one", "a/two"],
        ["a/three", "a/two"],
      ],
      [["a-b/one", "b/one"], ["b/one"]],
      [[], ["b/two"]],
    ]);
    expect(groupsOf(one, two, 1000)).toHaveLength(1);
    expect(groupsOf(undefined, two, 20)).toEqual([
      [[], ["a/three", "a/two"]],
      [[], ["b/one", "b/two"]],
    ]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
