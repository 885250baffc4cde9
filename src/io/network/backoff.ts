/**
 * How long to wait before something that failed is tried again: longer each time, and never in step with others. The
 * numbers of watches are those of client-go's reflector (`tools/cache/reflector.go`): 800 ms, doubled up to 30 s,
 * forgotten after two minutes that went well, with a jitter of once the time.
 */

export interface BackoffOptions {
  readonly firstMs: number;
  readonly longestMs: number;
  /** 1: up to twice the time. */
  readonly jitter?: number;
  readonly random?: () => number;
}

export const WATCH_BACKOFF: BackoffOptions = { firstMs: 800, longestMs: 30_000 };

export class Backoff {
  readonly #options: BackoffOptions;
  #nextMs: number;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#nextMs = options.firstMs;
  }

  /** Milliseconds until the next attempt. */
  next(): number {
    const { longestMs, jitter = 1, random = Math.random } = this.#options;
    const base = this.#nextMs;
    this.#nextMs = Math.min(longestMs, base * 2);
    return base * (1 + jitter * random());
  }

  /** It has worked: the next failure is the first one. */
  reset(): void {
    this.#nextMs = this.#options.firstMs;
  }
}
