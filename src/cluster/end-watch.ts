/**
 * Whether static pods whose manifests are gone have ended: nothing of them runs, and the kubelet starts nothing again.
 * An etcd that ends again and again has no process for most of the time, so what counts is that the kubelet has let go of
 * the pod: it stops the sandbox. One that has not heard from an API server since it started never does, also when it has
 * seen that the manifest is gone. Then the sandbox is stopped for it, and it is watched whether it makes another.
 */

/** A kubelet stops a pod's sandbox when its containers have ended; one that has not by then does not. Milliseconds. */
const HOLD_MS = 3000;
/** A kubelet that wants a pod makes a new sandbox within a second or two. */
const SETTLE_MS = 5000;
/** Longer than a kubelet that looks for manifests every 20 s takes to see that one is gone, and to end the pod. */
const LET_GO_MS = 45_000;

export class EndWatch {
  readonly #began: number;
  /** Since when nothing runs. */
  #emptySince: number | undefined;
  #stoppedAt: number | undefined;

  /** `began`: when the manifests were taken away, in milliseconds of any clock. */
  constructor(began: number) {
    this.#began = began;
  }

  /** After each look: whether a process of them runs, and whether the kubelet holds one of the pods. */
  next(runs: boolean, isHeld: boolean, now: number): "over" | "wait" | "stop held" {
    if (runs) {
      this.#emptySince = undefined;
      return "wait";
    }
    this.#emptySince ??= now;
    if (now - this.#began > LET_GO_MS) return "over";
    const isSettled = this.#stoppedAt === undefined || now - this.#stoppedAt > SETTLE_MS;
    if (!isSettled) return "wait";
    if (!isHeld) return "over";
    if (now - this.#emptySince <= HOLD_MS) return "wait";
    this.#stoppedAt = now;
    return "stop held";
  }
}
