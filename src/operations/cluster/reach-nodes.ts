/**
 * How nodes are reached from here: by ssh, with kubemend's own executable, which is carried there where nobody says
 * what to run instead.
 */

import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { ownExecutable } from "../../io/ssh/own-executable.ts";
import type { SshOptions } from "../../io/ssh/ssh.ts";
import { NodeSession } from "./node-session.ts";
import { carryExecutable, NODE_COMMAND, type NodeTarget, type Reach, removeExecutable } from "./nodes.ts";

export interface ReachOptions {
  readonly ssh: SshOptions;
  /** Words that run kubemend on a node, where it is there already. */
  readonly command: readonly string[] | undefined;
  readonly signal: AbortSignal;
}

/** The way to all nodes of an operation. In the end, however that came, nothing of it is left on them. */
export interface Ways extends AsyncDisposable {
  readonly to: (target: NodeTarget) => Promise<Reach>;
}

/** Throws `usage` where there is neither an executable to carry nor a command to run. */
export function reachBySsh({ ssh, command, signal }: ReachOptions, executable = ownExecutable()): Ways {
  if (command === undefined && executable === undefined) {
    throw new MendError("usage", "this kubemend is not one executable file, which could be carried to the nodes", {
      hint: `run the executable, or name the command of the nodes with ${input("nodeCommand")} kubemend`,
    });
  }
  const carried: { readonly target: NodeTarget; readonly path: string }[] = [];
  const sessions: NodeSession[] = [];
  return {
    async to(target) {
      const words = command ?? (await carryExecutable(target, executable ?? "", ssh, signal));
      if (command === undefined) carried.push({ target, path: words[0] ?? "" });
      const session = new NodeSession(target.address, [...words, ...NODE_COMMAND], ssh, signal);
      sessions.push(session);
      return { ssh, command: words, session };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(sessions.map((session) => session.close()));
      await Promise.all(carried.map(({ target, path }) => removeExecutable(target, path, ssh)));
    },
  };
}
