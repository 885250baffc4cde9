/**
 * How long something on a network may take: a dial, a request with its answer, a stream. One notion for all of them, so
 * that every wait has an end and every wait ends when the user interrupts it.
 */

/** The time was over before the other side had done its part. Converted where it is known who that is. */
export class DeadlinePassed extends Error {
  override readonly name = "DeadlinePassed";
  readonly milliseconds: number;

  constructor(milliseconds: number) {
    super(`no end within ${milliseconds / 1000} s`);
    this.milliseconds = milliseconds;
  }
}

export interface DeadlineOptions {
  /** Interrupts from outside; its reason becomes the reason of {@link Deadline.signal}. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Bytes a second that must arrive at least, for answers that may be long: each byte that arrives gives back its share
   * of the time. Undefined: the whole answer has to be there within the time, as with `kubectl --request-timeout`.
   */
  readonly pace?: number | undefined;
}

/** A slow line over a satellite has more; a server that drips bytes to hold us up has less. */
export const SLOWEST_PACE = 2048;

export class Deadline implements Disposable {
  /** Aborted with a {@link DeadlinePassed}, or with the reason of the outer signal. Never aborted after {@link Symbol.dispose}. */
  readonly signal: AbortSignal;
  readonly milliseconds: number;
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #pace: number | undefined;
  readonly #interrupt = (): void => this.#controller.abort(this.#outer?.reason);
  #timer: NodeJS.Timeout | undefined;
  /** On the clock of `performance.now()`. */
  #due: number;
  #pausedAt: number | undefined;

  constructor(milliseconds: number, { signal, pace }: DeadlineOptions = {}) {
    this.milliseconds = milliseconds;
    this.#pace = pace;
    this.#outer = signal;
    this.signal = this.#controller.signal;
    this.#due = performance.now() + milliseconds;
    if (signal?.aborted === true) this.#interrupt();
    else {
      signal?.addEventListener("abort", this.#interrupt, { once: true });
      this.#wait();
    }
  }

  /** Bytes of the answer have arrived. */
  advance(bytes: number): void {
    if (this.#pace === undefined) return;
    const left = this.#due - performance.now() + (bytes * 1000) / this.#pace;
    this.#due = performance.now() + Math.min(this.milliseconds, left);
  }

  /** The other side has done something: the time starts over. */
  renew(): void {
    this.#due = performance.now() + this.milliseconds;
  }

  /** Time that the other side is not to blame for, such as while what arrived is written to a disk. */
  pause(): void {
    this.#pausedAt ??= performance.now();
  }

  resume(): void {
    if (this.#pausedAt === undefined) return;
    this.#due += performance.now() - this.#pausedAt;
    this.#pausedAt = undefined;
  }

  /** Rejects as soon as the time is over, whatever becomes of the promise. */
  async race<T>(promise: Promise<T>): Promise<T> {
    promise.catch(() => {}); // who lost the race is not listened to
    const { signal } = this;
    signal.throwIfAborted();
    let abort = (): void => {};
    const aborted = new Promise<never>((_, reject) => {
      abort = () => reject(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
    });
    try {
      return await Promise.race([promise, aborted]);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#outer?.removeEventListener("abort", this.#interrupt);
  }

  #wait(): void {
    const left = this.#pausedAt === undefined ? this.#due - performance.now() : this.milliseconds;
    // Longer than a timer can be set for is no limit at all.
    if (left > 0x7fffffff) return;
    this.#timer = setTimeout(
      () => {
        // After a long calculation of ours the answer may lie in the kernel's buffer: it is looked for once more.
        setImmediate(() => this.#end());
      },
      Math.max(0, left),
    );
  }

  #end(): void {
    if (this.#timer === undefined) return; // disposed
    if (this.#pausedAt !== undefined || this.#due > performance.now()) this.#wait();
    else this.#controller.abort(new DeadlinePassed(this.milliseconds));
  }
}
