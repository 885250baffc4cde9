import { expect, test } from "vitest";
import { judgeBlockers } from "./blockers.ts";
import type { Facts } from "./facts.ts";

test("objects that keep an API server from coming up are named with what removes them from a backup", () => {
  const webhook = {
    configuration: "dead",
    name: "dead.example.com",
    kind: "ValidatingWebhookConfiguration",
    index: 0,
    service: { namespace: "default", name: "nobody" },
    fault: "service-missing",
    deployment: undefined,
    intercepts: "everything",
  };
  const apiService = {
    name: "v1beta1.metrics.k8s.io",
    reason: "x",
    message: "y",
    service: undefined,
    deployment: undefined,
  };
  const nothing = { namespaces: [], quotas: [], disruptionBudgets: [] };
  const cluster = { webhooks: [webhook], apiServices: [apiService], ...nothing };
  const advice = judgeBlockers({ cluster, access: {} } as unknown as Facts).map((trouble) => trouble.advice);
  expect(advice).toEqual([
    expect.stringContaining(
      "kubemend snapshot restore BACKUP --data-dir DIR --remove validatingwebhookconfiguration/dead",
    ),
    expect.stringContaining(
      "kubemend snapshot restore BACKUP --data-dir DIR --remove apiservice/v1beta1.metrics.k8s.io",
    ),
  ]);
});
