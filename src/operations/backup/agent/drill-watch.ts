/** Looks now and then at what `drill` and `verify` left in the repository: they run elsewhere, and the agent is what is scraped. */
import type { Store } from "../../../io/stores/store.ts";
import { newestDrill, newestReports } from "../reports.ts";
import type { AgentOptions } from "./agent-options.ts";
import type { AgentReporter } from "./agent-report.ts";
import { isStoreFailure } from "./delta-writer.ts";

const EVERY_MS = 10 * 60_000;

export interface DrillWatch {
  lookIfDue(): void;
  settled(): Promise<void>;
}

export function createDrillWatch(
  store: Store,
  { state }: AgentReporter,
  { clock, log }: Pick<AgentOptions, "clock" | "log">,
): DrillWatch {
  let lookedAt = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | undefined;

  async function look(): Promise<void> {
    try {
      const { lastVerified } = await newestReports(store);
      if (lastVerified !== null) state.verifyTime = Date.parse(lastVerified);
      state.drill = (await newestDrill(store)) ?? null;
    } catch (error) {
      // The store's own failures are reported by who writes to it.
      if (!isStoreFailure(error)) log("warn", "the reports of drills cannot be read", { error: String(error) });
    }
  }

  return {
    lookIfDue() {
      if (running !== undefined || clock() - lookedAt < EVERY_MS) return;
      lookedAt = clock();
      running = look().finally(() => {
        running = undefined;
      });
    },
    settled: async () => await running,
  };
}
