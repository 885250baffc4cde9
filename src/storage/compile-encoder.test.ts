/** Compiled encoders against the interpreter of the tables: the same bytes, or the same error. */
import { describe, expect, test } from "vitest";
import { SNAPSHOTS, storedVersions } from "../../test/fixture-values.ts";
import { fc } from "../../test/properties.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { encoderOf } from "./compile-encoder.ts";
import { decodeValue } from "./decode.ts";
import { encodeAnswer, encodeByTables } from "./encode-message.ts";
import { readEncryptionHeader } from "./encryption.ts";
import { type MessagePlan, planOf } from "./message-plan.ts";
import { findResource } from "./resources.ts";
import { fillWire } from "./wire-buffer.ts";

interface Example {
  readonly plan: MessagePlan;
  readonly fields: JsonObject;
}

function examples(name: (typeof SNAPSHOTS)[number]): Example[] {
  return storedVersions(name)
    .filter(({ value }) => !readEncryptionHeader(value))
    .flatMap((stored) => {
      const decoded = decodeValue(stored);
      if (decoded.state !== "object") return [];
      const { kind, apiVersion, ...fields } = decoded.object as unknown as JsonObject;
      const resource = findResource(String(apiVersion), String(kind));
      return resource === undefined ? [] : [{ plan: planOf(resource.message), fields }];
    });
}

const compiled = ({ plan, fields }: Example): Uint8Array | undefined =>
  fillWire((at) => encoderOf(plan).write(fields, at));
const same = (a: Uint8Array | undefined, b: Uint8Array): boolean => a !== undefined && Buffer.compare(a, b) === 0;

describe("every version of every object", () => {
  test.each(SNAPSHOTS)("of %s", (name) => {
    const all = examples(name);
    const taken = all.filter((each) => compiled(each) !== undefined);
    const wrong = taken.filter((each) => !same(compiled(each), encodeByTables(each.plan, each.fields)));
    expect(wrong.map(({ plan, fields }) => `${plan.name} ${JSON.stringify(fields.metadata)}`)).toEqual([]);
    // One has a number that JavaScript's numbers cannot hold, and is left to the tables.
    expect(taken.length).toBeGreaterThanOrEqual(all.length - 1);
    expect(all.length).toBeGreaterThan(200);
  });
});

/** What a changed field may become. */
const ODD: readonly (JsonValue | undefined)[] = [
  ...[undefined, null, true, false, 0, -0, 1, -1, 1.5, 2 ** 31, -(2 ** 31) - 1, 2 ** 40, -(2 ** 53), Number.NaN],
  ...[2n ** 62n, -1n, "", "é", "\ud800", "x".repeat(70), "ü".repeat(200), "5m", "aGk=", "2026-11-30T01:02:03Z"],
  ...["2026-11-30T01:02:03.5+01:00", "2026-1x-30T01:02:03Z", "1h2m", [], [null], ["a"], [1], {}],
  ...[{ a: "b" }, { a: null }, { "f:x": {} }, { b: "2", a: "1", "\uffff": "3", "\ud83d\ude00": "4" }, { kind: "x" }],
];

/** The object with the value at one place changed: the place is found by following `way` until it ends. */
function changed(value: JsonValue, way: readonly number[], odd: JsonValue | undefined, name: string): unknown {
  const [first, ...rest] = way;
  if (first === undefined || typeof value !== "object" || value === null) return odd;
  if (Array.isArray(value)) {
    if (value.length === 0) return [odd];
    const at = first % value.length;
    return value.map((item, i) => (i === at ? changed(item, rest, odd, name) : item));
  }
  const keys = Object.keys(value);
  if (first % 11 === 0 || keys.length === 0) return { ...value, [name]: odd };
  const key = keys[first % keys.length]!;
  return { ...value, [key]: changed((value as JsonObject)[key] ?? null, rest, odd, name) };
}

function outcome(encode: () => Uint8Array): string {
  try {
    return Buffer.from(encode()).toString("hex");
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
}

test("objects that were changed somewhere, also to what is no such field or value", () => {
  const all = examples("k120-broad");
  const seen = { bytes: 0, errors: 0 };
  fc.assert(
    fc.property(
      fc.nat(all.length - 1),
      fc.array(fc.nat(1000), { minLength: 1, maxLength: 7 }),
      fc.constantFrom(...ODD),
      fc.constantFrom("name", "kind", "apiVersion", "spec", "noSuchField", "labels", "finalizers", "count", "toString"),
      (at, way, odd, name) => {
        const { plan, fields } = all[at]!;
        const object = changed(fields, way, odd, name) as JsonObject;
        const { kind: _kind, apiVersion: _apiVersion, ...rest } = object;
        const expected = outcome(() => encodeByTables(plan, rest));
        expect(outcome(() => encodeAnswer(plan, object))).toBe(expected);
        seen[/^[0-9a-f]*$/.test(expected) ? "bytes" : "errors"]++;
      },
    ),
    { numRuns: 5000 },
  );
  expect(seen.bytes).toBeGreaterThan(1000);
  expect(seen.errors).toBeGreaterThan(1000);
});

test("an object that is larger than the buffer, and one after it", () => {
  const plan = planOf("core/v1.ConfigMap");
  for (const size of [1, 10_000_000, 300_000, 1]) {
    const data = { a: "x".repeat(size), b: "é".repeat(size), "": "" };
    const fields = { metadata: { name: "large", labels: { z: "1", a: "2" } }, data };
    expect(same(compiled({ plan, fields }), encodeByTables(plan, fields))).toBe(true);
  }
});
