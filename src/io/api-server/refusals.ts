/**
 * Whether the API server means it when it refuses a watch. One that starts answers 401 and 403 before it has read who
 * may do what: such a refusal passes. One that lasts while the server says that it is ready is an answer, and whoever
 * waits for the watch waits in vain.
 */
import { ApiError, type ClusterApi } from "./cluster-api.ts";

/** Refused so often in a row by a server that was ready before, one that has never worked is final. */
const ENOUGH = 2;
/** One that has worked gets this long: of several API servers behind one address, one may just have been started. */
const PATIENCE_MS = 15_000;
/** A watch that held for this long had been allowed. */
const WORKED_MS = 1000;
/** Refusals further apart are no row. */
const APART_MS = 10_000;

export class Refusals {
  #count = 0;
  #first = 0;
  #last = Number.NEGATIVE_INFINITY;
  #hasWorked = false;
  #wasReady = false;

  /** A watch has ended that was opened this long ago. */
  noteEnd(milliseconds: number): void {
    if (milliseconds < WORKED_MS) return;
    this.#hasWorked = true;
    this.#wasReady = false;
  }

  /** Whether to give up on account of this error. */
  async isFinal(error: unknown, api: ClusterApi, signal: AbortSignal): Promise<boolean> {
    if (!(error instanceof ApiError) || (error.status !== 401 && error.status !== 403)) return false;
    const now = performance.now();
    if (now - this.#last > APART_MS) this.#wasReady = false;
    this.#last = now;
    if (!this.#wasReady) {
      // It may have become ready after it refused: only what it refuses from here on counts.
      this.#count = 0;
      this.#first = now;
      this.#wasReady = await isReady(api, signal);
      return false;
    }
    this.#count++;
    return this.#count >= ENOUGH && (!this.#hasWorked || now - this.#first >= PATIENCE_MS);
  }
}

/** `/readyz` since 1.16; before, `/healthz`. A server that does not answer these to us is believed to be ready. */
async function isReady(api: ClusterApi, signal: AbortSignal): Promise<boolean> {
  try {
    let { status } = await api.probe("/readyz", signal);
    if (status === 404) ({ status } = await api.probe("/healthz", signal));
    return status < 500 && status !== 429;
  } catch {
    return false; // it has gone meanwhile
  }
}
