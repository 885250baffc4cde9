/** Waiting for something to become so, with a limit, and with the reason in the error when it did not. */
import { setTimeout as sleep } from "node:timers/promises";

export interface WaitOptions {
  readonly seconds?: number;
  /** How long between two looks. */
  readonly everyMilliseconds?: number;
  /** Called when the time is up: what to add to the error, such as a log's last lines. */
  readonly explain?: () => string | Promise<string>;
}

/**
 * Calls `look` until it returns something other than undefined or false, and returns that. An error that `look` throws
 * counts as "not yet" and is reported when the time is up.
 */
export async function waitFor<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  options: WaitOptions = {},
): Promise<T> {
  const deadline = Date.now() + (options.seconds ?? 60) * 1000;
  let last: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      last = undefined;
    } catch (error) {
      if (error instanceof GiveUp) throw error;
      last = error;
    }
    if (Date.now() > deadline) break;
    await sleep(options.everyMilliseconds ?? 100);
  }
  const explanation = (await options.explain?.()) ?? "";
  throw new Error(
    [`waited ${options.seconds ?? 60} s in vain for ${what}`, last instanceof Error ? last.message : "", explanation]
      .filter(Boolean)
      .join("\n"),
    { cause: last },
  );
}

/** Thrown by a look to end the wait at once: it can no longer become so. */
export class GiveUp extends Error {}
