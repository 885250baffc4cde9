/**
 * The backup agent inside another program, such as the node agent: whatever is wrong with it is reported and tried
 * again, and never ends the other one.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { MendError } from "../../../errors/errors.ts";
import { runBackupAgent } from "./agent.ts";
import { readAgentConfig } from "./agent-config.ts";
import type { AgentOptions } from "./agent-options.ts";

export interface BesideOptions extends Pick<AgentOptions, "env" | "cwd" | "signal" | "now" | "clock" | "log"> {
  /** Read again for every try. */
  readonly config: string;
  readonly nodeName: string;
  /** How long to wait after a failure, in milliseconds; a minute unless given. */
  readonly retryMs?: number;
}

const RETRY_MS = 60_000;

/** Runs until the signal aborts; what was seen until then is stored. */
export async function runBackupBeside({
  config,
  nodeName,
  retryMs = RETRY_MS,
  ...options
}: BesideOptions): Promise<void> {
  const { signal, log } = options;
  while (!signal.aborted) {
    try {
      await runBackupAgent({ ...readAgentConfig(config, nodeName), ...options });
    } catch (error) {
      const { message, code } = error instanceof MendError ? error : { message: String(error), code: "internal" };
      log("error", `the backup agent has ended, and is started again: ${message}`, { code, config });
    }
    try {
      await sleep(retryMs, undefined, { signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}
