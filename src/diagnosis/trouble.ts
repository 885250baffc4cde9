/**
 * What `diagnose` says of one thing that is wrong. Rules (one file a family: `api-server.ts`, `etcd.ts`, `leases.ts`,
 * `workloads.ts`, `nodes.ts`, `blockers.ts`, `certificates.ts`, `local-control-plane.ts`) make troubles from observed
 * facts; `suppression.ts` leaves the roots.
 */
import type { Finding } from "../errors/errors.ts";

/** The lines of the screen, in its order. */
export const AREAS = [
  "api-server",
  "etcd",
  "scheduler",
  "controller-manager",
  "nodes",
  "workloads",
  "blockers",
  "certificates",
] as const;
export type Area = (typeof AREAS)[number];

export interface Trouble extends Finding {
  readonly area: Area;
  /** What was seen, one sentence each. */
  readonly evidence: readonly string[];
  /** What does not work while this lasts, and what still does. */
  readonly consequence: string;
  /** What mends it, as commands to paste, in order; empty where only a person can decide. */
  readonly commands: readonly string[];
  /** What a person should know before or instead of the commands. */
  readonly advice?: string;
  /** By what others may name it as their cause, besides its code, such as `certificate-expired:etcd`. */
  readonly keys?: readonly string[];
  /** Codes or keys of troubles that, where they are there, make this one their consequence and a line of their evidence. */
  readonly explainedBy?: readonly string[];
}
