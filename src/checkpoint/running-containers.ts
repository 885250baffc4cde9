/** For how long containers have been seen to run: the runtime's own times are of its clock, and say nothing of what was missed. */
import type { RuntimeContainer, RuntimePod } from "./observe.ts";

export class RunningContainers {
  readonly #since = new Map<string, number>();

  /** In milliseconds; 0 where it does not run, or is seen for the first time. */
  runningFor({ id, running }: RuntimeContainer, now: number): number {
    if (!running) return 0;
    const first = this.#since.get(id) ?? now;
    this.#since.set(id, first);
    return now - first;
  }

  /** Those that no longer run start over when they are seen again. */
  keep(pods: readonly RuntimePod[]): void {
    const running = new Set(
      pods.flatMap(({ containers }) => containers.flatMap((each) => (each.running ? each.id : []))),
    );
    for (const id of [...this.#since.keys()]) if (!running.has(id)) this.#since.delete(id);
  }
}
