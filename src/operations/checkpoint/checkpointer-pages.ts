/** The agent's health, metrics and status for the HTTP server on the loopback. */
import { STATE_TEXT } from "../../checkpoint/cause.ts";
import { type AgentEndpoint, openAgentEndpoint } from "../../io/agent/agent-endpoint.ts";
import { metricText, type Samples } from "../../io/agent/metrics-text.ts";
import type { AgentReport, CheckpointerOptions } from "./checkpointer-options.ts";
import type { AgentView } from "./checkpointer-report.ts";

const PREFIX = "kubemend_checkpointer_";

export interface AgentPage {
  readonly report: AgentReport;
  readonly view: AgentView;
}

/** Undefined where none is asked for. A port that is taken is reported and is no reason to leave a node without its checkpoints. */
export async function openAgentPages(
  page: () => AgentPage,
  { metricsAddress, log }: CheckpointerOptions,
): Promise<AgentEndpoint | undefined> {
  if (metricsAddress === undefined) return undefined;
  try {
    return await openAgentEndpoint(metricsAddress, {
      health: () => healthOf(page().report),
      metrics: () => checkpointerMetrics(page()),
      status: () => page().report,
    });
  } catch (error) {
    log("error", error instanceof Error ? error.message : String(error), { address: metricsAddress });
    return undefined;
  }
}

/** No API server is no fault of the agent's: it is what it is for. */
function healthOf({ runtime, findings }: AgentReport): string | undefined {
  const worst = findings.find(({ level }) => level === "error");
  return runtime ?? (worst === undefined ? undefined : `${worst.where}: ${worst.text}`);
}

/** In Prometheus' text format. */
export function checkpointerMetrics({ report, view }: AgentPage): string {
  const { looks, copies, failures, transitions } = view.counts;
  const states = Object.keys(STATE_TEXT).map((state): Samples[number] => [
    { state },
    report.checkpoints.filter((each) => each.state === state).length,
  ]);
  const moves = [...transitions].map(([move, count]): Samples[number] => {
    const [from = "", to = ""] = move.split(" ");
    return [{ from, to }, count];
  });
  const generations = report.checkpoints.map((each): Samples[number] => [
    { checkpoint: each.id },
    each.generations.length,
  ]);
  return [
    metric("checkpoints", "gauge", "Checkpoints by state.", states),
    metric("generations", "gauge", "Copies on disk that can be run.", generations),
    metric("transitions_total", "counter", "Changes of state.", moves),
    metric("looks_total", "counter", "Walks over everything that was seen.", [[{}, looks]]),
    metric("copies_total", "counter", "Copies written.", [[{}, copies]]),
    metric("failures_total", "counter", "Writes that failed.", [[{}, failures]]),
    metric("findings", "gauge", "Things that are wrong now.", [[{}, report.findings.length]]),
    metric("api_server_up", "gauge", "Whether an API server can be asked.", [[{}, report.apiServer === null ? 1 : 0]]),
    metric("container_runtime_up", "gauge", "Whether the runtime answers.", [[{}, report.runtime === null ? 1 : 0]]),
    metric(
      "last_activation_seconds",
      "gauge",
      "From knowing that a checkpoint is needed to its manifest being in place.",
      view.lastActivationMs === undefined ? [] : [[{}, view.lastActivationMs / 1000]],
    ),
  ].join("");
}

function metric(name: string, type: "gauge" | "counter", help: string, samples: Samples): string {
  return metricText(`${PREFIX}${name}`, type, help, samples);
}
