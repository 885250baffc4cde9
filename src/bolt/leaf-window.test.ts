import { expect, test } from "vitest";
import { madeSnapshot } from "../../test/made-snapshot.ts";
import { readBolt } from "./bolt.ts";
import { readBuckets } from "./bucket.ts";
import { memorySource } from "./byte-source.ts";
import { mapLeaves } from "./leaf-map.ts";
import { openLeafWindow } from "./leaf-window.ts";
import { leafValue } from "./page.ts";

test("leaves that are larger than the window, among small ones, are each read as they are", () => {
  const sizes = [10, 3_000_000, 1_200_000, 20, 2_999_999, 1_500_000, 30, 17_000_000, 1_300_000];
  const values = sizes.map((size, i) => [`/registry/things/${i}`, String.fromCharCode(97 + i).repeat(size)] as const);
  const bolt = readBolt(memorySource(madeSnapshot(values)));
  const fail = (finding: unknown): never => {
    throw new Error(JSON.stringify(finding));
  };
  const buckets = readBuckets(bolt, fail).filter(({ path }) => path === "key");
  const map = mapLeaves(bolt, buckets, fail);
  const window = openLeafWindow(bolt, map.slots);
  const found: string[] = [];
  for (let id = 0; id < map.slots.length; id++) {
    if (map.slots[id] === 0) continue;
    const result = window.read(id);
    if ("code" in result) throw new Error(result.text);
    for (let i = 0; i < result.page.count; i++) found.push(Buffer.from(leafValue(result.page, i)).toString("latin1"));
  }
  expect(found).toHaveLength(values.length);
  for (const [i, [key, value]] of values.entries()) {
    const holder = found.filter((each) => each.includes(key));
    expect(holder.map((each) => each.includes(value))).toEqual([true]);
    expect(holder[0]!.length).toBeLessThan(value.length + 100);
    expect(i).toBeLessThan(10); // one digit: no key is the beginning of another
  }
});
