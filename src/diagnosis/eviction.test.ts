import { expect, test } from "vitest";
import { NOW, node } from "../../test/healthy-facts.ts";
import { evictionOf, evictionsOf } from "./eviction.ts";
import type { NodePod } from "./facts.ts";

const KEY = "node.kubernetes.io/unreachable";
const SINCE = NOW - 60_000;
const tainted = node("node1", { ready: "Unknown", since: SINCE, evictionTaints: [{ key: KEY, since: SINCE }] });
const untainted = node("node1", { ready: "Unknown", since: SINCE });

function pod(given: Partial<NodePod> = {}): NodePod {
  return {
    namespace: "default",
    name: "web",
    phase: "Running",
    deleting: false,
    stays: false,
    tolerations: [],
    ...given,
  };
}
const tolerates = (seconds: number | undefined, key = KEY, operator = "Exists", effect = "NoExecute") => ({
  key,
  operator,
  effect,
  seconds,
});

test.each<[string, NodePod, typeof tainted, number | undefined]>([
  ["without a toleration, at once", pod(), tainted, SINCE],
  ["for as long as it tolerates", pod({ tolerations: [tolerates(300)] }), tainted, SINCE + 300_000],
  ["for the shortest of several", pod({ tolerations: [tolerates(300), tolerates(30)] }), tainted, SINCE + 30_000],
  ["never, where it tolerates for ever", pod({ tolerations: [tolerates(undefined)] }), tainted, undefined],
  [
    "never, where it tolerates everything",
    pod({ tolerations: [tolerates(undefined, "", "Exists", "")] }),
    tainted,
    undefined,
  ],
  ["not by a toleration of another taint", pod({ tolerations: [tolerates(300, "other")] }), tainted, SINCE],
  [
    "not by a toleration of another effect",
    pod({ tolerations: [tolerates(300, KEY, "Exists", "NoSchedule")] }),
    tainted,
    SINCE,
  ],
  ["never, where a DaemonSet keeps it", pod({ stays: true }), tainted, undefined],
  ["no more, where it is going", pod({ deleting: true }), tainted, undefined],
  ["by --pod-eviction-timeout, where no taint does it", pod(), untainted, SINCE + 300_000],
])("a pod is evicted %s", (_, given, from, expected) => {
  expect(evictionOf(given, from)).toBe(expected);
});

test("evictions of a node are counted from the first", () => {
  const pods = [
    pod({ tolerations: [tolerates(300)] }),
    pod({ tolerations: [tolerates(60)] }),
    pod({ stays: true }),
    pod({ deleting: true }),
  ];
  expect(evictionsOf({ ...tainted, pods })).toEqual({ first: SINCE + 60_000, count: 2, deleting: 1 });
});
