/** Probes: each with a deadline of its own, so that what is dead takes nothing from what lives; what fails is a gap, and not the end. */
import type { UnknownArea } from "../../../diagnosis/facts.ts";
import type { Area } from "../../../diagnosis/trouble.ts";
import { MendError } from "../../../errors/errors.ts";

/** What a probe asks. A long list, which comes in pages, calls `comesAlong` for each: then it has its time for the next one. */
type Probe<T> = (signal: AbortSignal, comesAlong: () => void) => Promise<T>;

/** A list that comes along has no more than so many times its deadline. */
const MOST_DEADLINES = 10;

export class Probes {
  readonly unknown: UnknownArea[] = [];
  readonly deadlineMs: number;
  readonly signal: AbortSignal;

  constructor(deadlineMs: number, signal: AbortSignal) {
    this.deadlineMs = deadlineMs;
    this.signal = signal;
  }

  /** Undefined where it failed, which is noted for the area. Throws when the whole is interrupted. */
  async try<T>(area: Area, what: string, run: Probe<T>, deadlineMs = this.deadlineMs): Promise<T | undefined> {
    const found = await this.attempt(run, deadlineMs);
    if (found.ok) return found.value;
    this.unknown.push({ area, text: `${what}: ${found.text}` });
    return undefined;
  }

  /** As {@link try}, with the failure as a value. */
  async attempt<T>(run: Probe<T>, deadlineMs = this.deadlineMs): Promise<Attempt<T>> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), deadlineMs);
    const end = Date.now() + MOST_DEADLINES * deadlineMs;
    const comesAlong = () => {
      if (Date.now() < end) timer.refresh();
    };
    try {
      return { ok: true, value: await run(AbortSignal.any([this.signal, late.signal]), comesAlong) };
    } catch (error) {
      this.signal.throwIfAborted();
      if (late.signal.aborted) return { ok: false, late: true, text: `no answer within ${deadlineMs / 1000} s`, error };
      // Our own mistake, or an answer of a shape that no API server gives: the other probes still tell what they find.
      const isOurs = !(error instanceof MendError) || error.code === "internal";
      return { ok: false, late: false, text: `${isOurs ? "internal error: " : ""}${messageOf(error)}`, error };
    } finally {
      clearTimeout(timer);
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export type Attempt<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly late: boolean; readonly text: string; readonly error: unknown };
