/**
 * Ends a computation that does not return: code of a library that a hostile input keeps busy is stopped from outside by
 * V8, in the same thread and without a second copy of anything, also inside of a regular expression. `node:vm` has its
 * own clock for this, and hears Ctrl-C, which the event loop cannot do meanwhile.
 */
import { createContext, Script } from "node:vm";
import { MendError } from "../errors/errors.ts";

export interface TimeLimit {
  readonly milliseconds: number;
  /** Whether SIGINT ends it too: on the main thread only, since the others are ended by that one. */
  readonly hearsInterrupt: boolean;
}

/** Thrown where the time is over. */
export class TimeIsOver extends Error {
  override readonly name = "TimeIsOver";
}

interface Box {
  run?: (() => unknown) | undefined;
}

/** Made when it is first needed, which takes two milliseconds. */
let made: { readonly box: Box; readonly script: Script } | undefined;

/**
 * What `run` returns or throws. Throws {@link TimeIsOver}, or `interrupted`. Costs a fifth of a millisecond. Not to be
 * nested.
 */
export function withinTime<T>({ milliseconds, hearsInterrupt }: TimeLimit, run: () => T): T {
  made ??= { box: createContext({}) as Box, script: new Script("run()") };
  const { box, script } = made;
  box.run = run;
  try {
    return script.runInContext(box, { timeout: milliseconds, breakOnSigint: hearsInterrupt }) as T;
  } catch (error) {
    const code = (error as { readonly code?: unknown } | null)?.code;
    if (code === "ERR_SCRIPT_EXECUTION_TIMEOUT") throw new TimeIsOver("the computation took too long");
    if (code === "ERR_SCRIPT_EXECUTION_INTERRUPTED") throw new MendError("interrupted", "interrupted");
    throw error;
  } finally {
    box.run = undefined;
  }
}
