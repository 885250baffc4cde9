import { describe, expect, test } from "vitest";
import type { KubeObject } from "../kube/object.ts";
import type { Generation } from "./checkpoint.ts";
import { numbered } from "./generation.ts";
import type { Seen } from "./observe.ts";
import { type ActiveFile, plan, step } from "./plan.ts";
import { NO_ATTEMPTS, type Observed, PATIENCE, type State } from "./state.ts";

function generation(number: number, pod: string, image = `image:${number}`): Generation {
  const manifest = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: pod, namespace: "ns" },
    spec: { containers: [{ name: "a", image }] },
  } as unknown as KubeObject;
  return numbered(manifest, { number, saved: "", proven: true });
}

const file = (id: string, { manifest, fingerprint }: Generation): ActiveFile => ({
  path: `/manifests/${manifest.metadata.name}.json`,
  id,
  pod: `ns/${manifest.metadata.name}`,
  fingerprint,
  modified: 0,
});
const active: State = { kind: "active", since: 0, generation: 0, attempts: NO_ATTEMPTS, retryAt: 0, rounds: 0 };
const inactive: State = { kind: "inactive" };
const a2 = generation(2, "a-y");
const a1 = generation(1, "a-x");
const b1 = generation(1, "b");
const self1 = generation(1, "agent");
const copies = new Map([
  ["a", [a2, a1]],
  ["b", [b1]],
  ["agent", [self1]],
]);

/** `ACT ID [NAME]`. */
function actions(states: Record<string, State>, files: readonly ActiveFile[], self = "agent"): string[] {
  return plan(new Map(Object.entries(states)), copies, files, new Set([self])).map((action) => {
    if (action.act === "start") return `start ${action.id} ${action.generation.manifest.metadata.name}`;
    return action.act === "stop" ? `stop ${action.id} ${action.path}` : `remove ${action.id}`;
  });
}

describe("what is done", () => {
  test("first what runs wrongly is stopped, then what should run is started, and the agent is last", () => {
    expect(actions({ agent: { kind: "self" }, a: active, b: inactive }, [file("b", b1)])).toEqual([
      "stop b /manifests/b.json",
      "start a a-y",
      "start agent agent",
    ]);
    const remove: State = { kind: "remove" };
    expect(actions({ agent: remove, a: remove, b: remove }, [])).toEqual(["remove a", "remove b", "remove agent"]);
  });

  test("nothing where all is as it should be", () => {
    const files = [file("agent", self1), file("a", a2)];
    expect(actions({ agent: { kind: "self" }, a: active, b: inactive }, files)).toEqual([]);
  });

  test("a file that is gone, changed, or another generation's is rewritten", () => {
    expect(actions({ a: active }, [])).toEqual(["start a a-y"]);
    expect(actions({ a: active }, [{ ...file("a", a2), fingerprint: "other" }])).toEqual(["start a a-y"]);
    expect(actions({ a: active }, [file("a", a1)])).toEqual(["stop a /manifests/a-x.json", "start a a-y"]);
    expect(actions({ a: { ...active, generation: 1 } as State }, [file("a", a2)])).toEqual([
      "stop a /manifests/a-y.json",
      "start a a-x",
    ]);
    expect(actions({ a: { ...active, generation: 7 } as State }, [])).toEqual(["start a a-x"]);
  });
});

describe("an agent that is unscheduled", () => {
  const seen = (id: string, change: Partial<Observed>): Seen => ({
    id,
    parents: [],
    healthyFor: undefined,
    observed: {
      api: "absent",
      heardAt: 0,
      parent: "absent",
      parentUid: "",
      checkpoint: "absent",
      lingers: false,
      servesApi: false,
      generations: 1,
      isSelf: false,
      ...change,
    },
  });
  const states = new Map<string, State>([
    ["agent", { kind: "self-grace", until: 0 }],
    ["a", inactive],
    ["b", active],
  ]);
  const running = { api: "scheduled", parent: "running" } as const;
  const self = seen("agent", { isSelf: true });

  test("stays while a checkpoint stands in for its parent", () => {
    const { states: moved } = step(states, [self, seen("a", running), seen("b", { api: "scheduled" })], 1, PATIENCE);
    expect([...moved].map(([id, { kind }]) => `${id} ${kind}`)).toEqual(["agent self-grace", "a inactive", "b active"]);
  });

  test("goes with all that it made when every parent runs", () => {
    const calm = new Map<string, State>([...states, ["b", inactive]]);
    const { states: moved, transitions } = step(calm, [self, seen("a", running), seen("b", running)], 1, PATIENCE);
    expect([...moved.values()].map(({ kind }) => kind)).toEqual(["remove", "remove", "remove"]);
    expect(transitions).toHaveLength(3);
  });
});
