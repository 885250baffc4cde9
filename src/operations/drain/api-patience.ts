/** How long a command that lives from watches bears an API server that does not answer. */
import type { LiveObjects } from "../../io/api-server/live-objects.ts";

/** An API server that is away for longer is not waited for. */
const PATIENCE_MS = 60_000;

export class ApiPatience {
  readonly #live: LiveObjects;
  readonly #now: () => number;
  readonly #note: (text: string) => void;
  #since: number | undefined;

  /** `note` is called when the wait begins, and when it has ended well. */
  constructor(live: LiveObjects, now: () => number, note: (text: string) => void) {
    this.#live = live;
    this.#now = now;
    this.#note = note;
  }

  /** To be called at least every few seconds. Throws what the watches met where the API server has been away for too long. */
  check(): void {
    const { reachable, failure } = this.#live;
    if (reachable) {
      if (this.#since !== undefined) this.#note("the API server answers again");
      this.#since = undefined;
      return;
    }
    if (this.#since === undefined) {
      this.#since = this.#now();
      this.#note(`waiting for the API server${failure instanceof Error ? `: ${failure.message}` : ""}`);
    }
    if (this.#now() - this.#since > PATIENCE_MS) throw failure;
  }
}
