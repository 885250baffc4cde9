/** What every command shares: what it gets to run with, and the exit codes that scripts rely on. */
import type { Command } from "commander";
import type { Host } from "./host.ts";

/** 0 done or healthy; 1 it failed or something is broken; 2 wrong usage; 3 nothing could be judged; 130 interrupted. */
export const EXIT = { done: 0, failed: 1, usage: 2, unknown: 3, interrupted: 130 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What a command gets to run with. */
export interface CommandContext {
  readonly host: Host;
  /** Sets the exit code of a command that ended without an error, such as `snapshot verify` with findings. */
  exit(code: ExitCode): void;
  /** All commands, for what completes them. */
  commandTree(): Promise<Command>;
}

/** The hidden command that the shells' completion scripts call. */
export const COMPLETE = "__complete";
