/** States that newer Kubernetes has; the others are compared with kubectl's own output in test/kubectl-get.test.ts. */
import { expect, test } from "vitest";
import type { KubeObject } from "../../kube/object.ts";
import { podTable } from "./pod.ts";

const now = Date.parse("2026-11-21T12:00:00Z");

function row(spec: object, status: object, metadata: object = {}): string {
  const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "p", ...metadata }, spec, status } as KubeObject;
  return podTable.row(pod, { now }).slice(1, 4).join(" ");
}

const running = { running: { startedAt: "2026-11-21T11:00:00Z" } };
const containers = [{ name: "main" }];
const sidecar = { name: "proxy", restartPolicy: "Always" };

test.each([
  [
    "a gated pod",
    row(
      { containers },
      { phase: "Pending", conditions: [{ type: "PodScheduled", status: "False", reason: "SchedulingGated" }] },
    ),
    "0/1 SchedulingGated 0",
  ],
  [
    "a sidecar counts as a container once it started",
    row(
      { containers, initContainers: [sidecar, { name: "setup" }] },
      {
        phase: "Running",
        conditions: [{ type: "Initialized", status: "True" }],
        initContainerStatuses: [
          {
            name: "proxy",
            started: true,
            ready: true,
            restartCount: 2,
            state: running,
            lastState: { terminated: { finishedAt: "2026-11-21T11:55:00Z" } },
          },
          { name: "setup", restartCount: 7, state: { terminated: { exitCode: 0 } } },
        ],
        containerStatuses: [{ name: "main", ready: true, restartCount: 1, state: running }],
      },
    ),
    "2/2 Running 3 (5m ago)",
  ],
  [
    "a sidecar that has not started yet",
    row(
      { containers, initContainers: [sidecar] },
      {
        phase: "Pending",
        initContainerStatuses: [{ name: "proxy", started: false, ready: false, restartCount: 0, state: running }],
      },
    ),
    "0/2 Init:0/1 0",
  ],
  [
    "restarts tell when the last one was",
    row(
      { containers },
      {
        phase: "Running",
        containerStatuses: [
          {
            name: "main",
            ready: true,
            restartCount: 4,
            state: running,
            lastState: { terminated: { finishedAt: "2026-11-21T09:00:00Z" } },
          },
        ],
      },
    ),
    "1/1 Running 4 (3h ago)",
  ],
  [
    "a pod that ended is not terminating",
    row({ containers }, { phase: "Failed", reason: "Evicted" }, { deletionTimestamp: "2026-11-21T11:00:00Z" }),
    "0/1 Evicted 0",
  ],
])("%s", (_, actual, expected) => {
  expect(actual).toBe(expected);
});

test("pods that share spec and status have rows of their own", () => {
  const spec = { containers };
  const status = {
    phase: "Running",
    containerStatuses: [{ name: "main", ready: true, restartCount: 0, state: running }],
  };
  expect(row(spec, status)).toBe("1/1 Running 0");
  expect(row(spec, status, { deletionTimestamp: "2026-11-21T11:59:00Z" })).toBe("1/1 Terminating 0");
  expect(row(spec, status)).toBe("1/1 Running 0");
  expect(row({ containers: [...containers, { name: "other" }] }, status)).toBe("1/2 Running 0");
  expect(row(spec, { ...status, reason: "NodeLost" }, { deletionTimestamp: "2026-11-21T11:59:00Z" })).toBe(
    "1/1 Unknown 0",
  );
});
