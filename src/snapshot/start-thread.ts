/** Starts a thread from its entry file: a source file, a file of `dist/`, or an asset of the single executable. */
import { getAsset, isSea } from "node:sea";
import { Worker, type WorkerOptions } from "node:worker_threads";
import { type ErrorCode, MendError } from "../errors/errors.ts";

/** The entry files, without extension: in this folder, and in `rolldown.config.ts`. */
export type ThreadName = "sweep-worker" | "hash-worker" | "content-worker";

export function startThread(name: ThreadName, options: WorkerOptions): Worker {
  if (isSea()) {
    const loader = getAsset("load-chunk.cjs", "utf8"); // src/executable/load-chunk.ts
    return new Worker(`${loader}\nexports.loadChunk("./${name}.cjs");`, { ...options, eval: true });
  }
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return new Worker(new URL(`./${name}.${extension}`, import.meta.url), options);
}

/** What a thread has thrown, as it threw it: on the way out of a thread an error keeps its fields and loses its class. */
export function thrownByThread(error: unknown): unknown {
  if (!(error instanceof Error) || error.name !== "MendError") return error;
  const { code, ...details } = error as Error & { readonly code: ErrorCode };
  return new MendError(code, error.message, { ...details, cause: error.cause });
}
