/** Joins the links that are stored to bundles, one at a time, beside the watch. */
import { bundlesOf } from "../../../io/repository/read-links.ts";
import { type Bundler, createBundler } from "../../../io/repository/write-bundles.ts";
import type { Head } from "../../../repository/head.ts";
import type { WritableRepository } from "../open-for-writing.ts";
import type { AgentOptions } from "./agent-options.ts";
import type { AgentReporter } from "./agent-report.ts";
import { isStoreFailure } from "./delta-writer.ts";

export interface BundleKeeper {
  /** Starts writing the next bundle where one is due and none is being written. */
  writeIfDue(): void;
  settled(): Promise<void>;
}

/** After a failure. */
const RETRY_MS = 60_000;

/** `heads`: of all links, as they are added. */
export function createBundleKeeper(
  { repository }: WritableRepository,
  heads: readonly Head[],
  report: AgentReporter,
  { clock, log }: AgentOptions,
): BundleKeeper {
  let bundler: Bundler | undefined;
  let running: Promise<void> | undefined;
  let failedAt = Number.NEGATIVE_INFINITY;
  /** The newest link when nothing was left to do. */
  let idleAt = 0;

  async function writeNext(): Promise<void> {
    const [first, last] = [heads[0]?.sequence, heads.at(-1)?.sequence];
    if (first === undefined || last === undefined || last === idleAt) return;
    try {
      bundler ??= createBundler(repository, await bundlesOf(repository.store));
      const written = await bundler.writeNext(first, last);
      if (written === undefined) idleAt = last;
      else log("debug", "links were joined to a bundle", { ...written });
      report.end("bundles");
    } catch (error) {
      if (!isStoreFailure(error)) throw error;
      failedAt = clock();
      report.begin("bundles", `links are not joined to bundles: ${error.message}`);
    }
  }

  return {
    writeIfDue() {
      if (running !== undefined || clock() - failedAt < RETRY_MS) return;
      running = writeNext()
        .catch((error: unknown) => {
          failedAt = clock();
          report.begin("bundles", `links are not joined to bundles: ${String(error)}`);
        })
        .finally(() => {
          running = undefined;
        });
    },
    settled: async () => await running,
  };
}
