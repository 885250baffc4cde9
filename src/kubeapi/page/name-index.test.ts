import { expect, test } from "vitest";
import { fc } from "../../../test/properties.ts";
import type { KeyspaceHistory } from "../history.ts";
import { groupOf, indexNames, keysWith, type NameIndex } from "./name-index.ts";

function indexed(keys: readonly string[]): NameIndex {
  const history = { range: () => [3, 3 + keys.length], key: (key: number) => keys[key - 3]! };
  const indexing = indexNames(history as unknown as KeyspaceHistory, "/registry");
  for (;;) {
    const step = indexing.next();
    if (step.done === true) return step.value;
  }
}

const part = fc.stringMatching(/^[A-Ca-cö-]{1,6}$/);
const keysOf = fc
  .uniqueArray(fc.tuple(part, part, part), { maxLength: 40, selector: (parts) => parts.join("/") })
  .map((all) => all.map((parts) => `/registry/${parts.join("/")}`).sort());

test("a name is found by each part of it, and each key is in the group of its kind and namespace", () => {
  fc.assert(
    fc.property(keysOf, part, (keys, wanted) => {
      const index = indexed(keys);
      const all = (text: string) => [...keysWith(index, Buffer.from(text), 3, 3 + keys.length)];
      const names = keys.map((key) => key.split("/").at(-1)!.toLowerCase());
      const word = wanted.toLowerCase();
      const expected = (fits: (name: string) => boolean) => names.flatMap((name, i) => (fits(name) ? [i + 3] : []));
      expect(all(word)).toEqual(expected((name) => name.includes(word)));
      expect(all(`\n${word}`)).toEqual(expected((name) => name.startsWith(word)));
      expect(all(`\n${word}\n`)).toEqual(expected((name) => name === word));
      for (const [i, key] of keys.entries())
        expect(groupOf(index, i + 3).text).toBe(key.split("/").slice(2, -1).join("/").toLowerCase());
      for (const { first, end } of index.groups)
        expect([...keysWith(index, Buffer.from(word), first, end)]).toEqual(
          expected((name) => name.includes(word)).filter((key) => key >= first && key < end),
        );
    }),
  );
});

test("thousands of keys are indexed bit by bit", () => {
  const keys = Array.from({ length: 10_000 }, (_, i) => `/registry/pods/n/web-${String(i).padStart(5, "0")}`);
  const index = indexed(keys);
  expect([...keysWith(index, Buffer.from("\nweb-09999\n"), 3, 10_003)]).toEqual([10_002]);
  expect([...keysWith(index, Buffer.from("web-"), 3, 10_003)].length).toBe(10_000);
  expect(index.groups).toEqual([{ text: "pods/n", first: 3, end: 10_003 }]);
});
