/** The manifests and rules name what there is: fields of the configuration, metrics of the agent. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { backupMetrics } from "../../src/operations/backup/agent/agent-pages.ts";
import { createReporter } from "../../src/operations/backup/agent/agent-report.ts";

const read = (name: string): string => readFileSync(join(import.meta.dirname, name), "utf8");

test("every metric that a rule names is one of the agent's", () => {
  const reporter = createReporter({ log: () => {}, now: () => 0, onFault: () => {} });
  const metrics = new Set([...backupMetrics(reporter, 0).matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]));
  const rules = parse(read("alerts.yaml")).groups[0].rules as { expr: string }[];
  expect(rules.length).toBeGreaterThan(5);
  for (const { expr } of rules) for (const [name] of expr.matchAll(/kubemend_\w+/g)) expect(metrics).toContain(name);
});

const PROGRAMS = process.env.KUBEMEND_TEST_PROGRAMS || join(import.meta.dirname, "../../.cache/test-programs");
const PROMTOOL = join(PROGRAMS, "sid/usr/bin/promtool");
test.skipIf(!existsSync(PROMTOOL))("promtool accepts the rules", () => {
  expect(
    execFileSync(PROMTOOL, ["check", "rules", join(import.meta.dirname, "alerts.yaml")], { encoding: "utf8" }),
  ).toContain("SUCCESS");
});

test("the DaemonSet's pod is the static pod's", () => {
  const daemonSet = parse(read("daemonset.yaml")).spec.template.spec;
  const { nodeSelector: _, automountServiceAccountToken: __, ...spec } = daemonSet;
  expect(spec).toEqual(parse(read("static-pod.yaml")).spec);
});
