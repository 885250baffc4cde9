/** Starts a thread from its entry file: a source file, a file of `dist/`, or an asset of the single executable. */
import { getAsset, isSea } from "node:sea";
import { Worker, type WorkerOptions } from "node:worker_threads";

/** The entry files, without extension: in this folder, and in `rolldown.config.ts`. */
export type ThreadName = "sweep-worker" | "hash-worker";

export function startThread(name: ThreadName, options: WorkerOptions): Worker {
  if (isSea()) {
    const loader = getAsset("load-chunk.cjs", "utf8"); // src/executable/load-chunk.ts
    return new Worker(`${loader}\nexports.loadChunk("./${name}.cjs");`, { ...options, eval: true });
  }
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return new Worker(new URL(`./${name}.${extension}`, import.meta.url), options);
}
