/** What newer Kubernetes shows; the rest is compared with kubectl's own output in test/kubectl-get.test.ts. */
import { expect, test } from "vitest";
import type { KubeObject } from "../../kube/object.ts";
import { cronJobTable, horizontalPodAutoscalerTable, jobTable } from "./workloads.ts";

const now = Date.parse("2026-11-21T12:00:00Z");
const object = (spec: object, status: object = {}, metadata: object = {}) =>
  ({ metadata: { name: "x", ...metadata }, spec, status }) as unknown as KubeObject;

test.each([
  [[], {}, "Running"],
  [[{ type: "Complete", status: "True" }], {}, "Complete"],
  [[{ type: "Failed", status: "True" }], {}, "Failed"],
  [[{ type: "Suspended", status: "True" }], {}, "Suspended"],
  [[{ type: "Suspended", status: "False" }], {}, "Running"],
  [[{ type: "FailureTarget", status: "True" }], {}, "FailureTarget"],
  [[], { deletionTimestamp: "2026-11-21T11:00:00Z" }, "Terminating"],
])("a job with %j %j is %s", (conditions, metadata, status) => {
  expect(jobTable.row(object({}, { conditions }, metadata), { now })[1]).toBe(status);
});

test("a cron job's time zone", () => {
  const cells = cronJobTable.row(object({ schedule: "@daily", timeZone: "Asia/Tokyo", suspend: false }), { now });
  expect(cells.slice(0, 6)).toEqual(["x", "@daily", "Asia/Tokyo", "False", "0", "<none>"]);
});

const targets = (metrics: readonly object[], currentMetrics: readonly object[] = []) =>
  horizontalPodAutoscalerTable.row(object({ metrics }, { currentMetrics }), { now })[2];
const cpu = { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } } };

test("an autoscaler's targets", () => {
  expect(targets([])).toBe("<none>");
  expect(targets([cpu])).toBe("cpu: <unknown>/80%");
  const current = {
    type: "Resource",
    resource: { name: "cpu", current: { averageUtilization: 12, averageValue: "3m" } },
  };
  expect(targets([cpu], [current])).toBe("cpu: 12%/80%");
  expect(targets([{ type: "Pods", pods: { metric: { name: "m" }, target: { averageValue: "5" } } }])).toBe(
    "<unknown>/5",
  );
  expect(targets([{ type: "Object", object: { target: { value: "2k" } } }])).toBe("<unknown>/2k");
  expect(targets([{ type: "External", external: { target: { averageValue: "3" } } }])).toBe("<unknown>/3 (avg)");
  const container = {
    type: "ContainerResource",
    containerResource: { name: "memory", target: { averageValue: "1Gi" } },
  };
  expect(targets([container, cpu, cpu])).toBe("memory: <unknown>/1Gi, cpu: <unknown>/80% + 1 more...");
  expect(targets([{ type: "Dreams" }])).toBe("<unknown type>");
});
