/** Rules and the dashboard name only metrics that there are, and Prometheus' own tool accepts them. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { backupMetrics } from "../../src/operations/backup/agent/agent-pages.ts";
import { createReporter } from "../../src/operations/backup/agent/agent-report.ts";
import { checkpointerMetrics } from "../../src/operations/checkpoint/checkpointer-pages.ts";
import { diagnosisMetrics } from "../../src/operations/diagnose/diagnosis-pages.ts";

const read = (name: string): string => readFileSync(join(import.meta.dirname, name), "utf8");

const DIAGNOSIS = {
  verdict: "broken",
  healthy: false,
  troubles: [
    { code: "kubelet-stopped", level: "error", area: "nodes" },
    { code: "kubelet-stopped", level: "error", area: "nodes" },
  ],
  areas: [{ area: "nodes", state: "broken", text: "" }],
  time: "2026-11-29T10:00:00.000Z",
  server: null,
  node: null,
  milliseconds: 250,
} as unknown as Parameters<typeof diagnosisMetrics>[0];

const declared = (text: string): string[] => [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name);
const checkpointer = checkpointerMetrics({
  report: { checkpoints: [], findings: [], apiServer: null, runtime: null },
  view: { counts: { looks: 0, copies: 0, failures: 0, transitions: new Map() }, lastActivationMs: undefined },
} as unknown as Parameters<typeof checkpointerMetrics>[0]);
const backup = backupMetrics(createReporter({ log: () => {}, now: () => 0, onFault: () => {} }), 0);
const METRICS = new Set([...declared(backup), ...declared(checkpointer), ...declared(diagnosisMetrics(undefined))]);

function expectKnown(expressions: readonly string[]): void {
  expect(expressions.length).toBeGreaterThan(5);
  for (const expr of expressions) {
    const names = [...expr.matchAll(/kubemend_\w+/g)].map(([name]) => name);
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) expect(METRICS).toContain(name);
  }
}

test("every metric that a rule names is there", () => {
  const { groups } = parse(read("alerts.yaml")) as { groups: { rules: { expr: string }[] }[] };
  expectKnown(groups.flatMap(({ rules }) => rules.map(({ expr }) => expr)));
});

test("every metric that the dashboard shows is there, and its panels do not overlap", () => {
  const { panels } = JSON.parse(read("dashboard.json")) as {
    panels: { targets: { expr: string }[]; gridPos: { x: number; y: number; w: number; h: number } }[];
  };
  expectKnown(panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)));
  for (const [i, { gridPos: a }] of panels.entries()) {
    expect(a.x + a.w).toBeLessThanOrEqual(24);
    for (const { gridPos: b } of panels.slice(i + 1)) {
      const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
      expect(apart).toBe(true);
    }
  }
});

test("the metrics of a diagnosis", () => {
  expect(diagnosisMetrics(DIAGNOSIS)).toContain('kubemend_diagnose_verdict{verdict="broken"} 1\n');
  expect(diagnosisMetrics(DIAGNOSIS)).toContain('kubemend_diagnose_area_state{area="nodes",state="ok"} 0\n');
  expect(diagnosisMetrics(DIAGNOSIS)).toContain(
    'kubemend_diagnose_findings{code="kubelet-stopped",level="error",area="nodes"} 2\n',
  );
  expect(diagnosisMetrics(DIAGNOSIS)).toContain("kubemend_diagnose_duration_seconds 0.25\n");
});

const PROGRAMS = process.env.KUBEMEND_TEST_PROGRAMS || join(import.meta.dirname, "../../.cache/test-programs");
const PROMTOOL = join(PROGRAMS, "sid/usr/bin/promtool");
test.skipIf(!existsSync(PROMTOOL))("promtool accepts rules and metrics", () => {
  const rules = execFileSync(PROMTOOL, ["check", "rules", join(import.meta.dirname, "alerts.yaml")], {
    encoding: "utf8",
  });
  expect(rules).toContain("SUCCESS");
  execFileSync(PROMTOOL, ["check", "metrics"], { input: diagnosisMetrics(DIAGNOSIS) + checkpointer + backup });
});
