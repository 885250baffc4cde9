/** How patient we are with an API server, and who hears that it is slow. */

export interface ApiManners {
  /**
   * Milliseconds for one request with its whole answer; 0 for no limit. Undefined: {@link DEFAULT_REQUEST_MS}, and
   * longer for an answer that keeps coming.
   */
  readonly requestTimeoutMs?: number | undefined;
  /** Called once for each time that the server says nothing for a second. */
  readonly onSilence?: ((silence: Silence) => void) | undefined;
}

interface Silence {
  /** The API server's host and port. */
  readonly host: string;
  /** How long a request is waited for; infinity where there is no limit. */
  readonly limitSeconds: number;
}

export const DEFAULT_REQUEST_MS = 30_000;
const SILENT_AFTER_MS = 1000;

/** Reports a silence once, until some request was answered again. */
export class SilenceReport {
  readonly #host: string;
  readonly #manners: ApiManners;
  readonly #timers = new Set<NodeJS.Timeout>();
  #reported = false;

  constructor(host: string, manners: ApiManners) {
    this.#host = host;
    this.#manners = manners;
  }

  /** From now until the result is disposed of, a request waits for its answer. */
  watch(limitMs: number): Disposable {
    const { onSilence } = this.#manners;
    if (onSilence === undefined) return { [Symbol.dispose]: () => {} };
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (this.#reported) return;
      this.#reported = true;
      onSilence({ host: this.#host, limitSeconds: limitMs / 1000 });
    }, SILENT_AFTER_MS);
    this.#timers.add(timer);
    return {
      [Symbol.dispose]: () => {
        if (this.#timers.delete(timer)) this.#reported = false; // in time
        clearTimeout(timer);
      },
    };
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
