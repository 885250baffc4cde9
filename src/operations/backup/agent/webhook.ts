/** Reports that a fault has begun or is over: a POST of JSON, each once. */
import { withoutLogins } from "../../../errors/secret.ts";
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
      const message = { ...fault, over, repository: withoutLogins(repository), writer };
      const sending = post(webhook, message, log).finally(() => running.delete(sending));
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
    await response.body?.cancel();
    if (!response.ok) log("warn", "the webhook refuses", { status: response.status });
  } catch (error) {
    // Of an address with a login, which is refused, the message says the login.
    const text = withoutLogins(error instanceof Error ? error.message : String(error));
    log("warn", "the webhook cannot be reached", { error: text });
  }
}
