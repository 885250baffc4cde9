import { describe, expect, test } from "vitest";
import { input } from "../errors/input.ts";
import type { KubeObject } from "../kube/object.ts";
import { aggregateText, type DaemonSetAnswer, type DrainRules, judgePod, selectForDrain } from "./drain-filter.ts";

const NOW = Date.parse("2026-11-21T12:00:00Z");
const NONE: DrainRules = {
  force: false,
  ignoreDaemonSets: false,
  deleteEmptyDirData: false,
  skipWaitForDeleteSeconds: 0,
};
const FOUND: DaemonSetAnswer = { state: "found" };

function pod(
  fields: { name?: string; owner?: string; metadata?: object; spec?: object; phase?: string } = {},
): KubeObject {
  const owner = fields.owner ?? "ReplicaSet";
  const reference = { apiVersion: "apps/v1", kind: owner, name: "web", uid: "u1", controller: true };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: fields.name ?? "web-1",
      namespace: "default",
      ...(owner !== "" && { ownerReferences: [reference] }),
      ...fields.metadata,
    },
    spec: fields.spec ?? {},
    status: { phase: fields.phase ?? "Running" },
  } as KubeObject;
}

const EMPTY_DIR = { volumes: [{ name: "data", emptyDir: {} }] };
const MIRROR = { annotations: { "kubernetes.io/config.mirror": "x" } };
const DELETED = { deletionTimestamp: "2026-11-21T11:59:00Z" };
const MISSING: DaemonSetAnswer = { state: "missing", text: 'daemonsets.apps "web" not found' };
const FAILED: DaemonSetAnswer = { state: "failed", text: "forbidden" };
const LOCAL = `Pods with local storage (use ${input("deleteEmptydirData")} to override)`;
const UNMANAGED = `Pods that declare no controller (use ${input("force")} to override)`;
const DAEMONS = `DaemonSet-managed Pods (use ${input("ignoreDaemonsets")} to ignore)`;

describe("a pod", () => {
  const cases: [string, KubeObject, Partial<DrainRules>, object, DaemonSetAnswer?][] = [
    ["of a ReplicaSet goes", pod(), {}, { action: "remove" }],
    ["of nobody stays", pod({ owner: "" }), {}, { action: "refuse", error: UNMANAGED }],
    [
      "of nobody goes by force",
      pod({ owner: "" }),
      { force: true },
      { action: "remove", warning: "deleting Pods that declare no controller" },
    ],
    ["of nobody that has finished goes", pod({ owner: "", phase: "Succeeded" }), {}, { action: "remove" }],
    [
      "with an owner that is no controller stays",
      pod({ metadata: { ownerReferences: [{ kind: "X" }] } }),
      {},
      { action: "refuse", error: UNMANAGED },
    ],
    ["with data stays", pod({ spec: EMPTY_DIR }), {}, { action: "refuse", error: LOCAL }],
    // kubectl forgets this warning, because a later filter passes without one.
    ["with data goes when told to", pod({ spec: EMPTY_DIR }), { deleteEmptyDirData: true }, { action: "remove" }],
    ["with data that has failed goes", pod({ spec: EMPTY_DIR, phase: "Failed" }), {}, { action: "remove" }],
    ["of a DaemonSet stays", pod({ owner: "DaemonSet" }), {}, { action: "refuse", error: DAEMONS }],
    [
      "of a DaemonSet is ignored when told to",
      pod({ owner: "DaemonSet" }),
      { ignoreDaemonSets: true, force: true },
      { action: "leave", warning: "ignoring DaemonSet-managed Pods" },
    ],
    ["of a DaemonSet that has finished goes", pod({ owner: "DaemonSet", phase: "Failed" }), {}, { action: "remove" }],
    [
      "of a DaemonSet that is no more stays",
      pod({ owner: "DaemonSet" }),
      {},
      { action: "refuse", error: MISSING.text },
      MISSING,
    ],
    [
      "of a DaemonSet that is no more goes by force",
      pod({ owner: "DaemonSet" }),
      { force: true },
      { action: "remove" },
      MISSING,
    ],
    [
      "of a DaemonSet that cannot be read stays",
      pod({ owner: "DaemonSet" }),
      { force: true },
      { action: "refuse", error: FAILED.text },
      FAILED,
    ],
    ["of a file stays", pod({ owner: "", metadata: MIRROR }), {}, { action: "leave" }],
    [
      "that has been terminating for long stays",
      pod({ metadata: DELETED }),
      { skipWaitForDeleteSeconds: 59 },
      { action: "leave" },
    ],
    [
      "that has been terminating for less goes",
      pod({ metadata: { ...DELETED, ownerReferences: pod().metadata.ownerReferences } }),
      { skipWaitForDeleteSeconds: 60 },
      { action: "remove" },
    ],
  ];
  test.each(cases)("%s", (_, object, rules, expected, answer = FOUND) => {
    expect(judgePod(object, { ...NONE, ...rules }, () => answer, NOW)).toEqual(expected);
  });
});

test("errors and warnings are put together as kubectl puts them", () => {
  const pods = [
    pod({ name: "a", owner: "" }),
    pod({ name: "b", owner: "" }),
    pod({ name: "c", spec: EMPTY_DIR }),
    pod({ name: "d" }),
  ];
  const select = (rules: Partial<DrainRules>) =>
    selectForDrain(
      pods.map((each) => ({ pod: each, verdict: judgePod(each, { ...NONE, ...rules }, () => FOUND, NOW) })),
    );
  const refused = select({});
  expect(aggregateText(refused.errors)).toBe(
    `[cannot delete ${UNMANAGED}: default/a, default/b, cannot delete ${LOCAL}: default/c]`,
  );
  const forced = select({ force: true, deleteEmptyDirData: true });
  expect(forced.errors).toEqual([]);
  expect(forced.warnings).toBe("deleting Pods that declare no controller: default/a, default/b");
  expect(forced.remove.map(({ metadata }) => metadata.name)).toEqual(["a", "b", "c", "d"]);
  expect(aggregateText(["x", "x"])).toBe("x");
});
