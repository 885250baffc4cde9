import { describe, expect, test } from "vitest";
import { decodeKeyValue, encodeKeyValue } from "../mvcc/key-value.ts";
import { createDeltaBuffer } from "./delta-buffer.ts";

const event = (revision: number, key: string, deletion = false, lease = 0n) => ({
  deletion,
  keyValue: Buffer.from(
    encodeKeyValue({
      key: Buffer.from(key),
      value: Buffer.from("v"),
      createRevision: 1,
      modRevision: revision,
      version: 1,
      lease,
    }),
  ),
});
const part = (
  events: ReturnType<typeof event>[],
  time = 1000,
  more: { fragment?: boolean; oldUpTo?: number } = {},
) => ({
  events,
  time,
  fragment: more.fragment === true,
  oldUpTo: more.oldUpTo ?? 0,
});

describe("a delta buffer", () => {
  test("keeps what it was given, though the memory is used again", () => {
    const buffer = createDeltaBuffer(4);
    const first = event(5, "a");
    buffer.add(part([first]));
    first.keyValue.fill(0xff);
    const [change] = buffer.take()!.changes;
    const read = decodeKeyValue(change!.keyValue);
    expect(typeof read === "string" ? read : Buffer.from(read.key).toString()).toBe("a");
  });

  test("numbers the changes of a revision, also where it comes in fragments, and gives whole ones only", () => {
    const buffer = createDeltaBuffer(4);
    buffer.add(part([event(5, "a"), event(6, "b")], 1000, { fragment: true }));
    expect(buffer.take()).toBeUndefined();
    buffer.add(part([event(6, "c", true, 7n), event(7, "d", false, 9n)], 1100));
    const { changes, revision, leases } = buffer.take()!;
    expect(changes.map((each) => [each.revision, each.sub, each.deletion])).toEqual([
      [5, 0, false],
      [6, 0, false],
      [6, 1, true],
      [7, 0, false],
    ]);
    expect(revision).toBe(7);
    expect(leases).toEqual([9n]);
    expect(buffer.take()).toBeUndefined();
  });

  test("marks what had happened before the watch began as late", () => {
    const buffer = createDeltaBuffer(4);
    buffer.add(part([event(5, "a"), event(6, "b"), event(7, "c")], 1000, { oldUpTo: 6 }));
    buffer.add(part([event(8, "d")], 2000, { oldUpTo: 6 }));
    expect(buffer.take()!.marks).toEqual([
      { revision: 6, time: 1000, late: true },
      { revision: 7, time: 1000, late: false },
      { revision: 8, time: 2000, late: false },
    ]);
  });

  test("refuses a revision that leaves one out, and what is no key-value", () => {
    expect(createDeltaBuffer(4).add(part([event(6, "a")]))).toBe("revision 6 follows 4");
    expect(
      createDeltaBuffer(4).add({ ...part([]), events: [{ deletion: false, keyValue: Buffer.from([0xff]) }] }),
    ).toContain("cannot be read");
  });

  test("passes over what the repository has", () => {
    const buffer = createDeltaBuffer(4);
    buffer.add(part([event(3, "a"), event(4, "b"), event(5, "c")]));
    expect(buffer.take()!.changes).toHaveLength(1);
  });
});
