/** One step at a time on a node: that of a run which was cut off may still be at work there when the next run asks. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MendError } from "../../../errors/errors.ts";
import { realFileSystem } from "../../../io/files/durable/file-system.ts";
import { takeLastingLock } from "../../../io/files/durable/lasting-lock.ts";
import type { HeldLock } from "../../../io/files/durable/lock-file.ts";

const POLL_MS = 300;
/** Longer than the longest step that changes something. */
const WAIT_MS = 600_000;

export interface LockWait {
  readonly signal: AbortSignal;
  readonly report: (text: string) => void;
}

/** Runs `work` while no other step changes anything on this node. Throws `timeout` where one does not end. */
export async function withStepLock<T>(
  directory: string,
  { signal, report }: LockWait,
  work: () => Promise<T>,
): Promise<T> {
  realFileSystem.makeDirectory(directory, 0o700);
  const path = join(directory, "step.lock");
  const deadline = performance.now() + WAIT_MS;
  let held: HeldLock | undefined;
  for (let isFirst = true; ; isFirst = false) {
    held = takeLastingLock(path);
    if (held !== undefined) break;
    if (isFirst) report("waiting for the step of another run to end");
    if (performance.now() > deadline) {
      throw new MendError("timeout", `another run's step did not end within ${WAIT_MS / 1000} s`, {
        where: path,
        hint: "see the process whose id is in that file",
      });
    }
    await sleep(POLL_MS, undefined, { signal });
  }
  try {
    return await work();
  } finally {
    held.release();
  }
}
