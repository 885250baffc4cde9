import { describe, expect, test } from "vitest";
import type { Log, LogEntry } from "./log.ts";
import { decodeMember, type Member } from "./membership.ts";
import {
  CONF_CHANGE_ADD_LEARNER_NODE,
  CONF_CHANGE_ADD_NODE,
  CONF_CHANGE_REMOVE_NODE,
  CONF_CHANGE_UPDATE_NODE,
  type ConfState,
  decodeConfChange,
  votersOnly,
} from "./raft.ts";
import type { RaftSnapshot } from "./raft-snapshot.ts";
import {
  type AppliedState,
  applyConfChanges,
  becomeSoleMember,
  compareLogs,
  lastPosition,
  pickSnapshot,
  planBase,
} from "./survivor.ts";

const entries = (from: number, to: number, term = 2): LogEntry[] =>
  Array.from({ length: to - from + 1 }, (_, i) => ({ type: 0, term, index: from + i, segment: 0, position: 0 }));

const log = (list: readonly LogEntry[], more: Partial<Log> = {}): Log => ({
  metadata: { nodeId: 1n, clusterId: 9n },
  state: { term: 2, vote: 1n, commit: 100 },
  marks: [],
  entries: list,
  end: { kind: "complete", segment: 0, position: 0, text: "" },
  ...more,
});

const snapshot = (index: number, term = 2): RaftSnapshot => ({
  index,
  term,
  confState: votersOnly([1n, 2n, 3n]),
  data: new Uint8Array(),
});
const member = (id: bigint, isLearner = false): Member => ({
  id,
  name: `m${id}`,
  peerUrls: ["http://a:1"],
  clientUrls: [],
  isLearner,
});
const applied = (consistentIndex: number, term?: number): AppliedState => ({
  consistentIndex,
  term,
  members: [member(1n), member(2n), member(4n, true)],
});

test("the later term is more up to date, then the longer log", () => {
  const sorted = [
    { term: 2, index: 90 },
    { term: 3, index: 10 },
    { term: 2, index: 91 },
  ].sort(compareLogs);
  expect(sorted).toEqual([
    { term: 2, index: 90 },
    { term: 2, index: 91 },
    { term: 3, index: 10 },
  ]);
});

test("a log ends at its last entry, or at the snapshot where there is none behind it", () => {
  expect(lastPosition(log(entries(1, 7)), undefined)).toMatchObject({ index: 7 });
  expect(lastPosition(log(entries(1, 7)), snapshot(10))).toMatchObject({ index: 10 });
  expect(lastPosition(log([]), undefined)).toEqual({ term: 0, index: 0 });
});

test("only a snapshot that the log knows and that was committed serves", () => {
  const marks = [snapshot(10), snapshot(20), snapshot(200)];
  const own = log(entries(21, 30), { marks });
  expect(pickSnapshot(own, [snapshot(10), snapshot(20), snapshot(30), snapshot(200)])?.index).toBe(20);
  expect(pickSnapshot(own, [snapshot(20, 1)])).toBeUndefined();
});

describe("where a log is continued", () => {
  test.each([
    ["a new member: the log from its first entry", entries(1, 9), undefined, 5, { index: undefined, first: 1 }],
    ["its own snapshot", entries(5, 30), snapshot(10), 20, { index: 10, first: 11 }],
    ["its own snapshot, nothing behind it", entries(5, 10), snapshot(10), 10, { index: 10, first: undefined }],
  ] as const)("%s", (_, list, own, index, expected) => {
    const base = planBase(log(list), own, applied(index))!;
    expect(base.isMade).toBe(false);
    expect([base.snapshot?.index, base.entries[0]?.index]).toEqual([expected.index, expected.first]);
  });

  test.each([
    ["the log ends before the database", entries(11, 15), snapshot(10), 20, undefined],
    ["the log begins too late", entries(18, 30), snapshot(10), 20, 21],
    ["there is neither snapshot nor log", [], undefined, 20, undefined],
    ["the snapshot is lost", entries(11, 30), undefined, 20, 21],
  ] as const)("%s: a snapshot is made of the database", (_, list, own, index, first) => {
    const base = planBase(log(list), own, applied(index))!;
    expect(base.isMade).toBe(true);
    expect(base.snapshot).toMatchObject({ index: 20, term: 2, confState: { voters: [1n, 2n], learners: [4n] } });
    expect(base.entries[0]?.index).toBe(first);
  });

  test("nothing fits a database without an index, or one that is behind the snapshot", () => {
    expect(planBase(log([]), undefined, applied(0))).toBeUndefined();
    const base = planBase(log(entries(11, 15)), snapshot(10), applied(5, 1));
    expect(base).toMatchObject({ isMade: true, snapshot: { index: 5, term: 1 }, entries: [] });
  });
});

test("configuration changes are followed", () => {
  const state = applyConfChanges({ ...votersOnly([1n, 2n]), learners: [3n] }, [
    { type: CONF_CHANGE_ADD_NODE, nodeId: 3n },
    { type: CONF_CHANGE_REMOVE_NODE, nodeId: 2n },
    { type: CONF_CHANGE_ADD_LEARNER_NODE, nodeId: 5n },
    { type: CONF_CHANGE_UPDATE_NODE, nodeId: 1n },
  ]);
  expect([state.voters, state.learners]).toEqual([[1n, 3n], [5n]]);
});

describe("alone in the cluster", () => {
  const state = { term: 7, vote: 2n, commit: 90 };
  const changes = (cluster: ConfState): unknown[] =>
    becomeSoleMember(member(1n), cluster, { term: 6, index: 100 }, state).entries.map((entry) => {
      const { type, nodeId } = decodeConfChange(entry.data!);
      return [entry.index, entry.term, type, nodeId];
    });

  test("the others go, in order, and the peer URLs are set", () => {
    expect(changes({ ...votersOnly([3n, 1n, 2n]), learners: [4n] })).toEqual([
      [101, 7, CONF_CHANGE_REMOVE_NODE, 2n],
      [102, 7, CONF_CHANGE_REMOVE_NODE, 3n],
      [103, 7, CONF_CHANGE_REMOVE_NODE, 4n],
      [104, 7, CONF_CHANGE_UPDATE_NODE, 1n],
    ]);
  });

  test("a learner becomes a voter first, a stranger joins first", () => {
    const learner = becomeSoleMember(
      member(1n),
      { ...votersOnly([2n]), learners: [1n] },
      { term: 6, index: 100 },
      state,
    );
    const promotion = decodeConfChange(learner.entries[0]!.data!);
    expect(promotion).toMatchObject({ type: CONF_CHANGE_ADD_NODE, nodeId: 1n });
    expect(JSON.parse(Buffer.from(promotion.context!).toString())).toMatchObject({ id: 1, isPromote: true });
    expect(changes(votersOnly([2n]))[0]).toEqual([101, 7, CONF_CHANGE_ADD_NODE, 1n]);
    expect(decodeMember(decodeConfChange(learner.entries.at(-1)!.data!).context!)).toMatchObject({ id: 1n });
  });

  test("all of it is committed, in a term that never goes back", () => {
    const own = becomeSoleMember(member(1n), votersOnly([1n]), { term: 6, index: 100 }, state);
    expect(own.state).toEqual({ term: 7, vote: 2n, commit: 101 });
    const later = becomeSoleMember(member(1n), votersOnly([1n]), { term: 9, index: 100 }, state);
    expect(later.state).toEqual({ term: 9, vote: 0n, commit: 101 });
  });
});
