/** Reports that a fault has begun or is over: a POST of JSON, each once, and tried again while nobody answers. */
import { setTimeout as sleep } from "node:timers/promises";
import { withoutLogins } from "../../../errors/secret.ts";
import type { AgentOptions } from "./agent-options.ts";
import type { AgentFault } from "./agent-report.ts";
import { webhookBody } from "./webhook-body.ts";

/** Somebody who is informed of faults. */
export interface FaultListener {
  readonly send: (fault: AgentFault, over: boolean) => void;
  /** Waits for what is on its way. */
  close(): Promise<void>;
}

const TIMEOUT_MS = 10_000;
/** A network that fails fails for the webhook too: it is tried after each of them. */
const RETRY_MS = [1000, 10_000, 60_000, 300_000] as const;

export function createWebhook({
  webhook,
  repository,
  writer,
  log,
  now,
  signal,
}: Pick<AgentOptions, "webhook" | "repository" | "writer" | "log" | "now" | "signal">): FaultListener {
  const running = new Set<Promise<void>>();
  return {
    send(fault, over) {
      if (webhook === undefined) return;
      const reported = { fault, over, repository: withoutLogins(repository), writer, now: now() };
      const body = JSON.stringify(webhookBody(webhook.format, reported));
      const sending = post(webhook.url, body, log, signal).finally(() => running.delete(sending));
      running.add(sending);
    },
    close: async () => {
      await Promise.all(running);
    },
  };
}

async function post(url: string, body: string, log: AgentOptions["log"], signal: AbortSignal): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    let failure: { readonly text: string; readonly fields: Record<string, unknown> };
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", "user-agent": "kubemend" },
        body,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      await response.body?.cancel();
      if (response.ok) return;
      const { status } = response;
      failure = { text: "the webhook refuses", fields: { status } };
      if (status < 500 && status !== 429) return log("warn", failure.text, failure.fields);
    } catch (error) {
      // Of an address with a login, which is refused, the message says the login.
      const text = withoutLogins(error instanceof Error ? error.message : String(error));
      failure = { text: "the webhook cannot be reached", fields: { error: text } };
    }
    log("warn", failure.text, failure.fields);
    const wait = RETRY_MS[attempt];
    if (wait === undefined || signal.aborted) return;
    await sleep(wait, undefined, { signal }).catch(() => {}); // stopping: once more, at once
  }
}
