/** Rest that events cut short. An event that comes while nobody rests is not lost: the next rest is over at once. */
export class Wakeups {
  readonly #signal: AbortSignal;
  #pending = false;
  #end: () => void = () => {};
  /** When to be awake at the latest, on the clock of whoever sets it; infinity where it does not matter. */
  nextAt = Number.POSITIVE_INFINITY;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  wake(): void {
    this.#pending = true;
    this.#end();
  }

  at(time: number): void {
    this.nextAt = Math.min(this.nextAt, time);
  }

  /** What has come so far is being seen to. */
  clear(): void {
    this.#pending = false;
    this.nextAt = Number.POSITIVE_INFINITY;
  }

  /** Until an event, the signal, or that many milliseconds are over. Tells whether it was an event. */
  async rest(milliseconds: number): Promise<boolean> {
    if (!this.#pending) await this.pause(milliseconds, true);
    return this.#pending;
  }

  /** The same, events or not. */
  pause(milliseconds: number, untilEvent = false): Promise<void> {
    if (this.#signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#signal.removeEventListener("abort", done);
        this.#end = () => {};
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      this.#signal.addEventListener("abort", done, { once: true });
      if (untilEvent) this.#end = done;
    });
  }
}
