/** Turns for everything else in a loop that takes long: an interruption is heard between two turns of the event loop only. */
import { setImmediate } from "node:timers/promises";

const TURN_MS = 50;

/**
 * To be awaited in each round of a loop. Lets signals, timers and sockets have a turn where the last one is so long ago,
 * and throws the signal's reason once it is aborted.
 */
export function createTurns(signal: AbortSignal | undefined): () => Promise<void> | undefined {
  let last = performance.now();
  const turn = async (): Promise<void> => {
    await setImmediate();
    last = performance.now();
    signal?.throwIfAborted();
  };
  return () => (performance.now() - last < TURN_MS ? undefined : turn());
}
