/**
 * The threads that help to sweep a large file. Each is started when it is first needed, and serves every sweep until the
 * file is closed. A small file gets none.
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
/**
 * To start and to compile its code, a thread takes about 0.1 s of CPU time, as much as reading and hashing 200 MB. It
 * is worth that where it saves a second of waiting.
 */
const BYTES_A_HELPER = 2 ** 31;
/** Objects take longer to look at than pages. */
const DECODED_BYTES_A_HELPER = 256 << 20;
/** Threads decode objects one at a time: a small young generation keeps them in the cache and the process small. */
const YOUNG_GENERATION_MB = 8;

/** What threads send meanwhile for an order. */
type BatchOf<Order> = Order extends RowOrder ? RowBatch : LineBatch;

/** What a sweep is about to do, as far as it says how many threads are worth it. */
interface SweepLoad {
  readonly decodes: boolean;
  /** Whether the command hashes the file at the same time, in a thread of its own. */
  readonly besideHash: boolean;
}

export interface SweepThreads {
  /** At most; 0 for a small file. */
  readonly count: number;
  /** Whether the thread that asks sweeps, too. */
  readonly callerSweeps: boolean;
  /** How many threads help with a sweep. */
  helpers(load: SweepLoad): number;
  /** Sends the order to so many threads; one report each. */
  run(order: SweepOrder, helpers: number): Promise<SweepReport>[];
  /** Sends an order to each thread, passes on what they send meanwhile, and ends when all have. */
  stream<Order extends LineOrder | RowOrder>(
    orderOf: (thread: number) => Order,
    pass: (batch: BatchOf<Order>) => void,
  ): Promise<void>;
  /** Ends the threads and frees what they hold; who asks again gets others. For whoever has several large files open. */
  release(): Promise<void>;
  stop(): void;
}

export interface SweepThreadsOptions {
  /** The caller's thread has other work, such as answering requests or a copy: it is left alone if there is another core. */
  readonly sparesCaller?: boolean;
  /** Logical processors. */
  readonly cores?: number;
}

/** The threads for a file of `size` bytes. None is started yet. */
export function createSweepThreads(
  size: number,
  { sparesCaller = false, cores = availableParallelism() }: SweepThreadsOptions = {},
): SweepThreads {
  const count = size < THREAD_WORTHY_BYTES ? 0 : Math.min(cores, MOST_THREADS);
  const callerSweeps = !sparesCaller || count === 0 || cores === 1;
  const workers: Worker[] = [];
  const started = (wanted: number): readonly Worker[] => {
    while (workers.length < wanted) workers.push(startSweepThread());
    return workers.slice(0, wanted);
  };
  return {
    count,
    callerSweeps,
    helpers({ decodes, besideHash }) {
      const free = cores - 1 - (besideHash ? 1 : 0);
      const worthwhile = Math.floor(size / (decodes ? DECODED_BYTES_A_HELPER : BYTES_A_HELPER));
      const helpers = Math.max(0, Math.min(count, free, worthwhile));
      return callerSweeps ? helpers : Math.max(1, helpers);
    },
    run: (order, helpers) => started(helpers).map((worker) => runOn<SweepReport>(worker, order)),
    async stream(orderOf, pass) {
      await Promise.all(started(count).map((worker, thread) => runOn<undefined>(worker, orderOf(thread), pass)));
    },
    async release() {
      await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
    },
    stop() {
      for (const worker of workers) void worker.terminate();
    },
  };
}

function startSweepThread(): Worker {
  const worker = startThread("sweep-worker", { resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB } });
  worker.unref(); // a thread without work keeps nothing alive
  worker.on("error", () => {}); // said by the run that it breaks
  return worker;
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
