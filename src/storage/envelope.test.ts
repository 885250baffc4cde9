import { expect, test } from "vitest";
import { storedVersions } from "../../test/fixture-values.ts";
import { fc } from "../../test/properties.ts";
import { isProtobuf, readEnvelope } from "./envelope.ts";

const values = storedVersions("k120-broad")
  .map(({ value }) => value)
  .filter(isProtobuf);

function outcome(value: Uint8Array): unknown {
  try {
    return readEnvelope(value);
  } catch (error) {
    return String(error);
  }
}

test("what was read before changes nothing, whatever is damaged", () => {
  const [first, ...others] = values;
  const other = others.find((value) => Buffer.compare(value.slice(4, 20), first!.slice(4, 20)) !== 0)!;
  let usual = 0;
  fc.assert(
    fc.property(
      fc.nat(values.length - 1),
      fc.constantFrom("none", "byte", "more", "less", "twice"),
      fc.nat(40),
      fc.nat(255),
      (at, damage, place, byte) => {
        const value = values[at]!;
        const damaged = Uint8Array.from(damage === "twice" ? Buffer.concat([value, value.slice(4)]) : value);
        // At the head or at the tail: what is between is nothing to the envelope.
        if (damage === "byte") damaged[place % 2 === 0 ? place / 2 : damaged.length - 1 - (place >> 1)] = byte;
        const read =
          damage === "less"
            ? damaged.subarray(0, Math.max(4, damaged.length - place))
            : damage === "more"
              ? Uint8Array.from([...damaged, place, byte])
              : damaged;
        readEnvelope(other);
        const apart = outcome(read);
        readEnvelope(value);
        expect(outcome(read)).toEqual(apart);
        usual += typeof apart === "object" ? 1 : 0;
      },
    ),
    { numRuns: 3000 },
  );
  expect(usual).toBeGreaterThan(1000);
});
