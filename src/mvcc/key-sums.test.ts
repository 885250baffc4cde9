/** Sums of keyspaces against a comparison of their entries. */
import { expect, test } from "vitest";
import { fc, Premise } from "../../test/properties.ts";
import { makePage } from "../bolt/page.ts";
import { createBucketCheck, createKeySums, createKeySumsTask, differingBuckets, type KeySumsSpec } from "./key-sums.ts";
import { encodeKeyValue } from "./key-value.ts";
import { createLeafReader } from "./leaf-revisions.ts";
import { encodeRevision } from "./revision.ts";

interface Entry {
  readonly main: number;
  readonly key: string;
  readonly value: string;
  readonly tombstone: boolean;
}

/** A leaf page with one entry. */
function pageOf({ main, key, value, tombstone }: Entry) {
  const revision = encodeRevision({ main, sub: 0, tombstone });
  const keyValue = encodeKeyValue({
    key: Buffer.from(key),
    value: Buffer.from(value),
    createRevision: 1,
    modRevision: main,
    version: 1,
    lease: 0n,
  });
  const bytes = new Uint8Array(32 + revision.length + keyValue.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(20, 16, true);
  view.setUint32(24, revision.length, true);
  view.setUint32(28, keyValue.length, true);
  bytes.set(revision, 32);
  bytes.set(keyValue, 32 + revision.length);
  return makePage(2, bytes, 0, bytes.length, 1);
}

function add(entries: readonly Entry[], spec: KeySumsSpec): void {
  const read = createLeafReader(createKeySumsTask(spec).visit, () => expect.unreachable());
  for (const entry of entries) read(pageOf(entry));
}

function keysThatDiffer(one: readonly Entry[], two: readonly Entry[], spec: Partial<KeySumsSpec> = {}) {
  const sums = createKeySums(0);
  add(one, { ...spec, sums, isSecond: false });
  add(two, { ...spec, sums, isSecond: true });
  const check = createBucketCheck(differingBuckets(sums));
  return (key: string) => {
    const bytes = Uint8Array.from(Buffer.from(key));
    return check(new DataView(bytes.buffer), 0, bytes.length);
  };
}

const anyEntry: fc.Arbitrary<Entry> = fc.record({
  main: fc.integer({ min: 1, max: 6 }),
  key: fc.constantFrom("/a", "/ab", "/b/c", "/registry/pods/default/web"),
  value: fc.constantFrom("", "1", "2", "a longer value that takes some words"),
  tombstone: fc.boolean(),
});

test("every key with other entries in one of the two is found, whatever their order", () => {
  const premise = new Premise();
  fc.assert(
    fc.property(
      fc.array(anyEntry),
      fc.array(anyEntry),
      fc.array(anyEntry),
      fc.nat({ max: 7 }),
      (both, one, two, at) => {
        const differs = keysThatDiffer([...both, ...one], [...two, ...both.toReversed()], { atRevision: at });
        const entriesOf = (entries: readonly Entry[], key: string) =>
          entries
            .filter((each) => each.key === key && each.main <= at)
            .map((each) => JSON.stringify(each))
            .sort();
        for (const { key } of [...both, ...one, ...two]) {
          const isOther = JSON.stringify(entriesOf(one, key)) !== JSON.stringify(entriesOf(two, key));
          if (premise.isMet(isOther)) expect(differs(key)).toBe(true);
        }
      },
    ),
  );
  premise.expectMet(500);
});

test("keys with the same entries are not found, but for those between two compactions", () => {
  fc.assert(
    fc.property(
      fc.array(anyEntry, { maxLength: 12 }),
      fc.nat({ max: 6 }),
      fc.nat({ max: 6 }),
      (entries, after, upTo) => {
        const same = keysThatDiffer(entries, entries);
        const doubted = keysThatDiffer(entries, entries, { doubtful: [after, upTo] });
        for (const { key, main } of entries) {
          expect(same(key)).toBe(false);
          if (main > after && main <= upTo) expect(doubted(key)).toBe(true);
        }
      },
    ),
  );
});
