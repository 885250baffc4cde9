/** Why a checkpoint changed its state, for the log and for `checkpoint status`. */
import type { Observed, State } from "./state.ts";

const API = {
  unavailable: "no API server can be asked",
  scheduled: "the API server wants its parent here",
  absent: "the API server has no parent of it for this node",
} as const;
const PARENT = {
  absent: "its parent does not run",
  created: "its parent is being made",
  starting: "its parent has containers that do not run, or not for long",
  running: "its parent runs",
  unknown: "the container runtime does not say what runs",
} as const;

export function causeOf(seen: Observed): string {
  return `${API[seen.api]}, and ${PARENT[seen.parent]}`;
}

/** What a state means, in a few words. */
export const STATE_TEXT: Readonly<Record<State["kind"], string>> = {
  none: "no copy yet",
  inactive: "inactive",
  waiting: "inactive, waiting for its parent",
  "inactive-grace": "inactive, grace period",
  active: "active",
  "active-grace": "active, grace period",
  "handing-over": "handing over to its parent",
  self: "active, the agent itself",
  "self-grace": "active, the agent itself, grace period",
  remove: "removed",
};
