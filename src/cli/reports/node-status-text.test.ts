import { describe, expect, test } from "vitest";
import type { NodeState } from "../../kube/node-state.ts";
import type { PodPrediction } from "../../operations/node-status/node-status.ts";
import { nodeStatusText } from "./node-status-text.ts";

const AT = Date.parse("2026-11-21T03:12:09Z");

function state(name: string, given: Partial<NodeState> = {}): NodeState {
  return {
    ...{ name, ready: "True", cordoned: false, since: "2026-11-20T03:12:09Z", lastSign: "2026-11-21T03:12:00Z" },
    ...{ why: "", roles: [], version: "v1.20.2", pressures: [] },
    ...given,
  };
}

function pod(node: string, i: number, given: Partial<PodPrediction> = {}): PodPrediction {
  const due = { when: "at", time: AT + 60_000, because: "tolerates it for 300 s" } as const;
  return { pod: `default/${node}-${i}`, node, state: "Running", due, delay: undefined, owner: "", ...given };
}

const many = (failed: number) => ({
  at: AT,
  warnings: [],
  nodes: Array.from({ length: 5000 }, (_, i) =>
    state(`node${i}`, i < failed ? { ready: "Unknown", why: "its kubelet is silent" } : {}),
  ),
  pods: Array.from({ length: failed }, (_, i) =>
    Array.from({ length: 30 }, (_, j) => pod(`node${i}`, j, j === 0 ? { due: { when: "never", because: "" } } : {})),
  ).flat(),
});

describe("of thousands of nodes", () => {
  test("those that are well are counted", () => {
    expect(nodeStatusText(many(0), { all: false })).toBe("5000 nodes are ready\n");
    const lines = nodeStatusText({ ...many(1), pods: [] }, { all: false }).split("\n");
    expect(lines.slice(1)).toEqual([expect.stringMatching(/^node0 +NotReady/), "", "4999 more nodes are ready", ""]);
  });

  test("the pods of many that failed are counted, too", () => {
    const text = nodeStatusText(many(40), { all: false });
    expect(text.split("\n").length).toBeLessThan(100);
    expect(text).toMatch(/^node39 +30 +0 +1 +in 60s$/m);
    expect(text).not.toContain("default/node0-1");
  });

  test("the pods of a few are shown", () => {
    expect(nodeStatusText(many(2), { all: false })).toContain("default/node1-29");
  });

  test("named ones are all shown", () => {
    const text = nodeStatusText(many(40), { all: true });
    expect(text).toContain("node4999");
    expect(text).toContain("default/node39-29");
  });
});
