/** What `diagnose --watch` found last, as metrics, health and status over HTTP on the loopback. */
import { AREAS } from "../../diagnosis/trouble.ts";
import { type AgentEndpoint, openAgentEndpoint } from "../../io/agent/agent-endpoint.ts";
import { metricText, type Samples } from "../../io/agent/metrics-text.ts";
import type { DiagnoseResult } from "./diagnose.ts";

const PREFIX = "kubemend_diagnose_";

/** `last` is undefined until the first look has ended. Throws where nothing can listen at the address. */
export function openDiagnosisPages(last: () => DiagnoseResult | undefined, address: string): Promise<AgentEndpoint> {
  return openAgentEndpoint(address, {
    health: () => (last() === undefined ? "the first look has not ended" : undefined),
    metrics: () => diagnosisMetrics(last()),
    status: () => last() ?? {},
  });
}

/** In Prometheus' text format. Before the first look metrics are declared and have no values. */
export function diagnosisMetrics(result: DiagnoseResult | undefined): string {
  const of = (samples: (result: DiagnoseResult) => Samples): Samples => (result === undefined ? [] : samples(result));
  return [
    metric("verdict", "1 for the verdict: healthy, broken or unknown.", of(verdicts)),
    metric("area_state", "1 for the state of each area: ok, warning, broken or unknown.", of(areaStates)),
    metric("findings", "What was found, by code, level and area.", of(findings)),
    metric(
      "last_timestamp_seconds",
      "When the last look began.",
      of(({ time }) => [[{}, Date.parse(time) / 1000]]),
    ),
    metric(
      "duration_seconds",
      "How long the last look took.",
      of(({ milliseconds }) => [[{}, milliseconds / 1000]]),
    ),
  ].join("");
}

function verdicts({ verdict }: DiagnoseResult): Samples {
  return ["healthy", "broken", "unknown"].map((each) => [{ verdict: each }, each === verdict ? 1 : 0]);
}

function areaStates({ areas }: DiagnoseResult): Samples {
  return AREAS.flatMap((area) => {
    const found = areas.find((each) => each.area === area);
    if (found === undefined) return [];
    return ["ok", "warning", "broken", "unknown"].map((state): Samples[number] => [
      { area, state },
      state === found.state ? 1 : 0,
    ]);
  });
}

function findings({ troubles }: DiagnoseResult): Samples {
  const counts = new Map<string, { readonly labels: Readonly<Record<string, string>>; count: number }>();
  for (const { code, level, area } of troubles) {
    const key = `${code} ${level} ${area}`;
    const known = counts.get(key) ?? { labels: { code, level, area }, count: 0 };
    counts.set(key, { ...known, count: known.count + 1 });
  }
  return [...counts.values()].map(({ labels, count }) => [labels, count]);
}

function metric(name: string, help: string, samples: Samples): string {
  return metricText(`${PREFIX}${name}`, "gauge", help, samples);
}
