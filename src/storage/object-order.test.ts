import { expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import { compare } from "../kube/compare-text.ts";
import { splitRest } from "./object-key.ts";
import { comparePlaces } from "./object-order.ts";

const anyPath = fc.constantFrom("pods", "minions", "example.com/a", "example.com.au/a", "example.com-x/a");
const anyRest = fc.stringMatching(/^[a-b.-]{1,3}(?:\/[a-b.-]{1,3})?$/);

test("objects are in the order in which they are listed", () => {
  fc.assert(
    fc.property(anyPath, anyRest, anyPath, anyRest, (path, rest, otherPath, otherRest) => {
      const [one, two] = [splitRest(path, rest), splitRest(otherPath, otherRest)];
      const expected =
        compare(path, otherPath) || compare(one.namespace ?? "", two.namespace ?? "") || compare(one.name, two.name);
      const found = comparePlaces({ path, rest: Buffer.from(rest) }, { path: otherPath, rest: Buffer.from(otherRest) });
      expect(Math.sign(found)).toBe(expected);
    }),
  );
});
