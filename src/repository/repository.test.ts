import { describe, expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import { decideRole } from "./agent-role.ts";
import { type Change, encodeDelta, type TimeMark, walkDelta } from "./delta.ts";
import { decodeDescription, encodeDescription } from "./description.ts";
import { placeTime, revisionAt } from "./find-moment.ts";
import type { DeltaHead, FullHead, Head } from "./head.ts";
import { chooseKept } from "./keep.ts";
import { parseMoment, splitMoment } from "./moment.ts";
import { findPieces } from "./pieces.ts";
import { planPrune } from "./prune-plan.ts";
import { decodePruneRecord, encodePruneRecord } from "./pruned.ts";
import { generateSigningKey, parseSigningKey } from "./signing.ts";
import { snapshotTime } from "./snapshot-name.ts";
import { readTimeline } from "./timeline.ts";

const DAY = 86_400_000;
const iso = (time: number): string => new Date(time).toISOString();
const content = {
  size: 1,
  sha256: "0".repeat(64),
  plainSize: 1,
  compression: "zstd",
  encryption: "none",
  object: null,
} as const;
const common = { repository: "0".repeat(32), previous: null, writer: "a", written: iso(0), content };
const keyspace = { cluster: "1", member: "1", etcdVersion: "3.5", compactRevision: 0, hashes: [], lastChanges: null };

function full(sequence: number, from: number, to: number, time: number | null, history = 1): FullHead {
  const times = time === null ? null : { from: iso(time), to: iso(time) };
  return {
    kind: "full",
    ...common,
    ...keyspace,
    sequence,
    history,
    revisions: { from, to },
    times,
    reason: "",
    source: "",
  };
}

function delta(sequence: number, from: number, to: number, begin: number, end: number, history = 1): DeltaHead {
  const times = { from: iso(begin), to: iso(end) };
  const counts = { events: to - from + 1, deletions: 0, leases: 0, exact: true };
  return { kind: "delta", ...common, ...keyspace, ...counts, sequence, history, revisions: { from, to }, times };
}

describe("moments", () => {
  const now = Date.parse("2026-11-29T12:00:00Z");

  test.each([
    ["latest", { kind: "latest" }],
    ["48120", { kind: "revision", revision: 48120 }],
    ["2026-11-29T10:42:17Z", { kind: "time", time: Date.parse("2026-11-29T10:42:17Z") }],
    ["2026-11-29T10:42:17+02:00", { kind: "time", time: Date.parse("2026-11-29T08:42:17Z") }],
    ["2026-11-29 10:42", { kind: "time", time: new Date(2026, 10, 29, 10, 42).getTime() }],
    ["90m ago", { kind: "time", time: now - 90 * 60_000 }],
    ["1h30m ago", { kind: "time", time: now - 90 * 60_000 }],
    ["2 days ago", { kind: "time", time: now - 2 * DAY }],
  ])("%s", (text, moment) => {
    expect(parseMoment(text, now)).toEqual(moment);
    expect(splitMoment(`sftp://me@host/a@b@${text}`, now)).toEqual({ place: "sftp://me@host/a@b", moment });
  });

  test.each(["", "yesterday", "0", "10:61", "2026-13-01", "ago", "-5", "1e9"])("%j is none", (text) => {
    expect(() => parseMoment(text, now)).toThrow("is not a moment");
    expect(splitMoment(`dir@${text}`, now)).toEqual({ place: `dir@${text}`, moment: undefined });
  });

  test("a clock time is of the last day on which it was", () => {
    const midnight = new Date(2026, 10, 29, 0, 10).getTime();
    expect(parseMoment("23:50", midnight)).toEqual({ kind: "time", time: new Date(2026, 10, 28, 23, 50).getTime() });
  });
});

test("deltas are read as they were written", () => {
  const change = fc.record({
    revision: fc.nat(2 ** 31),
    sub: fc.nat(1000),
    deletion: fc.boolean(),
    keyValue: fc.uint8Array({ maxLength: 50 }),
  });
  const mark = fc.record({ revision: fc.nat(), time: fc.nat(), late: fc.boolean() });
  const lease = fc.record({
    id: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    ttl: fc.option(fc.nat(), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(change), fc.array(mark), fc.array(lease), (changes, marks, leases) => {
      const visited: Change[] = [];
      const read = walkDelta(encodeDelta({ changes, marks, leases }), "x", (each) => {
        visited.push({ ...each, keyValue: Buffer.from(each.keyValue) });
      });
      expect(read.marks).toEqual(marks);
      expect(read.leases).toEqual(leases);
      expect(visited).toEqual(changes.map((each) => ({ ...each, keyValue: Buffer.from(each.keyValue) })));
    }),
  );
});

describe("pieces", () => {
  const heads: Head[] = [
    full(1, 5, 10, 1000),
    delta(2, 11, 20, 1000, 2000),
    delta(3, 21, 30, 2000, 3000),
    full(4, 5, 28, 2900),
    delta(5, 31, 40, 3000, 4000),
    full(6, 60, 70, 8000),
    delta(7, 71, 80, 8000, 9000),
  ];

  test.each([
    [5, 1, []],
    [10, 1, []],
    [15, 1, [2]],
    [25, 1, [2, 3]],
    [28, 4, []],
    [35, 4, [3, 5]],
    [40, 4, [3, 5]],
    [65, 6, []],
    [80, 6, [7]],
  ])("revision %i: full %i and deltas %j", (revision, sequence, deltas) => {
    const [best] = findPieces(heads, revision, 1);
    expect(best?.full.sequence).toBe(sequence);
    expect(best?.deltas.map((each) => each.sequence)).toEqual(deltas);
  });

  test.each([1, 41, 50, 59, 81])("revision %i is in none", (revision) => {
    expect(() => findPieces(heads, revision, 1)).toThrow(`cannot restore revision ${revision}`);
  });

  test("an older full leads there too, for when the best is damaged", () => {
    expect(findPieces(heads, 35, 1).map((each) => each.full.sequence)).toEqual([4, 1]);
  });

  test("spans, with the gap between them", () => {
    const { spans } = readTimeline(heads);
    expect(spans.map(({ from, to, times }) => [from, to, times?.from, times?.to])).toEqual([
      [5, 40, 1000, 4000],
      [60, 80, 8000, 9000],
    ]);
  });

  test("a delta without a full below it is no span", () => {
    expect(readTimeline([delta(1, 5, 9, 0, 1)])).toMatchObject({ spans: [], orphans: [{ sequence: 1 }] });
  });
});

describe("times", () => {
  const heads: Head[] = [
    full(1, 1, 10, 1000),
    delta(2, 11, 20, 1000, 2000),
    delta(3, 21, 30, 2000, 3000),
    full(4, 40, 50, 9000),
  ];
  const marks: TimeMark[] = [
    { revision: 14, time: 1300, late: false },
    { revision: 20, time: 1800, late: false },
  ];

  test.each([
    [1000, 10, undefined],
    [1200, 10, 2],
    [2000, 20, undefined],
    [2500, 20, 3],
    [3000, 30, undefined],
    [9000, 50, undefined],
  ])("%i: behind revision %i, in delta %s", (time, revision, sequence) => {
    const place = placeTime(heads, time);
    expect([place.revision, place.delta?.sequence]).toEqual([revision, sequence]);
  });

  test.each([999, 3001, 8999, 9001])("%i is not covered", (time) => {
    expect(() => placeTime(heads, time)).toThrow("cannot restore");
  });

  test.each([
    [1299, 10],
    [1300, 14],
    [1799, 14],
    [1999, 20],
  ])("%i is revision %i by the marks", (time, revision) => {
    expect(revisionAt(placeTime(heads, time), marks, time)).toEqual({ revision, uncertain: undefined });
  });

  test("changes that were read late are reported as uncertain", () => {
    const late = marks.map((mark) => ({ ...mark, late: true }));
    expect(revisionAt(placeTime(heads, 1200), late, 1200)).toEqual({
      revision: 10,
      uncertain: { upTo: 14, from: 1000, until: 1300 },
    });
  });
});

describe("prune", () => {
  /** Every moment that can be restored, as pairs of history and revision. */
  const restorable = (heads: readonly Head[]): Set<string> =>
    new Set(
      readTimeline(heads).spans.flatMap(({ history, from, to }) =>
        Array.from({ length: to - from + 1 }, (_, i) => `${history}/${from + i}`),
      ),
    );

  const chains = fc
    .array(
      fc.record({
        kind: fc.constantFrom("full", "delta", "delta", "delta"),
        step: fc.integer({ min: 1, max: 9 }),
        hours: fc.integer({ min: 1, max: 40 }),
      }),
      { minLength: 1, maxLength: 40 },
    )
    .map((items) => {
      const heads: Head[] = [];
      let [revision, time] = [1, Date.parse("2026-01-01T00:00:00Z")];
      for (const [i, { kind, step, hours }] of items.entries()) {
        const before = time;
        time += hours * 3_600_000;
        if (kind === "full" || i === 0) heads.push(full(i + 1, Math.max(1, revision - 2), revision, time));
        else {
          heads.push(delta(i + 1, revision + 1, revision + step, before, time));
          revision += step;
        }
      }
      return heads;
    });
  const policies = fc.record({
    last: fc.nat(3),
    daily: fc.nat(4),
    weekly: fc.nat(3),
    within: fc.option(fc.nat(10 * DAY), { nil: undefined }),
  });

  test("keeps every moment of its span, and of each kept full its own", () => {
    fc.assert(
      fc.property(chains, policies, (heads, { within, ...counts }) => {
        const plan = planPrune(heads, within === undefined ? counts : { ...counts, within });
        const kept = heads.filter(({ sequence }) => plan.kept.has(sequence));
        const after = restorable(kept);
        const fulls = heads.filter((head) => head.kind === "full");
        const newest = Math.max(...fulls.map((head) => Date.parse(head.times!.to)));
        const bases = fulls.filter((head) => Date.parse(head.times!.to) <= newest - (within ?? 0));
        const from = (bases.at(-1) ?? fulls[0]!).revisions.to;
        const last = Math.max(
          ...heads.map((head) => (head.kind === "full" || head.kind === "delta" ? head.revisions.to : 0)),
        );
        for (let revision = from; revision <= last; revision++) expect(after.has(`1/${revision}`)).toBe(true);
        for (const head of kept)
          if (head.kind === "full") expect(findPieces(kept, head.revisions.to, 1).length).toBeGreaterThan(0);
      }),
    );
  });

  test("rules of restic: the newest of each period", () => {
    const at = (text: string, sequence: number) => ({ sequence, time: Date.parse(text) });
    const items = [
      at("2026-11-29T23:00:00Z", 9),
      at("2026-11-29T01:00:00Z", 8),
      at("2026-11-28T12:00:00Z", 7),
      at("2026-11-22T12:00:00Z", 6),
      at("2026-10-31T12:00:00Z", 5),
      at("2025-12-31T12:00:00Z", 4),
    ];
    expect([...chooseKept(items, {}).keys()]).toEqual([9]);
    expect([...chooseKept(items, { last: 2 }).keys()]).toEqual([9, 8]);
    expect([...chooseKept(items, { daily: 2 }).keys()]).toEqual([9, 7]);
    expect([...chooseKept(items, { weekly: 2 }).keys()]).toEqual([9, 6]);
    expect([...chooseKept(items, { monthly: 3 }).keys()]).toEqual([9, 5, 4]);
    expect([...chooseKept(items, { yearly: 9 }).keys()]).toEqual([9, 4]);
    expect([...chooseKept(items, { within: 2 * DAY }).keys()]).toEqual([9, 8, 7]);
  });

  test("without a full nothing goes", () => {
    expect(planPrune([delta(1, 1, 2, 0, 1)], { last: 1 }).removed).toEqual([]);
  });
});

test.each([
  [undefined, false, 0, "write"],
  ["me", true, 0, "write"],
  ["other", true, 2999, "stand-by"],
  ["other", true, 3000, "write"],
  ["other", false, 3000, "stand-by"],
  ["other", false, 9000, "write"],
  ["me", undefined, 0, "stand-by"],
] as const)("the last writer is %s, unsaved %s, silent for %i ms: %s", (writer, hasUnsaved, silentFor, role) => {
  expect(decideRole({ writer, self: "me", silentFor, hasUnsaved }, { busy: 3000, idle: 9000 })).toBe(role);
});

test.each([
  ["etcd-snapshot-node-1-1764412937", 1_764_412_937_000],
  ["on-demand-node-1-1764412937.zip", 1_764_412_937_000],
  ["snapshot_2026-11-29_104217.db", Date.parse("2026-11-29T10:42:17Z")],
  ["etcd-2026-11-29T10:42:17Z.db", Date.parse("2026-11-29T10:42:17Z")],
  ["etcd-2026-11-29T10:42:17+0200.db", Date.parse("2026-11-29T08:42:17Z")],
  ["backup-20261129-104217.db.gz", Date.parse("2026-11-29T10:42:17Z")],
  ["backup.db", undefined],
  ["prod-12345.db", undefined],
])("%s", (name, time) => {
  expect(snapshotTime(name)).toBe(time);
});

test("a description whose recipients somebody has exchanged is refused", () => {
  const key = parseSigningKey(generateSigningKey(), "key");
  const description = {
    id: "0".repeat(32),
    created: iso(0),
    signer: key.publicKey,
    recipients: ["age1a"],
    exclusive: true,
  };
  const text = Buffer.from(encodeDescription(description, key)).toString();
  expect(decodeDescription(Buffer.from(text), "repository.json")).toEqual(description);
  expect(() => decodeDescription(Buffer.from(text.replace("age1a", "age1b")), "repository.json")).toThrow(
    "its signature was not made with the signing key that it names",
  );
  expect(() => decodeDescription(Buffer.from(text.replace(/,\n {2}"signature": .*/, "")), "repository.json")).toThrow(
    "signature",
  );
});

test("a signature has one spelling", () => {
  const key = parseSigningKey(generateSigningKey(), "key");
  const record = { repository: "0".repeat(32), time: iso(0), ranges: [] };
  const text = Buffer.from(encodePruneRecord(record, key)).toString();
  const read = (each: string) =>
    decodePruneRecord(Buffer.from(each), record.repository, [{ key: key.publicKey, from: 1 }], "pruned/1");
  expect(read(text)).toEqual(record);
  // Bits that base64 leaves unused, white space, and anything behind it.
  const last = text.at(-4) ?? "";
  const other = String.fromCharCode(last.charCodeAt(0) + 1);
  for (const changed of [`${text.slice(0, -4)}${other}==\n`, text.trimEnd(), `${text}\n`, `${text}x`])
    expect(() => read(changed)).toThrow("signature");
});
