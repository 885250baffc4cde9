import { describe, expect, test } from "vitest";
import type { Member } from "../wal/membership.ts";
import {
  CONF_CHANGE_ADD_LEARNER_NODE,
  CONF_CHANGE_ADD_NODE,
  CONF_CHANGE_REMOVE_NODE,
  CONF_CHANGE_UPDATE_NODE,
  type ConfState,
  decodeConfChange,
  votersOnly,
} from "../wal/raft.ts";
import { applyConfChanges, becomeSoleMember } from "./sole-member.ts";

const member = (id: bigint): Member => ({
  id,
  name: `m${id}`,
  peerUrls: ["http://a:1"],
  clientUrls: [],
  isLearner: false,
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
  const state = { term: 7, vote: 2n };
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

  test("a learner becomes a voter first", () => {
    const cluster = { ...votersOnly([2n]), learners: [1n] };
    const { entries } = becomeSoleMember(member(1n), cluster, { term: 6, index: 100 }, state);
    const promotion = decodeConfChange(entries[0]!.data!);
    expect(promotion).toMatchObject({ type: CONF_CHANGE_ADD_NODE, nodeId: 1n });
    expect(JSON.parse(Buffer.from(promotion.context!).toString())).toMatchObject({ id: 1, isPromote: true });
    const last = decodeConfChange(entries.at(-1)!.data!).context!;
    expect(JSON.parse(Buffer.from(last).toString())).toMatchObject({ id: 1 });
  });

  test("a new member joins while one of the others, which gives up its URLs, is still there", () => {
    expect(changes({ ...votersOnly([2n, 3n]), learners: [4n] })).toEqual([
      [101, 7, CONF_CHANGE_REMOVE_NODE, 3n],
      [102, 7, CONF_CHANGE_REMOVE_NODE, 4n],
      [103, 7, CONF_CHANGE_UPDATE_NODE, 2n],
      [104, 7, CONF_CHANGE_ADD_NODE, 1n],
      [105, 7, CONF_CHANGE_REMOVE_NODE, 2n],
    ]);
  });

  test("all of it is committed, in a term that never goes back", () => {
    const own = becomeSoleMember(member(1n), votersOnly([1n]), { term: 6, index: 100 }, state);
    expect(own.state).toEqual({ term: 7, vote: 2n, commit: 101 });
    const later = becomeSoleMember(member(1n), votersOnly([1n]), { term: 9, index: 100 }, state);
    expect(later.state).toEqual({ term: 9, vote: 0n, commit: 101 });
  });
});
