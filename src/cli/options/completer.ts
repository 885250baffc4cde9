/** What completes an argument or the value of a flag beyond a fixed list: the nodes of the cluster, the names in a snapshot. */
import type { Argument, Option } from "commander";
import type { Host } from "../host.ts";
import type { Flag } from "./flag.ts";

/** The command line so far. */
export interface TypedSoFar {
  /** The arguments before the one that is completed. */
  readonly args: readonly string[];
  /** The word that is completed, which may be empty. */
  readonly last: string;
  /** The value of a flag by its long name, such as `--namespace`; `""` for one without a value. Undefined where it is not given. */
  flag(long: string): string | undefined;
}

/** What may stand there, in any order. What it throws is as if there were nothing. */
export type Completer = (typed: TypedSoFar, host: Host) => Promise<readonly string[]>;

const COMPLETERS = new WeakMap<Argument | Option, Completer>();

export function setCompleter(of: Argument | Option, completer: Completer): void {
  COMPLETERS.set(of, completer);
}

export function completerOf(of: Argument | Option): Completer | undefined {
  return COMPLETERS.get(of);
}

/** The same flag, whose value is completed. */
export function completedBy<T>(flag: Flag<T>, completer: Completer): Flag<T> {
  return {
    ...flag,
    option() {
      const option = flag.option();
      setCompleter(option, completer);
      return option;
    },
  };
}
