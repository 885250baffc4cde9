/**
 * Time that passes only when nobody has anything left to do: days of it in seconds. It takes the place of the timers
 * and clocks of this process, so a process that begins with it has no other. Whoever awaits something else than a timer
 * or what is ready already (a file, a socket) is not waited for.
 */
import { createRequire, syncBuiltinESMExports } from "node:module";
import { Chance } from "../chance.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  isOver: boolean;
}

/** A day that everything begins on: 2026-11-29. */
export const EPOCH = Date.UTC(2026, 10, 29);
const realImmediate = setImmediate;

let now = 0;
let order = 0;
let heap: Timer[] = [];

/** Milliseconds since the beginning. */
export const virtualNow = (): number => now;

function add(run: () => void, milliseconds: number): Timer {
  const timer = { at: now + Math.max(1, milliseconds || 0), order: order++, run, isOver: false };
  heap.push(timer);
  let i = heap.length - 1;
  while (i > 0) {
    const parent = (i - 1) >> 1;
    if (!isBefore(heap[i]!, heap[parent]!)) break;
    [heap[i], heap[parent]] = [heap[parent]!, heap[i]!];
    i = parent;
  }
  return timer;
}

function take(): Timer | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || first === last) return first;
  heap[0] = last;
  for (let i = 0; ; ) {
    const [left, right] = [2 * i + 1, 2 * i + 2];
    let least = i;
    if (left < heap.length && isBefore(heap[left]!, heap[least]!)) least = left;
    if (right < heap.length && isBefore(heap[right]!, heap[least]!)) least = right;
    if (least === i) return first;
    [heap[i], heap[least]] = [heap[least]!, heap[i]!];
    i = least;
  }
}

const isBefore = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** Resolves after so many virtual milliseconds, or rejects when the signal aborts. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason);
    const abort = (): void => {
      timer.isOver = true;
      reject(signal?.reason);
    };
    const timer = add(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** From now on nothing in this process waits for the real clock, or depends on the machine, and chance is by the seed. */
export function beginVirtualTime(seed: number): void {
  [now, order, heap] = [0, 0, []];
  const chance = new Chance(seed);
  const fake = {
    setTimeout: (run: (...args: unknown[]) => void, milliseconds: number, ...args: unknown[]) => {
      const timer = add(() => run(...args), milliseconds);
      return Object.assign(timer, { ref: () => timer, unref: () => timer, hasRef: () => true });
    },
    clearTimeout: (timer: Timer | undefined) => {
      if (timer !== undefined && timer !== null) timer.isOver = true;
    },
  };
  Object.assign(globalThis, fake);
  const require = createRequire(import.meta.url);
  require("node:timers/promises").setTimeout = (
    milliseconds: number,
    value: unknown,
    options?: { signal?: AbortSignal },
  ) => pause(milliseconds, options?.signal).then(() => value);
  // Whose addresses these are would be another's on each machine.
  require("node:os").networkInterfaces = () => ({ lo: [{ address: "127.0.0.1" }] });
  syncBuiltinESMExports();
  AbortSignal.timeout = (milliseconds: number) => {
    const controller = new AbortController();
    add(() => controller.abort(new DOMException("it took too long", "TimeoutError")), milliseconds);
    return controller.signal;
  };
  performance.now = () => now;
  Date.now = () => EPOCH + now;
  Math.random = () => chance.below(2 ** 30) / 2 ** 30;
}

/** Lets time pass up to a moment. */
export async function passUntil(moment: number): Promise<void> {
  for (;;) {
    await new Promise<void>((resolve) => realImmediate(() => resolve()));
    const first = heap[0];
    if (first === undefined || first.at > moment) break;
    take();
    if (first.isOver) continue;
    now = first.at;
    first.run();
  }
  now = moment;
}
