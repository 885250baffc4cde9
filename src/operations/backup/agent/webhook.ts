/** Reports that a fault has begun or is over: a POST of JSON, each once. */
import type { AgentOptions } from "./agent-options.ts";
import type { AgentFault } from "./agent-report.ts";

export interface Webhook {
  readonly send: (fault: AgentFault, over: boolean) => void;
  /** Waits for what is on its way. */
  close(): Promise<void>;
}

const TIMEOUT_MS = 10_000;

export function createWebhook({
  webhook,
  repository,
  writer,
  log,
}: Pick<AgentOptions, "webhook" | "repository" | "writer" | "log">): Webhook {
  const running = new Set<Promise<void>>();
  return {
    send(fault, over) {
      if (webhook === undefined) return;
      const sending = post(webhook, { ...fault, over, repository, writer }, log).finally(() => running.delete(sending));
      running.add(sending);
    },
    close: async () => {
      await Promise.all(running);
    },
  };
}

async function post(url: string, body: object, log: AgentOptions["log"]): Promise<void> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": "kubemend" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await response.arrayBuffer();
    if (!response.ok) log("warn", "the webhook refuses", { status: response.status });
  } catch (error) {
    log("warn", "the webhook cannot be reached", { error: error instanceof Error ? error.message : String(error) });
  }
}
