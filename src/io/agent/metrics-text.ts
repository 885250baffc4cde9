/** Metrics in Prometheus' text format, version 0.0.4. Source: https://github.com/prometheus/docs (exposition formats). */
import { escapeText } from "../../errors/unsafe-text.ts";

/** Values by their labels; `{}` for the one without. */
export type Samples = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];

/** One metric. Without samples it is only declared. */
export function metricText(name: string, type: "gauge" | "counter", help: string, samples: Samples): string {
  const lines = samples.map(([labels, value]) => `${name}${labelsText(labels)} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escaped(value: string): string {
  return escapeText(value).replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
