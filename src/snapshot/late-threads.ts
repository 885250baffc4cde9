/** Threads that are started when the first sweep needs them: where none may. */
import { type SweepThreads, startSweepThreads } from "./sweep-threads.ts";

/** As `startSweepThreads`, later. */
export function startThreadsWhenNeeded(size: number): SweepThreads {
  let started: SweepThreads | undefined;
  const threads = (): SweepThreads => {
    started ??= startSweepThreads(size);
    return started;
  };
  return {
    get count() {
      return threads().count;
    },
    run: (order) => threads().run(order),
    stream: (orderOf, pass) => threads().stream(orderOf, pass),
    stop: () => started?.stop(),
  };
}
