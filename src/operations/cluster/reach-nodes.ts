/** How nodes are reached from here: by ssh, with kubemend's own executable, which is carried there where nobody says what to run instead. */

import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { ownExecutable } from "../../io/ssh/own-executable.ts";
import type { SshOptions } from "../../io/ssh/ssh.ts";
import { carryExecutable, type NodeTarget, type Reach } from "./nodes.ts";

export interface ReachOptions {
  readonly ssh: SshOptions;
  /** Words that run kubemend on a node, where it is there already. */
  readonly command: readonly string[] | undefined;
  readonly signal: AbortSignal;
}

/** Throws `usage` where there is neither an executable to carry nor a command to run. */
export function reachBySsh({ ssh, command, signal }: ReachOptions): (target: NodeTarget) => Promise<Reach> {
  const executable = ownExecutable();
  if (command === undefined && executable === undefined) {
    throw new MendError("usage", "this kubemend is not one executable file, which could be carried to the nodes", {
      hint: `run the executable, or name the command of the nodes with ${input("nodeCommand")} kubemend`,
    });
  }
  return async (target) => ({
    ssh,
    command: command ?? (await carryExecutable(target, executable ?? "", ssh, signal)),
  });
}
