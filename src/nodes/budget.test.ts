import { describe, expect, test } from "vitest";
import type { KubeObject } from "../kube/object.ts";
import { allowedBy, budgetsOf, describeBudget } from "./budget.ts";

function budget(spec: object, status: object = {}, version = "policy/v1"): KubeObject {
  const metadata = { name: "web", namespace: "default", generation: 2 };
  return { apiVersion: version, kind: "PodDisruptionBudget", metadata, spec, status } as unknown as KubeObject;
}

const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "a", namespace: "default", labels: { app: "web" } },
} as KubeObject;

test.each([
  ["its labels", budget({ selector: { matchLabels: { app: "web" } } }), 1],
  ["other labels", budget({ selector: { matchLabels: { app: "db" } } }), 0],
  [
    "an expression",
    budget({ selector: { matchExpressions: [{ key: "app", operator: "In", values: ["web", "x"] }] } }),
    1,
  ],
  [
    "an expression against it",
    budget({
      selector: {
        matchExpressions: [
          { key: "app", operator: "Exists" },
          { key: "app", operator: "NotIn", values: ["web"] },
        ],
      },
    }),
    0,
  ],
  ["everything", budget({ selector: {} }), 1],
  ["everything, which was nothing before policy/v1", budget({ selector: {} }, {}, "policy/v1beta1"), 0],
  ["nothing", budget({}), 0],
])("a budget that selects %s", (_, each, count) => expect(budgetsOf(pod, [each])).toHaveLength(count));

test("a budget whose controller has not counted yet allows nothing", () => {
  expect(allowedBy(budget({}, { observedGeneration: 2, disruptionsAllowed: 1 }))).toBe(1);
  expect(allowedBy(budget({}, { observedGeneration: 1, disruptionsAllowed: 1 }))).toBe(0);
  expect(allowedBy(budget({}))).toBe(0);
});

describe("what frees a pod", () => {
  test.each([
    [
      "more healthy ones",
      { minAvailable: 2 },
      { expectedPods: 3, currentHealthy: 1, desiredHealthy: 2 },
      "2 more healthy pods",
      false,
    ],
    [
      "one more",
      { maxUnavailable: 1 },
      { expectedPods: 3, currentHealthy: 2, desiredHealthy: 2 },
      "1 more healthy pod",
      false,
    ],
    ["time", { maxUnavailable: 1 }, { expectedPods: 3, currentHealthy: 3, desiredHealthy: 2 }, "nothing more", false],
    [
      "replicas of a fixed number",
      { minAvailable: 4 },
      { expectedPods: 3, currentHealthy: 3, desiredHealthy: 4 },
      "never by itself: add 2 replicas, or lower its minAvailable",
      true,
    ],
    [
      "one more of a percentage",
      { minAvailable: "50%" },
      { expectedPods: 1, currentHealthy: 1, desiredHealthy: 1 },
      "never by itself: add a replica, or lower its minAvailable",
      true,
    ],
    [
      "several more of a percentage",
      { minAvailable: "90%" },
      { expectedPods: 2, currentHealthy: 2, desiredHealthy: 2 },
      "never by itself: add 8 replicas, or",
      true,
    ],
  ])("%s", (_, spec, status, freedBy, never) => {
    const described = describeBudget(budget(spec, status));
    expect(described.freedBy).toContain(freedBy);
    expect(described.never).toBe(never);
  });

  test.each([
    [{ maxUnavailable: 0 }, "raise its maxUnavailable"],
    [{ maxUnavailable: "0%" }, "raise its maxUnavailable"],
    [{ minAvailable: "100%" }, "lower its minAvailable"],
  ])("no replica of %j: what must be healthy grows with them", (spec, change) => {
    const status = { expectedPods: 3, currentHealthy: 3, desiredHealthy: 3 };
    expect(describeBudget(budget(spec, status))).toMatchObject({ freedBy: `never by itself: ${change}`, never: true });
  });

  test("a pod that is not ready: as many healthy ones as must be, or the policy", () => {
    const status = { expectedPods: 3, currentHealthy: 0, desiredHealthy: 1 };
    const { freedBy } = describeBudget(budget({ minAvailable: 1 }, status), false);
    expect(freedBy).toMatch(/^1 more healthy pod; or at once by unhealthyPodEvictionPolicy: AlwaysAllow/);
    expect(describeBudget(budget({ minAvailable: 1 }, status)).freedBy).toBe("2 more healthy pods");
    const all = { expectedPods: 3, currentHealthy: 2, desiredHealthy: 3 };
    expect(describeBudget(budget({ maxUnavailable: 0 }, all), false).freedBy).toMatch(
      /^1 more healthy pod, or raise its/,
    );
    const allowing = budget({ minAvailable: 1, unhealthyPodEvictionPolicy: "AlwaysAllow" }, status);
    expect(describeBudget(allowing, false).freedBy).toBe("1 more healthy pod");
  });

  test("a bare pod: no replica", () => {
    const described = describeBudget(
      budget({ maxUnavailable: 1 }, { expectedPods: 0, currentHealthy: 1, desiredHealthy: 0 }),
    );
    expect(described.state).not.toContain("1 of 0");
    expect(described.freedBy).toBe("no replica: delete the pod itself, or raise its maxUnavailable");
  });

  test("a budget that cannot be computed", () => {
    const conditions = [
      { type: "DisruptionAllowed", status: "False", reason: "SyncFailed", message: "no scale for pod a" },
    ];
    expect(describeBudget(budget({ maxUnavailable: 1 }, { conditions }))).toMatchObject({
      state: "maxUnavailable 1; no scale for pod a",
      never: true,
    });
  });
});
