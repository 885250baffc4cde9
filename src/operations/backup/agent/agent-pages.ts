/** The agent's health, metrics and status on the loopback. */
import { type AgentEndpoint, openAgentEndpoint } from "../../../io/agent/agent-endpoint.ts";
import { metricText, type Samples } from "../../../io/agent/metrics-text.ts";
import type { AgentOptions } from "./agent-options.ts";
import type { AgentReporter } from "./agent-report.ts";

const PREFIX = "kubemend_backup_";

export async function openBackupPages(
  reporter: AgentReporter,
  { metricsAddress, log, now }: Pick<AgentOptions, "metricsAddress" | "log" | "now">,
): Promise<AgentEndpoint | undefined> {
  if (metricsAddress === undefined) return undefined;
  try {
    return await openAgentEndpoint(metricsAddress, {
      health: () => reporter.faults()[0]?.text,
      metrics: () => backupMetrics(reporter, now()),
      status: () => backupStatus(reporter),
    });
  } catch (error) {
    // A port that is taken is no reason to keep no backups.
    log("error", error instanceof Error ? error.message : String(error), { address: metricsAddress });
    return undefined;
  }
}

function backupStatus(reporter: AgentReporter): object {
  const { errors, ...state } = reporter.state;
  return { ...state, errors: Object.fromEntries(errors), faults: reporter.faults() };
}

/** Prometheus' text format. Values that are not known yet are left out. */
export function backupMetrics(reporter: AgentReporter, now: number): string {
  const { state } = reporter;
  const { counts } = state;
  const seconds = (milliseconds: number | null): Samples => (milliseconds === null ? [] : [[{}, milliseconds / 1000]]);
  const lag = state.storedTime === null ? null : Math.max(0, now - state.storedTime);
  return [
    metric("lag_seconds", "gauge", "Age of the newest moment that the repository can restore.", seconds(lag)),
    metric("lag_revisions", "gauge", "Revisions of etcd that are not stored.", revisionsBehind(reporter)),
    metric("last_full_timestamp_seconds", "gauge", "When the newest full was taken.", seconds(state.fullTime)),
    metric(
      "restorable_from_timestamp_seconds",
      "gauge",
      "From when on every moment can be restored.",
      seconds(state.restorableFrom),
    ),
    metric(
      "restorable_to_timestamp_seconds",
      "gauge",
      "Until when every moment can be restored.",
      seconds(state.storedTime),
    ),
    metric("last_drill_timestamp_seconds", "gauge", "When the newest drill ran.", seconds(state.drill?.time ?? null)),
    metric(
      "last_drill_seconds",
      "gauge",
      "How long the newest drill took.",
      seconds(state.drill?.milliseconds ?? null),
    ),
    metric(
      "last_drill_success",
      "gauge",
      "1 where the newest drill found nothing wrong, else 0.",
      state.drill === null ? [] : [[{}, state.drill.ok ? 1 : 0]],
    ),
    metric(
      "last_verify_timestamp_seconds",
      "gauge",
      "When the repository was last verified.",
      seconds(state.verifyTime),
    ),
    metric("writer", "gauge", "1 where this agent writes, 0 where it stands by.", [
      [{}, state.role === "write" ? 1 : 0],
    ]),
    metric("spool_bytes", "gauge", "Bytes that wait for the store.", [[{}, state.spoolBytes]]),
    metric("deltas_total", "counter", "Deltas stored.", [[{}, counts.deltas]]),
    metric("fulls_total", "counter", "Fulls stored.", [[{}, counts.fulls]]),
    metric("changes_total", "counter", "Changes stored.", [[{}, counts.changes]]),
    metric("stored_bytes_total", "counter", "Bytes of deltas stored.", [[{}, counts.storedBytes]]),
    metric("gaps_total", "counter", "Times that etcd compacted changes before they were stored.", [[{}, counts.gaps]]),
    metric(
      "errors_total",
      "counter",
      "Failures by kind.",
      [...state.errors].map(([kind, count]) => [{ kind }, count] as const),
    ),
    metric(
      "fault",
      "gauge",
      "1 for each fault that there is now, by kind.",
      reporter.faults().map(({ kind }) => [{ kind }, 1] as const),
    ),
  ].join("");
}

function revisionsBehind({ state }: AgentReporter): Samples {
  if (state.etcdRevision === null || state.storedRevision === null) return [];
  return [[{}, Math.max(0, state.etcdRevision - state.storedRevision)]];
}

function metric(name: string, type: "gauge" | "counter", help: string, samples: Samples): string {
  return metricText(`${PREFIX}${name}`, type, help, samples);
}
