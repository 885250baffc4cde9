import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Deadline, DeadlinePassed } from "./deadline.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("the time ends once, and not after it was put away", async () => {
  const deadline = new Deadline(1000);
  await vi.advanceTimersByTimeAsync(999);
  expect(deadline.signal.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(10);
  expect(deadline.signal.reason).toBeInstanceOf(DeadlinePassed);
  const done = new Deadline(1000);
  done[Symbol.dispose]();
  await vi.advanceTimersByTimeAsync(5000);
  expect(done.signal.aborted).toBe(false);
});

test("an answer that keeps its pace continues; one that drips does not", async () => {
  const [fast, drip, fixed] = [
    new Deadline(1000, { pace: 100 }),
    new Deadline(1000, { pace: 100 }),
    new Deadline(1000),
  ];
  for (let i = 0; i < 30; i++) {
    fast.advance(10); // 100 bytes a second
    drip.advance(1);
    fixed.advance(1_000_000);
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(fast.signal.aborted).toBe(false);
  expect(drip.signal.aborted).toBe(true);
  expect(fixed.signal.aborted).toBe(true);
  // However much has arrived, a silence is never longer than the time.
  fast.advance(1_000_000);
  await vi.advanceTimersByTimeAsync(1100);
  expect(fast.signal.aborted).toBe(true);
});

test("time that we take ourselves does not count", async () => {
  const deadline = new Deadline(1000);
  await vi.advanceTimersByTimeAsync(900);
  deadline.pause();
  await vi.advanceTimersByTimeAsync(60_000);
  deadline.resume();
  expect(deadline.signal.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1100);
  expect(deadline.signal.aborted).toBe(true);
});

test("an interruption ends it at once, with its own reason", async () => {
  const interruption = new AbortController();
  const deadline = new Deadline(1000, { signal: interruption.signal });
  const lost = deadline.race(new Promise(() => {}));
  const outcome = lost.catch((error: unknown) => error);
  interruption.abort(new Error("Ctrl-C"));
  expect(await outcome).toMatchObject({ message: "Ctrl-C" });
  const late = new Deadline(1000, { signal: interruption.signal });
  expect(late.signal.reason).toMatchObject({ message: "Ctrl-C" });
  await expect(late.race(Promise.resolve(1))).rejects.toThrow("Ctrl-C");
  await expect(new Deadline(1000).race(Promise.resolve(1))).resolves.toBe(1);
});
