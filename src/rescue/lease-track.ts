/**
 * Whether a component's leader is alive, by its lease alone: it changes while the holder lives. Times of other
 * machines' clocks are not compared.
 */
import { isHeldAt, type LeaderLease } from "../kube/lease.ts";

export class LeaseTrack {
  #lease: LeaderLease | undefined;
  #renewals = 0;

  /** What it is now, at every look; undefined where there is none. */
  see(lease: LeaderLease | undefined): void {
    const last = this.#lease;
    this.#lease = lease;
    if (lease === undefined || last === undefined || lease.renewTime === last.renewTime) return;
    this.#renewals = lease.holder !== "" && lease.holder === last.holder ? this.#renewals + 1 : 0;
  }

  /** From now on only what comes counts. */
  forget(): void {
    this.#renewals = 0;
  }

  get lease(): LeaderLease | undefined {
    return this.#lease;
  }

  /** Whether its holder has renewed it while this looked, after it took it. */
  get isRenewed(): boolean {
    return this.#renewals > 0;
  }
}

/** How much longer than a lease is good for its holder may take to be seen. A client tries every 2 s. */
const PATIENCE_MS = 5_000;
/** Somebody may hold it whom no pod shows, on a machine whose clock is late: a holder renews it every 2 s. */
const LEAST_LOOK_MS = 2_500;

export interface HealthEvidence {
  readonly track: LeaseTrack;
  /** Whether the component elects a leader at all. */
  readonly elects: boolean;
  /** Whether one of its pods may have another lease than those that were looked at. */
  readonly isDoubtful: boolean;
  /** Pods of the component whose container runs on a node that is Ready; `ready` of them are Ready. */
  readonly running: number;
  readonly ready: number;
  /** Milliseconds since the epoch by this machine's clock, which may differ from the holder's. */
  readonly now: number;
  /** How long it was looked at. */
  readonly lookedMs: number;
}

/**
 * Whether the component does its work; `unsure` while it has to be looked at longer. `unknown` where its pods run and
 * nothing proves that they do not work: their lease is not known, or they have none and are not ready.
 */
export function judgeHealth({
  track,
  elects,
  isDoubtful,
  running,
  ready,
  now,
  lookedMs,
}: HealthEvidence): "healthy" | "lost" | "unsure" | "unknown" {
  if (!elects) {
    if (ready > 0) return "healthy";
    if (running === 0) return "lost";
    return lookedMs < PATIENCE_MS ? "unsure" : "unknown";
  }
  if (track.isRenewed) return "healthy";
  if (running === 0 && lookedMs >= LEAST_LOOK_MS && !isHeldAt(track.lease, now)) return "lost";
  const durationMs = (track.lease?.durationSeconds ?? 15) * 1000;
  if (lookedMs <= durationMs + PATIENCE_MS) return "unsure";
  return isDoubtful && running > 0 ? "unknown" : "lost";
}
