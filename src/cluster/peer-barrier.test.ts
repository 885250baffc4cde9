import { describe, expect, test } from "vitest";
import { NODE_STATES } from "./node-facts.ts";
import { notPrepared, notTakenBack, type PeerSeen } from "./peer-barrier.ts";

const RESTORED = "b8c6addf901e4e46";
const states = [...NODE_STATES, "undoing", "undone"] as const;
const seen: readonly PeerSeen[] = [
  ...states.map((state) => ({ kind: "kubemend", state }) as const),
  { kind: "etcd", clusterId: RESTORED },
  { kind: "etcd", clusterId: "cdf818194e3a8c32" },
  { kind: "silent", why: "connection refused" },
];
const name = (peer: PeerSeen) =>
  peer.kind === "kubemend" ? peer.state : peer.kind === "etcd" ? `etcd ${peer.clusterId}` : "silent";

describe("whatever one peer shows", () => {
  const goes = ["prepared", "etcd-started", "started", "done", `etcd ${RESTORED}`];
  const back = ["undoing", "undone", "etcd cdf818194e3a8c32"];
  test.each(seen.map((peer) => [name(peer), peer] as const))("%s", (text, peer) => {
    const peers = new Map<string, PeerSeen>([
      ["cp2", peer],
      ["cp3", { kind: "kubemend", state: "prepared" }],
    ]);
    expect(notPrepared(peers, RESTORED).length === 0).toBe(goes.includes(text));
    expect(notTakenBack(new Map([["cp2", peer]]), RESTORED).length === 0).toBe(back.includes(text));
  });
});

test("each that is waited for is named, with what to do", () => {
  const peers = new Map<string, PeerSeen>([
    ["cp1", { kind: "etcd", clusterId: "cdf818194e3a8c32" }],
    ["cp2", { kind: "kubemend", state: "received" }],
    ["cp3", { kind: "silent", why: "connection refused" }],
  ]);
  expect(notPrepared(peers, RESTORED)).toEqual([
    "the old etcd still runs on cp1: apply its bundle there",
    "cp2 is received",
    "cp3 does not answer (connection refused): apply its bundle there",
  ]);
});
