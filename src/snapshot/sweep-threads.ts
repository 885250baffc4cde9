/**
 * The threads that sweep a large file. They are started when it is opened, so that they load their code while the tree
 * is walked, and serve every sweep until it is closed. A small file gets none.
 */
import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import { MendError } from "../errors/errors.ts";
import type { LineBatch, LineOrder } from "./line-batches.ts";
import type { RowBatch, RowOrder } from "./row-batches.ts";
import { startThread, thrownByThread } from "./start-thread.ts";
import type { SweepMessage, SweepOrder, SweepReport } from "./sweep-worker.ts";

/** Below this a thread costs more than it saves. Bytes. */
export const THREAD_WORTHY_BYTES = 32 << 20;
const MOST_THREADS = 4;
/** Threads decode objects one at a time: a small young generation keeps them in the cache and the process small. */
const YOUNG_GENERATION_MB = 8;

/** What threads send meanwhile for an order. */
type BatchOf<Order> = Order extends RowOrder ? RowBatch : LineBatch;

export interface SweepThreads {
  readonly count: number;
  /** Sends the order to every thread; one report each. */
  run(order: SweepOrder): Promise<SweepReport>[];
  /** Sends an order to each thread, passes on what they send meanwhile, and ends when all have. */
  stream<Order extends LineOrder | RowOrder>(
    orderOf: (thread: number) => Order,
    pass: (batch: BatchOf<Order>) => void,
  ): Promise<void>;
  stop(): void;
}

/** Starts as many threads as help with a file of `size` bytes: none, or one a core. */
export function startSweepThreads(size: number): SweepThreads {
  const count = size < THREAD_WORTHY_BYTES ? 0 : Math.min(availableParallelism(), MOST_THREADS);
  const workers = Array.from({ length: count }, () => {
    const worker = startThread("sweep-worker", {
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    worker.unref(); // a thread without work keeps nothing alive
    worker.on("error", () => {}); // said by the run that it breaks
    return worker;
  });
  return {
    count,
    run: (order) => workers.map((worker) => runOn<SweepReport>(worker, order)),
    async stream(orderOf, pass) {
      await Promise.all(workers.map((worker, thread) => runOn<undefined>(worker, orderOf(thread), pass)));
    },
    stop() {
      for (const worker of workers) void worker.terminate();
    },
  };
}

/** The thread's answer. What it sends before, each a batch, goes to `pass`. */
function runOn<Answer>(
  worker: Worker,
  order: SweepOrder | LineOrder | RowOrder,
  pass?: (batch: never) => void,
): Promise<Answer> {
  const report = new Promise<Answer>((resolve, reject) => {
    const end = (): void => {
      worker.off("message", done).off("error", failed).off("exit", ended).unref();
    };
    const done = (message: SweepMessage): void => {
      if ("batch" in message) pass?.(message.batch as never);
      else {
        end();
        resolve(message.answer as Answer);
      }
    };
    const failed = (error: unknown): void => {
      end();
      reject(thrownByThread(error));
    };
    const ended = (code: number): void => failed(new MendError("internal", `a worker thread ended with code ${code}`));
    worker.on("message", done).on("error", failed).on("exit", ended).ref();
  });
  report.catch(() => {}); // awaited later; an abort may come first
  worker.postMessage(order);
  return report;
}
